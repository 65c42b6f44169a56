/** Draws a chart with ECharts, on a canvas: its tooltip as a part of the picture, because one of HTML
 * carries inline styles, which the page's policy forbids.
 */
import { BarChart, LineChart } from "echarts/charts";
import {
  AriaComponent,
  GridComponent,
  LegendScrollComponent,
  TooltipComponent,
} from "echarts/components";
import { init, use } from "echarts/core";
import { CanvasRenderer } from "echarts/renderers";
import { useEffect, useRef } from "react";
import { colorOf, useIsDark } from "../theme";
import { type ChartProps, type Series, timeText } from "./chart";

use([
  AriaComponent,
  BarChart,
  CanvasRenderer,
  GridComponent,
  LegendScrollComponent,
  LineChart,
  TooltipComponent,
]);

export default function ChartCanvas(props: ChartProps) {
  const element = useRef<HTMLDivElement>(null);
  const chart = useRef<ReturnType<typeof init> | null>(null);
  const isDark = useIsDark();

  useEffect(() => {
    if (element.current === null) return;
    const made = init(element.current);
    chart.current = made;
    const resized = new ResizeObserver(() => made.resize());
    resized.observe(element.current);
    return () => {
      resized.disconnect();
      made.dispose();
      chart.current = null;
    };
  }, []);

  useEffect(() => {
    chart.current?.setOption(optionsOf(props), { notMerge: true });
  }, [props, isDark]);

  const total = `${props.times.length} intervals; ${props.series.map((one) => one.name).join(", ")}`;
  return (
    <div
      ref={element}
      className="chart-canvas"
      role="img"
      aria-label={`${props.title} in ${props.unit}: ${total}. The table has the numbers.`}
    />
  );
}

/** As few as can be read: below each other at a tenth of the axis or more. */
const TIME_TICKS = [
  1, 10, 100, 1_000, 10_000, 60_000, 600_000, 3_600_000, 86_400_000, 864_000_000,
];

/** The ticks that hold all values. */
function timeTicks(series: Series[]): number[] {
  const values = series.flatMap((one) => one.values.filter((value) => value !== null));
  const [least, most] = [Math.max(Math.min(...values), 1), Math.max(...values)];
  const from = TIME_TICKS.findLastIndex((tick) => tick <= least);
  const to = TIME_TICKS.findIndex((tick) => tick >= most);
  return TIME_TICKS.slice(from, to === -1 ? undefined : Math.max(to, from + 1) + 1);
}

/** Of a day that begins its date, of another hour only that. */
function tickText(iso: string, interval: ChartProps["interval"]): string {
  const isHour = interval === "HOUR" && !/T00:00/.test(iso);
  return isHour ? iso.slice(11, 16) : timeText(iso, "DAY");
}

/** A point between two gaps is no line, and would not be seen. */
function isAlone(values: (number | null)[], place: number): boolean {
  return (values[place - 1] ?? null) === null && (values[place + 1] ?? null) === null;
}

function scaleOf({ series, isTime, isWhole }: ChartProps) {
  if (!isTime) return { type: "value" as const, splitNumber: 4, minInterval: isWhole ? 1 : 0 };
  const ticks = timeTicks(series);
  return {
    type: "log" as const,
    min: ticks[0] ?? 1,
    max: ticks.at(-1) ?? 1,
    axisTick: { show: false, customValues: ticks },
    customValues: ticks,
  };
}

function optionsOf(props: ChartProps) {
  const { times, series, kind, interval, isTime, text = String, tick = text } = props;
  const { customValues, ...scale } = { customValues: undefined, ...scaleOf(props) };
  const muted = colorOf("--muted");
  const line = colorOf("--line");
  const axisText = { color: muted, fontSize: 11 };
  return {
    animation: false,
    // Patterns beside colours, for eyes that do not tell these apart.
    aria: {
      enabled: true,
      label: { enabled: false },
      decal: { show: kind === "bars" && series.length > 1 },
    },
    grid: { left: 4, right: 14, top: 10, bottom: series.length > 1 ? 28 : 4, containLabel: true },
    legend: {
      show: series.length > 1,
      type: "scroll",
      bottom: 0,
      left: 0,
      itemGap: 8,
      itemWidth: kind === "bars" ? 12 : 24,
      itemHeight: 12,
      textStyle: axisText,
      pageTextStyle: axisText,
      pageIconColor: muted,
      ...(kind === "bars" && { icon: "roundRect" }),
    },
    tooltip: {
      trigger: "axis",
      renderMode: "richText",
      confine: true,
      backgroundColor: colorOf("--raised"),
      borderColor: colorOf("--line-strong"),
      textStyle: { color: colorOf("--text"), fontSize: 12 },
      valueFormatter: (value: unknown) => (typeof value === "number" ? text(value) : "–"),
    },
    xAxis: {
      type: "category",
      data: times.map((time) => timeText(time, interval)),
      axisLabel: {
        ...axisText,
        hideOverlap: true,
        formatter: (_: string, place: number) => tickText(times[place] ?? "", interval),
      },
      axisLine: { lineStyle: { color: line } },
      axisTick: { show: false },
    },
    yAxis: {
      ...scale,
      axisLabel: { ...axisText, customValues, formatter: (value: number) => tick(value) },
      splitLine: { lineStyle: { color: line } },
    },
    series: series.map((one, index) => ({
      name: one.name,
      type: kind === "bars" ? "bar" : "line",
      stack: kind === "bars" ? "all" : undefined,
      data: isTime ? one.values.map((value) => value && Math.max(value, 1)) : one.values,
      color: colorOf(one.color),
      connectNulls: false,
      showSymbol: true,
      symbol: ["circle", "rect", "triangle", "diamond"][index % 4],
      symbolSize: (_: unknown, { dataIndex }: { dataIndex: number }) =>
        isAlone(one.values, dataIndex) ? 6 : 0,
      lineStyle: { width: 2, type: (["solid", "dashed", "dotted"] as const)[index % 3] },
      barMaxWidth: 36,
      itemStyle: { borderRadius: kind === "bars" && series.length === 1 ? [3, 3, 0, 0] : 0 },
    })),
  };
}
