/** What was used and what it cost: over time, beside the time before, and down to the event. */
import { X } from "lucide-react";
import { useMemo } from "react";
import { Link } from "wouter";
import { graphql, type ResultOf, useRead } from "../api/graphql";
import { Card, Skeleton } from "../parts/card";
import { Chart, type Series } from "../parts/chart";
import { Empty } from "../parts/empty";
import { axisMoney, chartMoney, compactText, countText, isLost, Money, moneyText } from "../parts/money";
import { Page } from "../parts/page";
import { Problem } from "../parts/problem";
import { Table } from "../parts/table";
import { TimeRange, useRange } from "../parts/time-range";
import { useParam } from "../parts/url";
import { UsageFacts } from "./usage-facts";
import { type Dimension, DIMENSIONS, type Group, useNames, useOnly } from "./usage-groups";
import { useUsageChanges } from "./usage-live";

const USAGE = graphql(`
  query Usage(
    $from: DateTime!
    $to: DateTime!
    $by: [UsageDimension!]
    $interval: Interval!
    $only: [UsageFilter!]
  ) {
    usage(
      from: $from, to: $to, groupBy: $by, interval: $interval, timeZone: "UTC", filter: $only
    ) {
      start group { dimension value } costUsd tokensIn tokensOut calls
    }
    costExplorer(from: $from, to: $to, groupBy: $by, filter: $only, first: 100) {
      deltaUsd deltaPercent groupsCount restDeltaUsd
      current { costUsd provisionalUsd tokensIn tokensOut calls hasUnpriced unresolved }
      previous { costUsd provisionalUsd tokensIn tokensOut calls hasUnpriced }
      groups {
        kind deltaUsd deltaPercent group { dimension value }
        current { costUsd provisionalUsd tokensIn tokensOut calls hasUnpriced }
        previous { costUsd provisionalUsd hasUnpriced }
      }
    }
  }
`);
type Answer = ResultOf<typeof USAGE>;
type Bucket = Answer["usage"][number];
type Comparison = Answer["costExplorer"];

const MEASURES = {
  cost: { label: "Cost", unit: "USD", of: (one: Bucket) => Number(one.costUsd) },
  tokens: { label: "Tokens", unit: "tokens", of: (one: Bucket) => one.tokensIn + one.tokensOut },
  calls: { label: "Calls", unit: "calls", of: (one: Bucket) => one.calls },
} as const;
type Measure = keyof typeof MEASURES;
const MEASURE_NAMES = Object.keys(MEASURES) as Measure[];

/** Of groups that have a colour of their own; the others are one. */
const SHOWN_MAX = 5;

export default function Usage() {
  const [range, setRange] = useRange("7d");
  const [byGiven, setBy] = useParam("by", ["after"]);
  const [measureGiven, setMeasure] = useParam("measure");
  const by: Dimension = byGiven in DIMENSIONS ? (byGiven as Dimension) : "MODEL";
  const measure: Measure = measureGiven in MEASURES ? (measureGiven as Measure) : "cost";
  const { only, add, remove } = useOnly();
  const { from, to, interval } = range;
  const { data, error, isLoading, isStale, again } = useRead(USAGE, {
    from,
    to,
    by: [by],
    interval,
    only,
  });
  useUsageChanges(again);
  const nameOf = useNames();
  return (
    <Page title="Usage and cost" actions={<TimeRange value={range} onChange={setRange} />}>
      <div className="filters">
        <label className="field">
          <span>Group by</span>
          <select className="input" value={by} onChange={(event) => setBy(event.target.value)}>
            {Object.entries(DIMENSIONS).map(([name, label]) => (
              <option key={name} value={name}>
                {label}
              </option>
            ))}
          </select>
        </label>
        <div className="segmented" role="group" aria-label="Measure">
          {MEASURE_NAMES.map((name) => (
            <button
              key={name}
              type="button"
              aria-pressed={name === measure}
              onClick={() => setMeasure(name)}
            >
              {MEASURES[name].label}
            </button>
          ))}
        </div>
        {only.map((one) => (
          <button
            key={`${one.dimension}:${one.value}`}
            type="button"
            className="button"
            aria-label={`Remove the filter ${DIMENSIONS[one.dimension]}: ${nameOf(one)}`}
            onClick={() => remove(one)}
          >
            {DIMENSIONS[one.dimension]}: {nameOf(one)} <X size={13} aria-hidden />
          </button>
        ))}
      </div>
      {error && <Problem error={error} again={again} />}
      {isLoading && <Skeleton />}
      {data && (
        <>
          <Tiles comparison={data.costExplorer} label={range.label} />
          {data.costExplorer.groups.length === 0 ? (
            <Card>
              <Empty
                title="Nothing was used in this time"
                action={
                  <Link className="button" href="/">
                    Go to the overview
                  </Link>
                }
              >
                Every call of a model is counted here. Choose a longer time; the overview has an
                example for whoever has run nothing yet.
              </Empty>
            </Card>
          ) : (
            <>
              <OverTime usage={data.usage} {...{ measure, interval, by, nameOf }} />
              <Groups
                comparison={data.costExplorer}
                isStale={isStale}
                {...{ by, nameOf, add }}
                label={range.label}
              />
            </>
          )}
        </>
      )}
      {data && data.costExplorer.groups.length > 0 && (
        <UsageFacts {...{ from, to, only, nameOf }} />
      )}
    </Page>
  );
}

