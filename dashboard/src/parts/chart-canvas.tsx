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
import { type ChartProps, timeText } from "./chart";

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

function optionsOf({ unit, times, series, kind, interval, isWhole, text = String }: ChartProps) {
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
    grid: { left: 8, right: 30, top: 30, bottom: series.length > 1 ? 28 : 4, containLabel: true },
    legend: {
      show: series.length > 1,
      type: "scroll",
      bottom: 0,
      left: 0,
      itemGap: 8,
      itemWidth: 12,
      itemHeight: 12,
      textStyle: axisText,
      pageTextStyle: axisText,
      pageIconColor: muted,
      icon: "roundRect",
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
      axisLabel: { ...axisText, hideOverlap: true, alignMinLabel: "left", alignMaxLabel: "right" },
      axisLine: { lineStyle: { color: line } },
      axisTick: { show: false },
    },
    yAxis: {
      type: "value",
      name: unit,
      nameTextStyle: { ...axisText, align: "left" },
      nameGap: 12,
      axisLabel: { ...axisText, formatter: (value: number) => text(value) },
      splitLine: { lineStyle: { color: line } },
      splitNumber: 4,
      minInterval: isWhole ? 1 : 0,
    },
    series: series.map((one, index) => ({
      name: one.name,
      type: kind === "bars" ? "bar" : "line",
      stack: kind === "bars" ? "all" : undefined,
      data: one.values,
      color: colorOf(one.color),
      connectNulls: false,
      showSymbol: one.values.filter((value) => value !== null).length < 3,
      symbol: ["circle", "rect", "triangle", "diamond"][index % 4],
      symbolSize: 6,
      lineStyle: { width: 2, type: (["solid", "dashed", "dotted"] as const)[index % 3] },
      barMaxWidth: 22,
      itemStyle: { borderRadius: kind === "bars" && series.length === 1 ? [3, 3, 0, 0] : 0 },
    })),
  };
}
