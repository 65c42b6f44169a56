import { useMemo } from "react";
import { useParams } from "wouter";
import { Actions } from "../execution/actions";
import { Approval, waitingOf } from "../execution/approval";
import { chainOf, definitionOf } from "../execution/definition";
import { Graph, type NodeState } from "../execution/graph";
import { History } from "../execution/history";
import { NodePanel, RunFacts, RunPanel } from "../execution/node-panel";
import { type Said, useLiveText } from "../execution/live-text";
import { isOver, type NodeRun, type Run, useDefinition, useRun } from "../execution/read";
import { Timeline } from "../execution/timeline";
import { Skeleton } from "../parts/card";
import { CopyId } from "../parts/copy-id";
import { Empty, NotFound } from "../parts/empty";
import { messageOf, nameOf } from "../parts/execution-table";
import { Page } from "../parts/page";
import { Problem } from "../parts/problem";
import { StatePill } from "../parts/state-pill";
import { useParam } from "../parts/url";

const UP = { to: "/executions", label: "Executions" };

export default function ExecutionPage() {
  const { id = "" } = useParams<{ id: string }>();
  const [given, setVersion] = useParam("version");
  const version = /^[1-9]\d*$/.test(given) ? Number(given) : null;
  const { run, last, error, isLoading, again } = useRun(id, version);
  if (run === null) {
    return (
      <Page title="Execution" up={UP}>
        {error && <Problem error={error} again={again} />}
        {isLoading && <Skeleton />}
        {!error && !isLoading && (
          <NotFound what="execution" up={{ ...UP, label: "All executions" }} />
        )}
      </Page>
    );
  }
  const isPast = version !== null;
  return (
    <Page
      title={`${nameOf(run)} …${id.slice(-8)}`}
      heading={
        <span className="row">
          {nameOf(run)} <CopyId id={run.id} /> <StatePill state={run.status} />
        </span>
      }
      up={UP}
      actions={isPast ? undefined : <Actions run={run} again={again} />}
    >
      {isPast && (
        <div className="past" role="status">
          As it was after event {run.version} of {last}.
          <button type="button" className="button" onClick={() => setVersion("")}>
            Back to now
          </button>
        </div>
      )}
      {messageOf(run.error) && (
        <Problem
          error={
            new Error(
              `${run.status === "NEEDS_ATTENTION" ? "Somebody has to look: " : ""}${messageOf(run.error)}`,
            )
          }
        />
      )}
      {!isPast &&
        run.nodes
          .filter((node) => node.askedAt !== null && node.status === "WAITING")
          .map((node) => (
            <Approval key={node.path} waiting={waitingOf(run.id, node)} again={again} />
          ))}
      <RunFacts run={run} isNow={!isPast} />
      <Inside run={run} last={last} onTravel={(to) => setVersion(to >= last ? "" : String(to))} />
    </Page>
  );
}

function isSpeaking(node: NodeRun, said: ReadonlyMap<string, Said>): boolean {
  return node.status === "RUNNING" && (said.get(node.path)?.attempt ?? 0) >= node.attempt;
}

function countOf(states: ReadonlyMap<string, NodeState>, status: string): number {
  return [...states.values()].filter((one) => one.status === status).length;
}

const NOTHING = { nodes: [], edges: [] };
const TABS = { graph: "Graph", timeline: "Timeline", history: "History" } as const;

function Inside({
  run,
  last,
  onTravel,
}: {
  run: Run;
  last: number;
  onTravel: (version: number) => void;
}) {
  const [given, setTab] = useParam("tab", ["after"]);
  const tab = given in TABS ? (given as keyof typeof TABS) : "graph";
  const [selected, setSelected] = useParam("node");
  const ran = useDefinition(run);
  const definition = useMemo(
    () => definitionOf(ran) ?? (run.workflowId === null ? chainOf(run.nodes) : NOTHING),
    [ran, run.nodes, run.workflowId],
  );
  const states = useMemo(
    () =>
      new Map<string, NodeState>(
        run.nodes.filter((node) => node.path === node.id).map((node) => [node.id, node]),
      ),
    [run.nodes],
  );
  const isNow = run.version >= last;
  const said = useLiveText(run.id, isNow && !isOver(run));
  // While nobody chose a node, the one that speaks is shown.
  const speaking = run.nodes.find((one) => isSpeaking(one, said));
  const node = run.nodes.find((one) => one.path === (selected || speaking?.path));
  return (
    <div className="run">
      <section className="card" aria-label="The run">
        <div className="tabs">
          <div className="segmented" role="group" aria-label="Show as">
            {Object.entries(TABS).map(([name, label]) => (
              <button
                key={name}
                type="button"
                aria-pressed={name === tab}
                onClick={() => setTab(name === "graph" ? "" : name)}
              >
                {label}
              </button>
            ))}
          </div>
          <span className="grow" />
          {definition !== NOTHING && (
            <span className="muted">
              {countOf(states, "COMPLETED")} of {definition.nodes.length} nodes done
              {countOf(states, "SKIPPED") > 0 && `, ${countOf(states, "SKIPPED")} skipped`}
            </span>
          )}
        </div>
        {tab === "graph" && ran === undefined && <Skeleton />}
        {tab === "graph" && ran === null && definition === NOTHING && (
          <Empty title="What it ran is not known any more">The timeline has its nodes.</Empty>
        )}
        {tab === "graph" && definition !== NOTHING && (
          <Graph
            label="The nodes of the run"
            {...{ definition, states, selected }}
            onSelect={setSelected}
          />
        )}
        {tab === "timeline" && (
          <Timeline
            nodes={run.nodes}
            beganAt={run.startedAt ?? run.createdAt}
            endedAt={run.completedAt}
            isNow={isNow}
            selected={selected}
            onSelect={setSelected}
          />
        )}
        {tab === "history" && <History id={run.id} beganAt={run.createdAt} last={last} onTravel={onTravel} />}
        <Travel at={run.version} last={last} onTravel={onTravel} />
      </section>
      {node ? (
        <NodePanel
          key={node.path}
          node={node}
          type={definition.nodes.find((one) => one.id === node.id)?.type}
          isNow={isNow}
          said={isSpeaking(node, said) ? (said.get(node.path)?.text ?? "") : ""}
          onClose={selected === "" ? null : () => setSelected("")}
        />
      ) : (
        <RunPanel run={run} isNow={isNow} />
      )}
    </div>
  );
}

function Travel({
  at,
  last,
  onTravel,
}: {
  at: number;
  last: number;
  onTravel: (version: number) => void;
}) {
  return (
    <label className="travel">
      <span className="muted">
        Event <span className="number">{Math.min(at, last)}</span> of{" "}
        <span className="number">{last}</span>
      </span>
      <input
        type="range"
        aria-label="The state after an event"
        min={1}
        max={Math.max(last, 1)}
        value={Math.min(at, last)}
        onChange={(event) => onTravel(Number(event.target.value))}
      />
    </label>
  );
}
