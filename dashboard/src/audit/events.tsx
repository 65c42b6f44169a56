/** What the tenant recorded, newest first. */
import { Download } from "lucide-react";
import { type FormEvent, useMemo, useState } from "react";
import { Link } from "wouter";
import { graphql, useRead } from "../api/graphql";
import { useTenantChanges } from "../api/live";
import { download } from "../api/rest";
import { Actor } from "../execution/history";
import { Card, Skeleton } from "../parts/card";
import { CopyId } from "../parts/copy-id";
import { Empty } from "../parts/empty";
import { Problem } from "../parts/problem";
import { PAGE_SIZE, Table, usePages } from "../parts/table";
import { Time } from "../parts/time";
import { type Range } from "../parts/time-range";
import { useParam } from "../parts/url";
import { useMay } from "../session/permissions";

const EVENTS = graphql(`
  query AuditEvents($stream: ID, $filter: EventFilter, $first: Int, $after: String) {
    events(streamId: $stream, filter: $filter, first: $first, after: $after) {
      edges { node { position streamId version topic recordedAt actor correlationId } }
      pageInfo { hasNextPage endCursor }
    }
  }
`);
const RESETS = ["after"] as const;
const FIELDS = [
  { name: "topic", label: "Topic", hint: "execution.started" },
  { name: "actor", label: "Actor", hint: "user:…" },
  { name: "stream", label: "Stream", hint: "id of an aggregate" },
  { name: "correlation", label: "Correlation", hint: "id of a request or a run" },
] as const;

export function Events({ range }: { range: Range }) {
  const [topic, setTopic] = useParam("topic", RESETS);
  const [actor, setActor] = useParam("actor", RESETS);
  const [stream, setStream] = useParam("stream", RESETS);
  const [correlation, setCorrelation] = useParam("correlation", RESETS);
  const set = { topic: setTopic, actor: setActor, stream: setStream, correlation: setCorrelation };
  const given = { topic, actor, stream, correlation };
  const { after, pager } = usePages();
  const { from, to } = range;
  const filter = useMemo(
    () => ({
      topics: topic === "" ? null : topic.split(",").map((one) => one.trim()),
      actor: actor === "" ? null : actor,
      correlationId: correlation === "" ? null : correlation,
      from,
      to,
    }),
    [topic, actor, correlation, from, to],
  );
  const { data, error, isLoading, isStale, again } = useRead(EVENTS, {
    stream: stream === "" ? null : stream,
    filter,
    first: PAGE_SIZE,
    after,
  });
  useTenantChanges(() => after === null && again(), { everyMs: 5_000 });
  const rows = data?.events.edges.map((edge) => edge.node) ?? [];
  return (
    <Card isBare>
      <div className="card-head filters">
        {FIELDS.map((field) => (
          <Find
            key={field.name}
            label={field.label}
            hint={field.hint}
            value={given[field.name]}
            onFind={set[field.name]}
          />
        ))}
        <Exports range={range} given={given} />
      </div>
      {error && <Problem error={error} again={again} />}
      {isLoading && <Skeleton />}
      {data && rows.length === 0 && (
        <Empty title="No event fits">
          Whatever is decided here is an event. Ask for less, or for a longer time.
        </Empty>
      )}
      {rows.length > 0 && (
        <Table
          label="Events"
          rows={rows}
          isStale={isStale && isLoading}
          keyOf={(row) => row.position}
          to={(row) => `/audit/${row.streamId}?version=${row.version}`}
          columns={[
            {
              head: "What happened",
              className: "wide",
              cell: (row) => (
                <Link href={`/audit/${row.streamId}?version=${row.version}`}>{row.topic}</Link>
              ),
            },
            { head: "Stream", cell: (row) => <CopyId id={row.streamId} /> },
            { head: "Version", className: "right", cell: (row) => row.version },
            { head: "By", cell: (row) => <Actor actor={row.actor} /> },
            { head: "When", cell: (row) => <Time at={row.recordedAt} /> },
            {
              head: "Belongs to",
              cell: (row) => (row.correlationId ? <CopyId id={row.correlationId} /> : "–"),
            },
          ]}
        />
      )}
      {data && rows.length > 0 && pager(data.events.pageInfo)}
    </Card>
  );
}

function Find({
  label,
  hint,
  value,
  onFind,
}: {
  label: string;
  hint: string;
  value: string;
  onFind: (value: string) => void;
}) {
  const [text, setText] = useState(value);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    onFind(text.trim());
  };
  return (
    <form role="search" aria-label={label} onSubmit={submit}>
      <label className="field">
        <span>{label}</span>
        <input
          className="input"
          type="search"
          placeholder={hint}
          value={text}
          onChange={(event) => setText(event.target.value)}
          onBlur={() => text.trim() !== value && onFind(text.trim())}
        />
      </label>
    </form>
  );
}

/** Of what is shown, all pages of it. */
function Exports({ range, given }: { range: Range; given: Record<string, string> }) {
  const may = useMay();
  const [error, setError] = useState<Error | null>(null);
  if (!may("tenant:export")) return null;
  const take = (format: "jsonl" | "cef") => {
    const query = new URLSearchParams({ format, from: range.from, to: range.to });
    if (given["actor"]) query.set("actor", given["actor"]);
    if (given["stream"]) query.set("stream_id", given["stream"]);
    if (given["correlation"]) query.set("correlation_id", given["correlation"]);
    for (const topic of given["topic"]?.split(",") ?? []) if (topic) query.append("topic", topic.trim());
    setError(null);
    download(`/events/export?${query}`, `events.${format}`).catch(setError);
  };
  return (
    <div className="row" role="group" aria-label="Export">
      <button type="button" className="button" onClick={() => take("jsonl")}>
        <Download size={14} aria-hidden /> JSON lines
      </button>
      <button type="button" className="button" onClick={() => take("cef")}>
        <Download size={14} aria-hidden /> CEF
      </button>
      {error && <Problem error={error} again={() => setError(null)} />}
    </div>
  );
}
