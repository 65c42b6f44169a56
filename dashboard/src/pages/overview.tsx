import { useMemo } from "react";
import { Link } from "wouter";
import { graphql, type ResultOf, useRead } from "../api/graphql";
import { useTenantChanges } from "../api/live";
import { BUDGET_ROW, Budgets } from "../parts/budgets";
import { Card, Skeleton } from "../parts/card";
import { Chart } from "../parts/chart";
import { sumOf } from "../parts/decimal";
import { ExecutionTable, RUN_ROW } from "../parts/execution-table";
import { NothingRan } from "../parts/first-run";
import { axisMoney, chartMoney, compactText, countText, Money } from "../parts/money";
import { Page } from "../parts/page";
import { Problem } from "../parts/problem";
import { durationText } from "../parts/time";
import { type Range, TimeRange, useRange } from "../parts/time-range";
import { useNamesById } from "./usage-groups";

const OVERVIEW = graphql(
  `
    query Overview($from: DateTime!, $to: DateTime!, $interval: Interval!) {
      stats: executionStats(from: $from, to: $to, interval: $interval, timeZone: "UTC") {
        start total byStatus { status count } successRate
        p50DurationMs p95DurationMs p99DurationMs costUsd hasUnpriced tokensIn tokensOut
      }
      together: executionStats(from: $from, to: $to, interval: null, timeZone: "UTC") {
        p50DurationMs p95DurationMs
      }
      budgets(first: 50) { edges { node { ...BudgetRow } } }
      attention: executions(first: 5, filter: { status: [NEEDS_ATTENTION] }) {
        edges { node { ...RunRow } }
      }
      recent: executions(first: 10) { edges { node { ...RunRow } } }
    }
  `,
  [RUN_ROW, BUDGET_ROW],
);
type Together = ResultOf<typeof OVERVIEW>["together"][number];
type Bucket = ResultOf<typeof OVERVIEW>["stats"][number];

const isOfRun = (topic: string) => /^(execution|budget)\./.test(topic);

export function Overview() {
  const [range, setRange] = useRange();
  const { from, to, interval } = range;
  const { data, error, isLoading, again } = useRead(OVERVIEW, { from, to, interval });
  useTenantChanges(again, { isOf: isOfRun, everyMs: 2_000 });
  const nameOf = useNamesById();
  // Whoever is new here is told how to begin, and not shown three empty charts.
  const isNew = data?.recent.edges.length === 0;
  return (
    <Page title="Overview" actions={<TimeRange value={range} onChange={setRange} />}>
      {error && <Problem error={error} again={again} />}
      {isLoading && <Skeleton />}
      {data && (
        <>
          <Tiles stats={data.stats} together={data.together[0]} range={range} />
          {data.budgets.edges.length > 0 && (
            <Card title="Budgets">
              <Budgets rows={data.budgets.edges.map((edge) => edge.node)} nameOf={nameOf} />
            </Card>
          )}
          {data.attention.edges.length > 0 && (
            <Card title="Needs attention" isBare>
              <ExecutionTable
                label="Executions that need attention"
                rows={data.attention.edges.map((edge) => edge.node)}
              />
            </Card>
          )}
          {!isNew && <Charts stats={data.stats} interval={interval} />}
          <Card
            title="Latest executions"
            isBare
            actions={!isNew && <Link href="/executions">All executions</Link>}
          >
            {data.recent.edges.length === 0 ? (
              <NothingRan />
            ) : (
              <ExecutionTable
                label="Latest executions"
                rows={data.recent.edges.map((edge) => edge.node)}
              />
            )}
          </Card>
        </>
      )}
    </Page>
  );
}

function countOf(stats: Bucket[], states: string[]): number {
  return stats.reduce(
    (sum, bucket) =>
      bucket.byStatus.reduce((all, one) => (states.includes(one.status) ? all + one.count : all), sum),
    0,
  );
}

const GOING_ON = ["PENDING", "RUNNING", "WAITING", "PAUSED", "COMPENSATING"];
const BAD = ["FAILED", "COMPENSATED", "NEEDS_ATTENTION"];