function Tiles({ comparison, label }: { comparison: Comparison; label: string }) {
  const { current, previous } = comparison;
  const tokens = current.tokensIn + current.tokensOut;
  return (
    <div className="tiles">
      <Tile label="Spend" note={isSome(current.provisionalUsd) ? "until its invoice tells" : `in ${label}`}>
        <Amount isShort of={current} />
      </Tile>
      <Tile label="Before" note={`in the ${label} before`}>
        <Amount isShort of={previous} />
      </Tile>
      <Tile label="Change" note={percentText(comparison.deltaPercent)}>
        <Delta isShort usd={comparison.deltaUsd} />
      </Tile>
      <Tile label="Tokens" note={`${compactText(current.tokensIn)} in`}>
        {compactText(tokens)}
      </Tile>
      <Tile label="Calls" note={`${countText(current.unresolved)} unresolved`}>
        {compactText(current.calls)}
      </Tile>
    </div>
  );
}

function isSome(usd: string): boolean {
  return /[1-9]/.test(usd);
}

function Tile({
  label,
  note,
  children,
}: {
  label: string;
  note: string;
  children: React.ReactNode;
}) {
  return (
    <div className="card tile">
      <span className="label">{label}</span>
      <span className="value">{children}</span>
      <span className="note">{note}</span>
    </div>
  );
}

function OverTime({
  usage,
  measure,
  interval,
  by,
  nameOf,
}: {
  usage: readonly Bucket[];
  measure: Measure;
  interval: "HOUR" | "DAY";
  by: Dimension;
  nameOf: (group: Group) => string;
}) {
  const { label, unit, of } = MEASURES[measure];
  const { times, series } = useMemo(() => seriesOf(usage, of, nameOf), [usage, of, nameOf]);
  return (
    <Chart
      title={`${label} by ${DIMENSIONS[by].toLowerCase()}`}
      kind="bars"
      isWhole={measure !== "cost"}
      {...{ unit, times, series, interval }}
      text={measure === "cost" ? chartMoney : countText}
      tick={measure === "cost" ? axisMoney : compactText}
    />
  );
}

