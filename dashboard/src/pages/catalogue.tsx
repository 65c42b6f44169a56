/** Every page: its address below /dashboard, and for those in the navigation a name and an icon. */
import {
  Bot,
  ChartColumn,
  Gauge,
  Inbox,
  LayoutTemplate,
  ListTree,
  type LucideIcon,
  ReceiptText,
  ScrollText,
  Server,
  SlidersHorizontal,
  Workflow,
} from "lucide-react";
import { type ComponentType, lazy } from "react";
import { useApprovalCount } from "../approvals/read";
import { Agents } from "./agents";
import { Executions } from "./executions";
import { Overview } from "./overview";
import { Workflows } from "./workflows";

export interface PageEntry {
  path: string;
  Page: ComponentType;
  nav?: {
    label: string;
    icon: LucideIcon;
    /** Offered only to who holds it. */
    scope?: string;
    /** A hook: how many things wait there for who looks, as text; "" for none. */
    useCount?: () => string;
  };
}

export const PAGES: readonly PageEntry[] = [
  { path: "/", Page: Overview, nav: { label: "Overview", icon: Gauge } },
  { path: "/executions", Page: Executions, nav: { label: "Executions", icon: ListTree } },
  { path: "/executions/:id", Page: lazy(() => import("./execution")) },
  {
    path: "/approvals",
    Page: lazy(() => import("./approvals")),
    nav: {
      label: "Approvals",
      icon: Inbox,
      scope: "approvals:decide",
      useCount: useApprovalCount,
    },
  },
  { path: "/workflows", Page: Workflows, nav: { label: "Workflows", icon: Workflow } },
  { path: "/workflows/:id", Page: lazy(() => import("./workflow")) },
  {
    path: "/templates",
    Page: lazy(() => import("./templates")),
    nav: { label: "Templates", icon: LayoutTemplate },
  },
  { path: "/agents", Page: Agents, nav: { label: "Agents", icon: Bot } },
  { path: "/agents/:id", Page: lazy(() => import("./agent")) },
  {
    path: "/usage",
    Page: lazy(() => import("./usage")),
    nav: { label: "Usage and cost", icon: ChartColumn },
  },
  {
    path: "/limits",
    Page: lazy(() => import("./limits")),
    nav: { label: "Limits", icon: SlidersHorizontal },
  },
  {
    path: "/invoices",
    Page: lazy(() => import("./invoices")),
    nav: { label: "Invoices", icon: ReceiptText },
  },
  { path: "/invoices/:id", Page: lazy(() => import("./invoice")) },
  {
    path: "/audit",
    Page: lazy(() => import("./audit")),
    nav: { label: "Audit", icon: ScrollText },
  },
  { path: "/audit/:id", Page: lazy(() => import("./stream")) },
  {
    path: "/system",
    Page: lazy(() => import("./system")),
    nav: { label: "System", icon: Server },
  },
];
