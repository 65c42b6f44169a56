import { useState } from "react";
import { Link, useParams } from "wouter";
import { EventCard, ProofCard } from "../audit/event";
import { graphql, useRead } from "../api/graphql";
import { useTenantChanges } from "../api/live";
import { Card, Skeleton } from "../parts/card";
import { CopyId } from "../parts/copy-id";
import { NotFound } from "../parts/empty";
import { Json } from "../parts/json";
import { Page } from "../parts/page";
import { Problem } from "../parts/problem";
import { Table } from "../parts/table";
import { wordOf } from "../parts/state-pill";
import { Time, zoneName } from "../parts/time";
import { useParam } from "../parts/url";

const LAST = graphql(`
  query LastEvent($id: ID!) {
    events(streamId: $id, first: 1) { edges { node { version topic } } }
  }
`);
const STATE = graphql(`
  query StateAt($id: ID!, $version: Int!) {
    aggregateAt(streamId: $id, version: $version) { kind version recordedAt state }
  }
`);
const DIFFERENCE = graphql(`
  query DifferenceOf($id: ID!, $from: Int!, $to: Int!) {
    aggregateDiff(streamId: $id, fromVersion: $from, toVersion: $to) { path before after }
  }
`);
const INSTANT = graphql(`
  query VersionAt($id: ID!, $at: DateTime!) {
    aggregateAt(streamId: $id, at: $at) { version }
  }
`);
/** Pages of their own, for the aggregates that have one. */
const HOMES: Record<string, string> = { execution: "executions", workflow: "workflows", agent: "agents" };

/** One aggregate, as it was after any of its events or at any instant. */
export default function Stream() {
  const { id = "" } = useParams();
  const [given, setGiven] = useParam("version");
  const [compared, setCompared] = useParam("with");
  const { data, error, isLoading, again } = useRead(LAST, { id });
  useTenantChanges(again, { everyMs: 3_000 });
  const newest = data?.events.edges[0]?.node;
  const last = newest?.version ?? 0;
  const version = Math.min(Math.max(Number.parseInt(given, 10) || last, 1), Math.max(last, 1));
  const before = Math.min(Number.parseInt(compared, 10) || version - 1, last);
  const kind = newest?.topic.split(".")[0] ?? "aggregate";
  const home = HOMES[kind];
  return (
    <Page
      title={`Audit of ${kind.replaceAll("_", " ")}`}
      up={{ to: "/audit", label: "Audit" }}
      heading={
        <>
          {wordOf(kind)} <CopyId id={id} isFull />
        </>
      }
      actions={home && <Link href={`/${home}/${id}`}>Open its page</Link>}
    >
      {error && <Problem error={error} again={again} />}
      {isLoading && <Skeleton />}
      {data && !newest && (
        <NotFound what="stream" up={{ to: "/audit", label: "All events" }} />
      )}
      {newest && (
        <>
          <Travel id={id} at={version} last={last} onTravel={(to) => setGiven(String(to))} />
          <div className="columns">
            <div className="stack">
              <Difference id={id} from={before} to={version} last={last} onFrom={setCompared} />
              <State id={id} version={version} />
            </div>
            <div className="stack">
              <EventCard id={id} version={version} />
              <ProofCard id={id} version={version} />
            </div>
          </div>
        </>
      )}
    </Page>
  );
}

function Travel({
  id,
  at,
  last,
  onTravel,
}: {
  id: string;
  at: number;
  last: number;
  onTravel: (version: number) => void;
}) {
  const [instant, setInstant] = useState("");
  const chosen = instant === "" ? null : new Date(instant).toISOString();
  const { data } = useRead(INSTANT, { id, at: chosen ?? "" }, { pause: chosen === null });
  const then = chosen === null ? undefined : data?.aggregateAt;
  return (
    <Card isBare>
      <div className="travel">
        <label className="row grow">
          <span className="muted">
            Event <span className="number">{at}</span> of <span className="number">{last}</span>
          </span>
          <input
            type="range"
            className="grow"
            aria-label="The state after an event"
            min={1}
            max={last}
            value={at}
            onChange={(event) => onTravel(Number(event.target.value))}
          />
        </label>
        <label className="row">
          <span className="muted">or as of ({zoneName()})</span>
          <input
            type="datetime-local"
            className="input version"
            step="1"
            value={instant}
            onChange={(event) => setInstant(event.target.value)}
          />
        </label>
        {then && then.version !== at && (
          <button type="button" className="button" onClick={() => onTravel(then.version)}>
            Go to event {then.version}
          </button>
        )}
        {then === null && <span className="muted">It had not begun by then.</span>}
      </div>
    </Card>
  );
}

function State({ id, version }: { id: string; version: number }) {
  const { data, error, isLoading, again } = useRead(STATE, { id, version });
  const state = data?.aggregateAt;
  return (
    <Card title={`State after event ${version}`}>
      {error && <Problem error={error} again={again} />}
      {isLoading && <Skeleton />}
      {state && (
        <div className="stack-small">
          <p className="muted">
            <Time at={state.recordedAt} exact />
          </p>
          <Json value={state.state} label={`State after event ${version}`} />
        </div>
      )}
    </Card>
  );
}

function Difference({
  id,
  from,
  to,
  last,
  onFrom,
}: {
  id: string;
  from: number;
  to: number;
  last: number;
  onFrom: (version: string) => void;
}) {
  const isPossible = from >= 1 && from !== to;
  const { data, error, isLoading, again } = useRead(
    DIFFERENCE,
    { id, from, to },
    { pause: !isPossible },
  );
  const rows = isPossible ? (data?.aggregateDiff ?? []) : [];
  return (
    <Card
      title="What changed"
      className="differences"
      isBare
      actions={
        <label className="row">
          <span className="muted">since event</span>
          <input
            type="number"
            className="input version"
            aria-label="Compared with event"
            min={1}
            max={last}
            value={from >= 1 ? from : ""}
            onChange={(event) => onFrom(event.target.value)}
          />
        </label>
      }
    >
      {error && <Problem error={error} again={again} />}
      {isPossible && isLoading && <Skeleton />}
      {!isPossible && <p className="card-body muted">It began with this event.</p>}
      {isPossible && data && rows.length === 0 && (
        <p className="card-body muted">Nothing that is kept in memory.</p>
      )}
      {rows.length > 0 && (
        <Table
          label="Differences"
          rows={rows}
          keyOf={(row) => row.path}
          columns={[
            { head: "Where", cell: (row) => <code className="value-cell">{row.path}</code> },
            { head: "Before", cell: (row) => <Value of={row.before} /> },
            {
              head: "After",
              // Was not there before, and is there without a value.
              cell: (row) => <Value of={row.after ?? (row.before === null ? "null" : null)} />,
            },
          ]}
        />
      )}
    </Card>
  );
}

function Value({ of }: { of: unknown }) {
  if (of === null || of === undefined) return <span className="muted">–</span>;
  const text = typeof of === "string" ? of : JSON.stringify(of);
  return (
    <code className="value-cell" title={text}>
      {text}
    </code>
  );
}