function Tiles({
  stats,
  together,
  range,
}: {
  stats: Bucket[];
  together: Together | undefined;
  range: Range;
}) {
  const total = stats.reduce((sum, bucket) => sum + bucket.total, 0);
  const completed = countOf(stats, ["COMPLETED"]);
  const bad = countOf(stats, BAD);
  const going = countOf(stats, GOING_ON);
  const cost = sumOf(stats.map((bucket) => bucket.costUsd));
  const tokens = stats.reduce((sum, bucket) => sum + bucket.tokensIn + bucket.tokensOut, 0);
  const rate = completed + bad === 0 ? null : completed / (completed + bad);
  // The rows behind a number are those of its time.
  const rows = `/executions?since=${range.name}`;
  return (
    <div className="tiles">
      <Tile label="Runs" value={compactText(total)} note={`in ${range.label}`} to={rows} />
      <Tile
        label="Going on"
        value={compactText(going)}
        note={`${countText(countOf(stats, ["WAITING"]))} waiting`}
        to={`${rows}&status=${GOING_ON.join(",")}`}
      />
      <Tile
        label="Success"
        value={rate === null ? "–" : `${(rate * 100).toFixed(rate > 0.99 && rate < 1 ? 2 : 1)} %`}
        note={`${countText(bad)} went wrong`}
        to={`${rows}&status=${BAD.join(",")}`}
      />
      <Tile
        label="Spend"
        value={<Money isShort usd={cost} hasUnpriced={stats.some((bucket) => bucket.hasUnpriced)} />}
        note={total === 0 ? "no runs" : `${compactText(tokens)} tokens`}
        to={rows}
      />
      <Tile
        label="p95 duration"
        value={durationText(together?.p95DurationMs ?? null)}
        note={
          together?.p50DurationMs == null
            ? "no run has ended"
            : `half take ${durationText(together.p50DurationMs)} or less`
        }
        to={rows}
      />
    </div>
  );
}

function Tile({
  label,
  value,
  note,
  to,
}: {
  label: string;
  value: React.ReactNode;
  note: string;
  to: string;
}) {
  return (
    <Link href={to} className="card tile">
      <span className="label">{label}</span>
      <span className="value">{value}</span>
      <span className="note">{note}</span>
    </Link>
  );
}

function Charts({ stats, interval }: { stats: Bucket[]; interval: "HOUR" | "DAY" }) {
  const charts = useMemo(() => {
    const times = stats.map((bucket) => bucket.start);
    const runs = (states: string[]) => stats.map((bucket) => countOf([bucket], states));
    const ms = (of: (bucket: Bucket) => number | null) => stats.map((bucket) => of(bucket));
    return {
      times,
      runs: [
        { name: "Completed", color: "--series-3", values: runs(["COMPLETED"]) },
        { name: "Going on", color: "--series-1", values: runs(GOING_ON) },
        { name: "Failed", color: "--series-2", values: runs(BAD) },
        { name: "Cancelled", color: "--series-4", values: runs(["CANCELLED"]) },
      ],
      // A chart is drawn with floats; the exact amounts are in the tables of the usage.
      spend: [{ name: "Spend", color: "--series-1", values: stats.map((one) => Number(one.costUsd)) }],
      duration: [
        { name: "p50", color: "--series-3", values: ms((bucket) => bucket.p50DurationMs) },
        { name: "p95", color: "--series-1", values: ms((bucket) => bucket.p95DurationMs) },
        { name: "p99", color: "--series-2", values: ms((bucket) => bucket.p99DurationMs) },
      ],
    };
  }, [stats]);
  const { times } = charts;
  return (
    <div className="grid charts">
      <Chart
        title="Runs"
        unit="runs"
        isWhole
        kind="bars"
        {...{ times, interval }}
        series={charts.runs}
        text={compactText}
      />
      <Chart
        title="Spend"
        unit="USD"
        kind="bars"
        {...{ times, interval }}
        series={charts.spend}
        text={chartMoney}
        tick={axisMoney}
      />
      <Chart
        title="Duration"
        unit="time"
        isTime
        kind="lines"
        {...{ times, interval }}
        series={charts.duration}
        text={(value) => durationText(Math.round(value))}
      />
    </div>
  );
}
