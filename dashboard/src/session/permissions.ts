/** What the caller may do, to offer nothing that would be refused. The server decides. */
import { graphql, useRead } from "../api/graphql";

const ME = graphql(`
  query Me {
    me { actor userId scopes }
    tenant { id name }
  }
`);

export function useMe() {
  const { data } = useRead(ME, {});
  return data;
}

/** Whether the caller holds a scope, or holds it for what is their own. */
export function useMay(): (scope: string) => boolean {
  const scopes = useMe()?.me.scopes ?? [];
  return (scope) =>
    scopes.includes("*") || scopes.includes(scope) || scopes.includes(`${scope}:own`);
}

/** Whether the caller holds a scope for everything of the tenant. */
export function useMayAll(): (scope: string) => boolean {
  const scopes = useMe()?.me.scopes ?? [];
  return (scope) => scopes.includes("*") || scopes.includes(scope);
}
