/** What sums are made of: the facts, each with the event that says it. */
import { useState } from "react";
import { graphql, type ResultOf, useRead } from "../api/graphql";
import { Card, Skeleton } from "../parts/card";
import { CopyId } from "../parts/copy-id";
import { sumOf } from "../parts/decimal";
import { Dialog } from "../parts/dialog";
import { Empty } from "../parts/empty";
import { Json } from "../parts/json";
import { countText, Money } from "../parts/money";
import { Problem } from "../parts/problem";
import { PAGE_SIZE, Table, usePages } from "../parts/table";
import { Time } from "../parts/time";
import type { Group } from "./usage-groups";

const FACTS = graphql(`
  query UsageFacts(
    $from: DateTime!
    $to: DateTime!
    $only: [UsageFilter!]
    $first: Int
    $after: String
  ) {
    usageFacts(from: $from, to: $to, filter: $only, first: $first, after: $after) {
      pageInfo { hasNextPage endCursor }
      edges {
        node {
          streamId executionId path attempt eventVersion happenedAt nodeType model source prices
          lines { meter quantity unit costUsd }
        }
      }
    }
  }
`);
export type Fact = ResultOf<typeof FACTS>["usageFacts"]["edges"][number]["node"];

const EVENT = graphql(`
  query EventOfFact($streamId: ID!, $version: Int!) {
    event(streamId: $streamId, version: $version) { topic version recordedAt actor data }
  }
`);

export function UsageFacts({
  from,
  to,
  only,
  nameOf,
}: {
  from: string;
  to: string;
  only: Group[];
  nameOf: (group: Group) => string;
}) {
  const { after, pager } = usePages();
  const [shown, setShown] = useState<Fact | null>(null);
  const { data, error, isLoading, isStale, again } = useRead(FACTS, {
    from,
    to,
    only,
    first: PAGE_SIZE,
    after,
  });
  const facts = data?.usageFacts.edges.map((edge) => edge.node) ?? [];
  const title = only.length === 0 ? "Facts" : `Facts of ${only.map(nameOf).join(", ")}`;
  return (
    <Card title={title} isBare>
      {error && <Problem error={error} again={again} />}
      {isLoading && <Skeleton />}
      {data && facts.length === 0 && <Empty title="No facts in this time" />}
      {data && facts.length > 0 && (
        <>
          <FactTable facts={facts} isStale={isStale} show={setShown} />
          {pager(data.usageFacts.pageInfo)}
        </>
      )}
      {shown && <EventDialog fact={shown} onClose={() => setShown(null)} />}
    </Card>
  );
}

function costOf(fact: Fact): string {
  return sumOf(fact.lines.map((line) => line.costUsd ?? "0"));
}

export function FactTable({
  facts,
  isStale,
  show,
}: {
  facts: Fact[];
  isStale: boolean;
  show: (fact: Fact) => void;
}) {
  return (
    <Table
      label="Facts"
      isStale={isStale}
      rows={facts}
      keyOf={(fact) => `${fact.streamId}/${fact.path}/${fact.attempt}`}
      columns={[
        { head: "When", cell: (fact) => <Time at={fact.happenedAt} /> },
        {
          head: "Execution",
          cell: (fact) =>
            fact.executionId === null ? (
              <span className="muted">
                {fact.model === null ? "counted by the tenant" : "a text, embedded"}
              </span>
            ) : (
              <CopyId id={fact.executionId} to={`/executions/${fact.executionId}`} />
            ),
        },
        { head: "Node", cell: (fact) => fact.path || "–" },
        { head: "Model", cell: (fact) => fact.model ?? "–" },
        {
          head: "Used",
          className: "wide",
          cell: (fact) =>
            fact.lines
              .filter((line) => line.meter !== "requests" || fact.lines.length === 1)
              .map((line) => `${countText(line.quantity)} ${line.meter.replaceAll("_", " ")}`)
              .join(", "),
        },
        {
          head: "Cost",
          className: "right",
          cell: (fact) => (
            <Money
              digits={8}
              usd={costOf(fact)}
              hasUnpriced={fact.lines.some((line) => line.costUsd === null)}
            />
          ),
        },
        {
          head: "Event",
          cell: (fact) => (
            <button
              type="button"
              className="button link"
              aria-label={`Event ${fact.eventVersion} of ${fact.path || "the tenant"}`}
              onClick={() => show(fact)}
            >
              {fact.eventVersion}
            </button>
          ),
        },
      ]}
    />
  );
}

export function EventDialog({ fact, onClose }: { fact: Fact; onClose: () => void }) {
  const { data, error, isLoading, again } = useRead(EVENT, {
    streamId: fact.streamId,
    version: fact.eventVersion,
  });
  return (
    <Dialog title={data?.event?.topic ?? "Event"} onClose={onClose}>
      {error && <Problem error={error} again={again} />}
      {isLoading && <Skeleton />}
      {data?.event && (
        <>
          <dl className="facts">
            <div>
              <dt>Recorded</dt>
              <dd>
                <Time at={data.event.recordedAt} exact />
              </dd>
            </div>
            <div>
              <dt>By</dt>
              <dd>{data.event.actor ?? "–"}</dd>
            </div>
            <div>
              <dt>Version</dt>
              <dd>{data.event.version}</dd>
            </div>
            <div>
              <dt>Priced by</dt>
              <dd>{fact.prices ?? "nothing"}</dd>
            </div>
            <div>
              <dt>Counts from</dt>
              <dd>{fact.source}</dd>
            </div>
          </dl>
          <Json value={data.event.data} label="What the event says" />
        </>
      )}
      <div className="buttons">
        <button type="button" className="button" onClick={onClose}>
          Close
        </button>
      </div>
    </Dialog>
  );
}
