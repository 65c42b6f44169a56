/** The facts that one line of an invoice is the sum of. */
import { useEffect, useRef, useState } from "react";
import { graphql, useRead } from "../api/graphql";
import { type Fact, EventDialog, FactTable } from "../pages/usage-facts";
import { Card, Skeleton } from "../parts/card";
import { Empty } from "../parts/empty";
import { Problem } from "../parts/problem";
import { PAGE_SIZE, usePages } from "../parts/table";

const FACTS = graphql(`
  query FactsOfLine($id: ID!, $line: Int!, $first: Int, $after: String) {
    invoice(id: $id) {
      line(number: $line) {
        description
        facts(first: $first, after: $after) {
          pageInfo { hasNextPage endCursor }
          edges {
            node {
              streamId executionId path attempt eventVersion happenedAt nodeType model source prices
              lines { meter quantity unit costUsd }
            }
          }
        }
      }
    }
  }
`);

export function FactsOfLine({ id, line }: { id: string; line: number }) {
  const { after, pager } = usePages();
  const [shown, setShown] = useState<Fact | null>(null);
  const { data, error, isLoading, isStale, again } = useRead(FACTS, {
    id,
    line,
    first: PAGE_SIZE,
    after,
  });
  const found = data?.invoice?.line;
  const facts = found?.facts.edges.map((edge) => edge.node) ?? [];
  const top = useRef<HTMLDivElement>(null);
  // Below the lines, which may be longer than the window: whoever asked for them should see them.
  const isThere = found !== undefined;
  useEffect(() => {
    if (isThere) top.current?.scrollIntoView({ block: "nearest" });
  }, [isThere]);
  return (
    <div ref={top} className="anchor">
      <Card title={found ? `Facts of ${found.description}` : "Facts"} isBare>
        {error && <Problem error={error} again={again} />}
        {isLoading && <Skeleton />}
        {data && facts.length === 0 && (
          <Empty title="No facts">This line is not the sum of usage.</Empty>
        )}
        {found && facts.length > 0 && (
          <>
            <FactTable facts={facts} isStale={isStale} show={setShown} />
            {pager(found.facts.pageInfo)}
          </>
        )}
        {shown && <EventDialog fact={shown} onClose={() => setShown(null)} />}
      </Card>
    </div>
  );
}
