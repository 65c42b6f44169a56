/** One run: as it is, live; or as it was after one of its events. */
import { useEffect, useEffectEvent, useState } from "react";
import { graphql, type ResultOf, useRead } from "../api/graphql";
import { follow } from "../api/live";

const RUN = graphql(`
  fragment Run on Execution @_unmask {
    id status workflowId workflowVersion agentId definitionHash createdBy parentId parentPath
    forkedFromId forkedFromNode input output error createdAt startedAt wakeAt completedAt
    payloadsRemovedAt erasedAt durationMs costUsd hasUnpriced tokensIn tokensOut version
    workflow { id name version }
    agent { id name }
    nodes {
      id path type status attempt startedAt wakeAt completedAt askedAt durationMs input output error childId
      iterations isCopied model costUsd hasUnpriced tokensIn tokensOut
    }
  }
`);
const NOW = graphql(`query Execution($id: ID!) { execution(id: $id) { ...Run } }`, [RUN]);
const THEN = graphql(
  `query ExecutionAt($id: ID!, $version: Int!) {
    execution: executionAt(id: $id, version: $version) { ...Run }
  }`,
  [RUN],
);
const UPDATES = graphql(`
  subscription ExecutionUpdates($id: ID!, $after: Int!) {
    executionUpdates(id: $id, after: $after) { version topic nodeId status }
  }
`);
const DEFINITIONS = graphql(`
  query DefinitionsOf($id: ID!) {
    workflow(id: $id) { versions(first: 50) { version definitionHash definition } }
  }
`);

export type Run = NonNullable<ResultOf<typeof NOW>["execution"]>;
export type NodeRun = Run["nodes"][number];
type Update = ResultOf<typeof UPDATES>["executionUpdates"];

const OVER = new Set(["COMPLETED", "FAILED", "COMPENSATED", "CANCELLED"]);
/** Events come faster than anybody reads; what they carry is asked for together. */
const GATHER_MS = 350;

export function isOver(run: Run): boolean {
  return OVER.has(run.status);
}

/** version: null is now. While it goes on each event shows at once, and its data soon after. */
export function useRun(id: string, version: number | null) {
  const now = useRead(NOW, { id });
  const then = useRead(THEN, { id, version: version ?? 0 }, { pause: version === null });
  const [told, setTold] = useState<Update[]>([]);
  const current = now.data?.execution ?? null;
  const isGoingOn = current !== null && !isOver(current);

  const again = useEffectEvent(now.again);
  const versionRead = useEffectEvent(() => current?.version ?? 0);
  useEffect(() => {
    if (!isGoingOn) return;
    let last = versionRead();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const soon = () => {
      timer ??= setTimeout(() => {
        timer = undefined;
        again();
      }, GATHER_MS);
    };
    const stop = follow(UPDATES, () => ({ id, after: last }), {
      next: ({ executionUpdates: update }) => {
        last = update.version;
        setTold((before) => [...before, update]);
        soon();
      },
      end: soon,
      back: soon,
    });
    return () => {
      stop();
      clearTimeout(timer);
      setTold([]);
    };
  }, [id, isGoingOn]);

  const run = version === null ? current && patched(current, told) : (then.data?.execution ?? null);
  const read = version === null ? now : then;
  return { run, last: current?.version ?? 0, error: read.error, isLoading: read.isLoading, again: now.again };
}

/** With what is newer than the read model has. */
function patched(run: Run, told: readonly Update[]): Run {
  const news = told.filter((update) => update.version > run.version);
  if (news.length === 0) return run;
  const states = new Map<string, string>();
  let { status } = run;
  for (const update of news) {
    if (update.status === null) continue;
    if (update.nodeId !== null) states.set(update.nodeId, update.status);
    else if (!update.topic.includes("node")) status = update.status as Run["status"];
  }
  const nodes = run.nodes.map((node) => {
    const state = states.get(node.path);
    return state === undefined ? node : { ...node, status: state as NodeRun["status"] };
  });
  const known = new Set(run.nodes.map((node) => node.path));
  const begun = [...states].filter(([path]) => !known.has(path));
  return { ...run, status, nodes: [...nodes, ...begun.map(([path, state]) => justBegun(path, state))] };
}

/** A node of which no more has been read yet than that it began. */
function justBegun(path: string, status: string): NodeRun {
  return {
    id: path.split("/").at(-1) ?? path,
    path,
    type: null,
    status: status as NodeRun["status"],
    attempt: 1,
    startedAt: null,
    wakeAt: null,
    completedAt: null,
    askedAt: null,
    durationMs: null,
    input: null,
    output: null,
    error: null,
    childId: null,
    iterations: null,
    isCopied: false,
    model: null,
    costUsd: "0",
    hasUnpriced: false,
    tokensIn: 0,
    tokensOut: 0,
  };
}

/** The definition that ran, which is of an older version than the workflow has now, maybe; undefined
 * until it is read, null where it is not known any more.
 */
export function useDefinition(run: Run | null): unknown {
  const id = run?.workflowId ?? "";
  const { data, isLoading } = useRead(DEFINITIONS, { id }, { pause: id === "" });
  if (isLoading) return undefined;
  const versions = data?.workflow?.versions ?? [];
  return versions.find((one) => one.definitionHash === run?.definitionHash)?.definition ?? null;
}
