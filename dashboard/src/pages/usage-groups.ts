/** What usage is grouped and narrowed by, in the address and by name. */
import { useCallback, useMemo } from "react";
import { graphql, useRead } from "../api/graphql";
import { useParam } from "../parts/url";

export const DIMENSIONS = {
  MODEL: "Model",
  PROVIDER: "Provider",
  AGENT: "Agent",
  WORKFLOW: "Workflow",
  NODE_TYPE: "Node type",
  USER: "Person",
  API_KEY: "API key",
  METER: "Meter",
} as const;
export type Dimension = keyof typeof DIMENSIONS;
export interface Group {
  dimension: Dimension;
  value: string | null;
}

const NAMES = graphql(`
  query NamesOfUsage {
    agents(first: 200) { edges { node { id name } } }
    workflows(first: 200) { edges { node { id name } } }
  }
`);

/** Of agents and workflows. */
export function useNamesById(): (id: string) => string | undefined {
  const { data } = useRead(NAMES, {});
  return useMemo(() => {
    const edges = [...(data?.agents.edges ?? []), ...(data?.workflows.edges ?? [])];
    const names = new Map(edges.map(({ node }) => [node.id, node.name]));
    return (id: string) => names.get(id);
  }, [data]);
}

/** The names of what has one; of the rest what the group itself says. */
export function useNames(): (group: Group) => string {
  const nameOf = useNamesById();
  return useCallback(
    ({ value }: Group) => (value === null ? "(none)" : (nameOf(value) ?? value)),
    [nameOf],
  );
}

/** The filter in the address: `?only=MODEL:openai/gpt-4o|METER:requests`; nothing behind the colon
 * is what has none.
 */
export function useOnly(): {
  only: Group[];
  add: (group: Group) => void;
  remove: (group: Group) => void;
} {
  const [text, setText] = useParam("only", ["after"]);
  const only = useMemo(() => parsed(text), [text]);
  const add = useCallback(
    (group: Group) => setText(written([...without(only, group), group])),
    [only, setText],
  );
  const remove = useCallback(
    (group: Group) => setText(written(without(only, group))),
    [only, setText],
  );
  return { only, add, remove };
}

function without(only: readonly Group[], group: Group): Group[] {
  return only.filter((one) => one.dimension !== group.dimension || one.value !== group.value);
}

function written(only: readonly Group[]): string {
  return only.map((one) => `${one.dimension}:${encodeURIComponent(one.value ?? "")}`).join("|");
}

function parsed(text: string): Group[] {
  return text.split("|").flatMap((part) => {
    const [dimension = "", value = ""] = part.split(":");
    if (!(dimension in DIMENSIONS)) return [];
    return [{ dimension: dimension as Dimension, value: decoded(value) }];
  });
}

/** Whoever writes an address by hand may write anything. */
function decoded(value: string): string | null {
  try {
    return decodeURIComponent(value) || null;
  } catch {
    return value;
  }
}
