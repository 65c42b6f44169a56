/** Every page: its address below /dashboard, and for those in the navigation a name and an icon. */
import { ChartColumn, Gauge, type LucideIcon } from "lucide-react";
import type { ComponentType } from "react";
import { Overview } from "./overview";
import { Usage } from "./usage";

export interface PageEntry {
  path: string;
  Page: ComponentType;
  nav?: { label: string; icon: LucideIcon };
}

export const PAGES: readonly PageEntry[] = [
  { path: "/", Page: Overview, nav: { label: "Overview", icon: Gauge } },
  { path: "/usage", Page: Usage, nav: { label: "Usage and cost", icon: ChartColumn } },
];
