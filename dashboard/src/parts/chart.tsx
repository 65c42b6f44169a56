import { Table2, TrendingUp } from "lucide-react";
import { lazy, Suspense, useState } from "react";
import { Card } from "./card";
import { Table } from "./table";

export interface Series {
  name: string;
  /** A custom property of tokens.css, such as `--series-1`. */
  color: string;
  /** One for each time; null is a gap and stays one. */
  values: (number | null)[];
}
export interface ChartProps {
  title: string;
  /** Of the table; the axis has it in its numbers. */
  unit: string;
  times: string[];
  series: Series[];
  kind: "bars" | "lines";
  interval: "HOUR" | "DAY" | "MONTH";
  /** Values are counts: no halves on the axis. */
  isWhole?: boolean;
  /** Values are milliseconds, from few to days: each step of the axis is some times the one before. */
  isTime?: boolean;
  text?: (value: number) => string;
  /** Of the axis, where that is shorter. */
  tick?: (value: number) => string;
}

const EACH = { HOUR: "each hour", DAY: "each day", MONTH: "each month" } as const;

// Drawing is the largest part of the page, and what is around it need not wait for it.
const Canvas = lazy(() => import("./chart-canvas"));

/** A chart, and one click away the table behind it. */
export function Chart(props: ChartProps) {
  const [isTable, setIsTable] = useState(false);
  const label = isTable ? "Show as a chart" : "Show as a table";
  return (
    <Card
      title={props.title}
      actions={
        <>
          <span className="muted note">{EACH[props.interval]}, UTC</span>
          <button
            type="button"
            className="button quiet icon"
            aria-label={`${props.title}: ${label}`}
            title={label}
            onClick={() => setIsTable(!isTable)}
          >
            {isTable ? <TrendingUp size={15} aria-hidden /> : <Table2 size={15} aria-hidden />}
          </button>
        </>
      }
    >
      <figure className="chart">
        {isTable ? (
          <Numbers {...props} />
        ) : isEmpty(props) ? (
          <div className="chart-canvas chart-empty">Nothing in this time</div>
        ) : (
          <Suspense fallback={<div className="chart-canvas" />}>
            <Canvas {...props} />
          </Suspense>
        )}
      </figure>
    </Card>
  );
}

function isEmpty({ series }: ChartProps): boolean {
  return series.every((one) => one.values.every((value) => value === null || value === 0));
}

function Numbers({ title, unit, times, series, interval, text = String }: ChartProps) {
  const rows = times.map((time, index) => ({ time, index })).reverse();
  return (
    <Table
      label={title}
      rows={rows}
      keyOf={(row) => row.time}
      columns={[
        { head: "From (UTC)", cell: (row) => timeText(row.time, interval) },
        ...series.map((one) => ({
          head: `${one.name} (${unit})`,
          className: "right" as const,
          cell: (row: { index: number }) => {
            const value = one.values[row.index] ?? null;
            return value === null ? "–" : text(value);
          },
        })),
      ]}
    />
  );
}

export function timeText(iso: string, interval: ChartProps["interval"]): string {
  const at = new Date(iso);
  const options: Intl.DateTimeFormatOptions =
    interval === "HOUR"
      ? { hour: "2-digit", minute: "2-digit", day: "numeric", month: "short", hour12: false }
      : { day: "numeric", month: "short" };
  return at.toLocaleString("en-GB", { ...options, timeZone: "UTC" });
}
