/** A definition as it is stored: a graph of nodes and edges. */
export interface DefinitionNode {
  id: string;
  type: string;
  config?: Record<string, unknown>;
  compensate?: unknown;
}
export interface DefinitionEdge {
  from: string;
  to: string;
  port?: string;
}
export interface Definition {
  nodes: DefinitionNode[];
  edges: DefinitionEdge[];
}

export function definitionOf(value: unknown): Definition | null {
  const given = value as Partial<Definition> | null;
  if (!Array.isArray(given?.nodes) || !Array.isArray(given.edges)) return null;
  return { nodes: given.nodes, edges: given.edges };
}

/** The run of one agent has no definition to show: its nodes as they came, one after the other. */
export function chainOf(nodes: readonly { id: string; path: string; type: string | null }[]): Definition {
  const outer = nodes.filter((node) => node.path === node.id);
  return {
    nodes: outer.map((node) => ({ id: node.id, type: node.type ?? "skipped" })),
    edges: outer.slice(1).map((node, index) => ({ from: outer[index]?.id ?? "", to: node.id })),
  };
}

/** An input with every member that the definition reads of one. */
export function exampleInput(definition: unknown): Record<string, string> {
  const text = JSON.stringify(definition) ?? "";
  const names = [...text.matchAll(/\binput\.([A-Za-z_]\w*)/g)].map(([, name]) => name ?? "");
  return Object.fromEntries([...new Set(names)].map((name) => [name, ""]));
}
