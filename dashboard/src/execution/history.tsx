import { useEffect, useState } from "react";
import { graphql, type ResultOf, useRead } from "../api/graphql";
import { Skeleton } from "../parts/card";
import { Json } from "../parts/json";
import { Problem } from "../parts/problem";
import { Table, usePages } from "../parts/table";
import { durationText, exactText } from "../parts/time";

const EVENTS = graphql(`
  query EventsOf($id: ID!, $after: String) {
    events(streamId: $id, first: 50, after: $after) {
      edges { node { version topic recordedAt actor data isErased } }
      pageInfo { hasNextPage endCursor }
    }
  }
`);
type Event = ResultOf<typeof EVENTS>["events"]["edges"][number]["node"];

/** Every event of the run; one leads to the state after it. */
export function History({
  id,
  beganAt,
  last,
  onTravel,
}: {
  id: string;
  beganAt: string;
  last: number;
  onTravel: (version: number) => void;
}) {
  const { after, pager } = usePages();
  const { data, error, again, isLoading } = useRead(EVENTS, { id, after });
  const [open, setOpen] = useState<number | null>(null);
  useEffect(again, [again, last]);
  if (error) return <Problem error={error} again={again} />;
  if (isLoading || !data) return <Skeleton />;
  const rows = data.events.edges.map((edge) => edge.node);
  const shown = rows.find((event) => event.version === open);
  return (
    <div className="events">
      <Table
        label="Events"
        rows={rows}
        keyOf={(event) => String(event.version)}
        columns={[
          { head: "No.", cell: (event) => event.version },
          {
            head: "What happened",
            className: "wide",
            cell: (event) => (
              <button
                type="button"
                className="button link"
                aria-expanded={event.version === open}
                onClick={() => setOpen(event.version === open ? null : event.version)}
              >
                {wordsOf(event)}
              </button>
            ),
          },
          { head: "By", cell: (event) => <Actor actor={event.actor} /> },
          {
            head: "After",
            className: "right",
            cell: (event) => (
              <time dateTime={event.recordedAt} title={exactText(event.recordedAt)}>
                {durationText(Math.max(Date.parse(event.recordedAt) - Date.parse(beganAt), 0))}
              </time>
            ),
          },
          {
            head: "State",
            cell: (event) => (
              <button
                type="button"
                className="button link"
                onClick={() => onTravel(event.version)}
              >
                after it<span className="visually-hidden"> (event {event.version})</span>
              </button>
            ),
          },
        ]}
      />
      {shown && (
        <div className="card-body">
          <h3>
            Event {shown.version}: {shown.topic}
          </h3>
          {shown.isErased ? (
            <p className="muted">What was personal in it is erased.</p>
          ) : (
            <Json value={shown.data} label={`Event ${shown.version}`} />
          )}
        </div>
      )}
      {pager(data.events.pageInfo)}
    </div>
  );
}

/** `execution.node_completed` of `draft` as "node completed: draft". */
function wordsOf(event: Event): string {
  const facts = (event.data ?? {}) as { path?: unknown; node_id?: unknown };
  const words = event.topic.replace(/^execution\./, "").replaceAll("_", " ");
  const path = facts.path ?? facts.node_id;
  return typeof path === "string" ? `${words}: ${path}` : words;
}

export function Actor({ actor }: { actor: string | null }) {
  if (actor === null) return <span className="muted">–</span>;
  const [kind = "", id] = actor.split(":");
  return (
    <span className="muted" title={actor}>
      {kind.replaceAll("_", " ")}
      {id && ` …${id.slice(-6)}`}
    </span>
  );
}
