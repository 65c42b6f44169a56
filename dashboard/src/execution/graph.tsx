/** A definition as a graph, drawn by React Flow and laid out by dagre; the nodes show how they fare. */
import "@xyflow/react/dist/base.css";
import { Graph as Layered, layout } from "@dagrejs/dagre";
import {
  Background,
  Controls,
  type Edge,
  Handle,
  MarkerType,
  type Node,
  type NodeHandle,
  type NodeProps,
  Position,
  ReactFlow,
} from "@xyflow/react";
import {
  Bot,
  Box,
  Braces,
  Clock3,
  Flag,
  GitBranch,
  GitMerge,
  Globe,
  type LucideIcon,
  MessageSquareText,
  Play,
  Radio,
  Repeat,
  Split,
  UserCheck,
  Webhook,
  Workflow,
} from "lucide-react";
import { useMemo } from "react";
import { StatePill, toneOf } from "../parts/state-pill";
import { durationText } from "../parts/time";
import { useIsDark } from "../theme";
import type { Definition } from "./definition";

const ICONS: Record<string, LucideIcon> = {
  start: Play,
  end: Flag,
  agent: Bot,
  llm: MessageSquareText,
  condition: GitBranch,
  switch: Split,
  parallel: Split,
  merge: GitMerge,
  set: Braces,
  loop: Repeat,
  map: Repeat,
  delay: Clock3,
  http: Globe,
  approval: UserCheck,
  signal: Radio,
  webhook: Webhook,
  sub_workflow: Workflow,
};
const WIDTH = 208;
const HEIGHT = 62;
const HANDLE_SIZE = 6;
/** Of the canvas: of the shape of the graph, within reason. */
const CANVAS_MAX = 640;
const MARGIN = 28;

/** What the graph shows of a node run. */
export interface NodeState {
  status: string;
  durationMs: number | null;
  attempt: number;
  iterations: number | null;
}
type Shown = Node<{ id: string; type: string; state: NodeState | undefined; hasRun: boolean }, "step">;

function Step({ data, selected }: NodeProps<Shown>) {
  const Icon = ICONS[data.type] ?? Box;
  const { state } = data;
  const tone = state ? toneOf(state.status) : "none";
  return (
    <div className={`step step-${tone}${selected ? " is-selected" : ""}`}>
      <Handle type="target" position={Position.Top} isConnectable={false} />
      <div className="step-name">
        <Icon size={14} aria-hidden />
        <strong>{data.id}</strong>
      </div>
      <div className="step-state">
        {state ? <StatePill state={state.status} /> : <span className="muted">{data.type}</span>}
        {state?.durationMs != null && (
          <span className="muted number">{durationText(state.durationMs)}</span>
        )}
        {state && state.attempt > 1 && <span className="tag">try {state.attempt}</span>}
        {state?.iterations != null && <span className="tag">{state.iterations} ×</span>}
      </div>
      <Handle type="source" position={Position.Bottom} isConnectable={false} />
    </div>
  );
}

/** Where edges begin and end. Told, for what the library measures is forgotten when a node changes,
 * and with it the edges of a run that goes on.
 */
const HANDLE = { x: (WIDTH - HANDLE_SIZE) / 2, width: HANDLE_SIZE, height: HANDLE_SIZE };
const HANDLES: NodeHandle[] = [
  { ...HANDLE, type: "target", position: Position.Top, y: -HANDLE_SIZE / 2 },
  { ...HANDLE, type: "source", position: Position.Bottom, y: HEIGHT - HANDLE_SIZE / 2 },
];

const NODE_TYPES = { step: Step };

export function Graph({
  definition,
  states,
  selected,
  onSelect,
  label,
}: {
  definition: Definition;
  states?: ReadonlyMap<string, NodeState>;
  selected?: string;
  onSelect?: (id: string) => void;
  label: string;
}) {
  const isDark = useIsDark();
  const { places, width, height } = useMemo(() => placed(definition), [definition]);
  const nodes: Shown[] = definition.nodes.map((node) => ({
    id: node.id,
    type: "step",
    position: places.get(node.id) ?? { x: 0, y: 0 },
    width: WIDTH,
    height: HEIGHT,
    handles: HANDLES,
    selected: node.id === selected,
    ariaLabel: `${node.id}, ${node.type}, ${states?.get(node.id)?.status.toLowerCase() ?? ""}`,
    data: { id: node.id, type: node.type, state: states?.get(node.id), hasRun: states !== undefined },
  }));
  const edges: Edge[] = definition.edges.map((edge, index) => ({
    id: `${index}`,
    source: edge.from,
    target: edge.to,
    label: edge.port,
    markerEnd: { type: MarkerType.ArrowClosed, width: 16, height: 16 },
    className: edgeClass(states?.get(edge.from)?.status, states?.get(edge.to)?.status),
    focusable: false,
    selectable: false,
  }));
  return (
    <div className="graph" role="group" aria-label={label} style={{ aspectRatio: `${width} / ${height}`, maxHeight: Math.min(height, CANVAS_MAX) }}>
      <ReactFlow
        key={definition.nodes.map((node) => node.id).join(" ")}
        nodes={nodes}
        edges={edges}
        nodeTypes={NODE_TYPES}
        colorMode={isDark ? "dark" : "light"}
        nodesDraggable={false}
        nodesConnectable={false}
        edgesFocusable={false}
        nodesFocusable={onSelect !== undefined}
        elementsSelectable={onSelect !== undefined}
        onSelectionChange={({ nodes: chosen }) => {
          const id = chosen[0]?.id;
          if (id !== undefined && id !== selected) onSelect?.(id);
        }}
        onNodeClick={(_, node) => onSelect?.(node.id)}
        fitView
        fitViewOptions={{ maxZoom: 1, padding: 0.06 }}
        minZoom={0.15}
        maxZoom={1.6}
        zoomOnScroll={false}
        preventScrolling={false}
      >
        <Background gap={18} size={1} />
        <Controls showInteractive={false} orientation="horizontal" position="bottom-right" />
      </ReactFlow>
    </div>
  );
}

function edgeClass(from: string | undefined, to: string | undefined): string {
  if (to === "SKIPPED" || from === "SKIPPED") return "edge-skipped";
  return from === "COMPLETED" && to !== undefined && to !== "PENDING" ? "edge-taken" : "edge-open";
}

interface Places {
  places: Map<string, { x: number; y: number }>;
  /** Of the whole, with its margins. */
  width: number;
  height: number;
}

function placed(definition: Definition): Places {
  const layered = new Layered();
  layered.setGraph({ rankdir: "TB", nodesep: 28, ranksep: 38 });
  layered.setDefaultEdgeLabel(() => ({}));
  for (const node of definition.nodes) layered.setNode(node.id, { width: WIDTH, height: HEIGHT });
  for (const edge of definition.edges) layered.setEdge(edge.from, edge.to);
  layout(layered);
  let bottom = 0;
  let right = 0;
  const places = new Map(
    definition.nodes.map((node) => {
      const { x = 0, y = 0 } = layered.node(node.id) as { x?: number; y?: number };
      bottom = Math.max(bottom, y + HEIGHT / 2);
      right = Math.max(right, x + WIDTH / 2);
      return [node.id, { x: x - WIDTH / 2, y: y - HEIGHT / 2 }];
    }),
  );
  return { places, width: right + 2 * MARGIN, height: bottom + 2 * MARGIN };
}
