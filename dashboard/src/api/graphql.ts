/** The read side. `graphql` types a document by the committed schema, at compile time. */
import { initGraphQLTada } from "gql.tada";
import { useCallback, useEffect } from "react";
import {
  type AnyVariables,
  cacheExchange,
  Client,
  fetchExchange,
  type TypedDocumentNode,
  useQuery,
} from "urql";
import type { introspection } from "../graphql-env.d.ts";
import { authorizedFetch } from "../session/session";
import { problemOf, ProblemError } from "./problem";
import { positionToWaitFor } from "./rest";

export const graphql = initGraphQLTada<{
  introspection: introspection;
  scalars: { BigInt: number; DateTime: string; ID: string; JSON: unknown };
}>();
export type { ResultOf, VariablesOf } from "gql.tada";

async function graphqlFetch(input: RequestInfo | URL, init?: RequestInit): Promise<Response> {
  const headers = new Headers(init?.headers);
  const position = positionToWaitFor();
  if (position !== null) headers.set("X-Min-Position", position);
  const answer = await authorizedFetch(input, { ...init, headers });
  // Refused before GraphQL saw it: a problem document, which urql would not understand.
  if (!answer.ok) throw new ProblemError(await problemOf(answer));
  return answer;
}

/** One for each person who signs in: what one has read is not shown to the next. */
export function newClient(): Client {
  return new Client({
    url: "/graphql",
    exchanges: [cacheExchange, fetchExchange],
    fetch: graphqlFetch,
    preferGetMethod: false,
    requestPolicy: "cache-and-network",
  });
}

/** Data of the last answer stays while the next is on its way. `again` asks anew. */
export function useRead<Data, Variables extends AnyVariables>(
  query: TypedDocumentNode<Data, Variables>,
  variables: Variables,
  options: { everyMs?: number; pause?: boolean } = {},
) {
  const [result, execute] = useQuery({ query, variables, pause: options.pause ?? false });
  const again = useCallback(() => execute({ requestPolicy: "network-only" }), [execute]);
  const { everyMs } = options;
  useEffect(() => {
    if (everyMs === undefined) return;
    const timer = setInterval(() => document.hidden || again(), everyMs);
    return () => clearInterval(timer);
  }, [again, everyMs]);
  return {
    data: result.data,
    error: result.error,
    isLoading: result.fetching && result.data === undefined,
    isStale: result.stale || result.fetching,
    again,
  };
}
