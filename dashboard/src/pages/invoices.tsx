import { Link } from "wouter";
import { graphql, useRead } from "../api/graphql";
import { useTenantChanges } from "../api/live";
import { amountText, leftOf, periodText, PILLS } from "../invoices/amounts";
import { Upcoming } from "../invoices/upcoming";
import { Card, Skeleton } from "../parts/card";
import { Empty } from "../parts/empty";
import { Page } from "../parts/page";
import { Problem } from "../parts/problem";
import { StatePill } from "../parts/state-pill";
import { PAGE_SIZE, Table, usePages } from "../parts/table";
import { Day } from "../parts/time";
import { useMe } from "../session/permissions";

const INVOICES = graphql(`
  query Invoices($first: Int!, $after: String) {
    invoices(first: $first, after: $after) {
      edges {
        node { id number status periodStart periodEnd timeZone dueAt currency total amountDue hasUnpriced }
      }
      pageInfo { hasNextPage endCursor }
    }
  }
`);
const firstOf = (tenant: string) =>
  `curl -sS -X PUT "${location.origin}/api/v1/tenants/${tenant}/billing-profile" \\
  -H "X-Operator-Key: $OPERATOR" -H 'Content-Type: application/json' \\
  -d '{"currency": "EUR", "usd_rate": "0.92", "taxes": {"default": "19"}}'`;

export default function Invoices() {
  const { after, pager } = usePages();
  const { data, error, isLoading, again } = useRead(INVOICES, { first: PAGE_SIZE, after });
  useTenantChanges(again, { isOf: (topic) => topic.startsWith("invoice.") });
  const tenant = useMe()?.tenant.id ?? "$TENANT";
  const rows = data?.invoices.edges.map((edge) => edge.node) ?? [];
  return (
    <Page title="Invoices">
      {rows.length > 0 && <Upcoming />}
      <Card isBare>
        {error && <Problem error={error} again={again} />}
        {isLoading && <Skeleton />}
        {data && rows.length === 0 && (
          <Empty title="Nothing is billed yet" command={firstOf(tenant)}>
            A tenant is billed once the operator has said on which terms:
          </Empty>
        )}
        {rows.length > 0 && (
          <Table
            label="Invoices"
            rows={rows}
            keyOf={(row) => row.id}
            to={(row) => `/invoices/${row.id}`}
            columns={[
              {
                head: "Number",
                cell: (row) => (
                  <Link href={`/invoices/${row.id}`}>{row.number ?? "not yet numbered"}</Link>
                ),
              },
              {
                head: "Status",
                cell: (row) => <StatePill state={row.status.toUpperCase()} tone={PILLS[row.status]} />,
              },
              {
                head: "Period",
                className: "wide",
                cell: (row) => periodText(row.periodStart, row.periodEnd, row.timeZone),
              },
              { head: "Due", cell: (row) => <Day at={row.dueAt} /> },
              {
                head: "Total",
                className: "right",
                cell: (row) => amountText(row.total, row.currency),
              },
              {
                head: "Still to pay",
                className: "right",
                cell: (row) => amountText(leftOf(row), row.currency),
              },
            ]}
          />
        )}
        {data && rows.length > 0 && pager(data.invoices.pageInfo)}
      </Card>
    </Page>
  );
}