function seriesOf(
  usage: readonly Bucket[],
  of: (one: Bucket) => number,
  nameOf: (group: Group) => string,
): { times: string[]; series: Series[] } {
  const times = [...new Set(usage.map((one) => one.start))];
  const places = new Map(times.map((time, place) => [time, place]));
  const groups = new Map<string, number[]>();
  for (const one of usage) {
    const name = one.group.map(nameOf).join(", ");
    const values = groups.get(name) ?? times.map(() => 0);
    groups.set(name, values);
    const place = places.get(one.start) ?? 0;
    values[place] = (values[place] ?? 0) + of(one);
  }
  const total = (values: number[]) => values.reduce((sum, value) => sum + value, 0);
  const ranked = [...groups]
    .filter(([, values]) => total(values) > 0)
    .sort(([, one], [, other]) => total(other) - total(one));
  const shown = ranked.slice(0, SHOWN_MAX);
  const rest = ranked.slice(SHOWN_MAX);
  if (rest.length > 0) {
    const sums = times.map((_, place) => total(rest.map(([, values]) => values[place] ?? 0)));
    shown.push([rest.length === 1 ? "1 other" : `${rest.length} others`, sums]);
  }
  const series = shown.map(([name, values], place) => ({
    name,
    values,
    color: `--series-${place + 1}`,
  }));
  return { times, series };
}

/** After the point, in the columns of the table. */
const DIGITS = 4;

const KINDS = { NEW: "new", GONE: "gone", CHANGED: "", SAME: "" } as const;

function Groups({
  comparison,
  by,
  nameOf,
  add,
  isStale,
  label,
}: {
  comparison: Comparison;
  by: Dimension;
  nameOf: (group: Group) => string;
  add: (group: Group) => void;
  isStale: boolean;
  label: string;
}) {
  const beyond = comparison.groupsCount - comparison.groups.length;
  return (
    <Card title="What moved most" isBare>
      <Table
        label="What moved most"
        isStale={isStale}
        rows={comparison.groups}
        keyOf={(row) => row.group.map((one) => one.value ?? "").join("|")}
        columns={[
          {
            head: DIMENSIONS[by],
            className: "wide",
            cell: (row) =>
              row.group.map((one) => (
                <button
                  key={one.dimension}
                  type="button"
                  className="button link"
                  title="Only this: the facts below, and everything above"
                  onClick={() => add(one)}
                >
                  {nameOf(one)}
                </button>
              )),
          },
          {
            head: `In ${label}`,
            className: "right",
            cell: (row) => <Amount of={row.current} />,
          },
          {
            head: "Before",
            className: "right",
            cell: (row) => <Amount of={row.previous} />,
          },
          { head: "Change", className: "right", cell: (row) => <Delta usd={row.deltaUsd} /> },
          {
            head: "In percent",
            className: "right",
            cell: (row) =>
              KINDS[row.kind] && isSome(row.deltaUsd) ? (
                <span className="tag">{KINDS[row.kind]}</span>
              ) : (
                percentText(row.deltaPercent)
              ),
          },
          {
            head: "Tokens",
            className: "right",
            cell: (row) => compactText(row.current.tokensIn + row.current.tokensOut),
          },
          { head: "Calls", className: "right", cell: (row) => compactText(row.current.calls) },
        ]}
      />
      {beyond > 0 && (
        <p className="table-foot">
          {countText(beyond)} more, which together changed by {moneyText(comparison.restDeltaUsd)}
        </p>
      )}
    </Card>
  );
}

function Amount({
  of,
  isShort = false,
}: {
  of: { costUsd: string; hasUnpriced: boolean; provisionalUsd: string };
  isShort?: boolean;
}) {
  const { costUsd: usd, hasUnpriced, provisionalUsd } = of;
  return <Money {...{ usd, hasUnpriced, provisionalUsd }} {...(isShort ? { isShort } : { digits: DIGITS })} />;
}

function Delta({ usd, isShort = false }: { usd: string; isShort?: boolean }) {
  // Too small a change for a sign to say anything.
  if (!isShort && isLost(usd, DIGITS)) return <span title={moneyText(usd)}>≈ {moneyText("0")}</span>;
  const isMore = isSome(usd) && !usd.startsWith("-");
  return (
    <span className="number nowrap">
      {isMore && "+"}
      <Money usd={usd} {...(isShort ? { isShort } : { digits: DIGITS })} />
    </span>
  );
}

function percentText(percent: number | null): string {
  if (percent === null) return "–";
  return `${percent > 0 ? "+" : ""}${percent.toFixed(1)} %`.replace("-", "−");
}
