"""The live part of a run: what is derived from its events and its definition, and never stored.

A frame is one run of a flow: the outermost, or one iteration of a body. A run that was loaded
derives its frames anew, and comes to the same ones.
"""

from dataclasses import dataclass

from domain.attempts import Attempt
from domain.execution_frontier import Frontier
from domain.flows import Flow, Node
from domain.identifiers import Json, JsonObject
from domain.node_runs import NodeRun, NodeRuns
from domain.node_types import Iteration, Scope
from domain.undo_plan import UndoPlan

NOTHING: JsonObject = {}


def known_roots(roots: JsonObject, webhook_path: str | None) -> JsonObject:
    """What expressions see everywhere. webhook_path: None where nobody drives the run."""
    facts = roots["execution"]
    if webhook_path is None or not isinstance(facts, dict):
        return roots
    return {**roots, "execution": {**facts, "webhook_path": webhook_path}}


@dataclass(slots=True)
class LiveFrame:
    """prefix: begins the paths of its nodes. roots: of expressions, the same for all its nodes.

    outer: the nodes of the flows around it that its own may read. key: begins the idempotency keys
    of its attempts. given: what its start outputs; outermost, the start is recorded like any node,
    and this is None. holder: the loop or map.
    """

    prefix: str
    flow: Flow
    frontier: Frontier
    roots: JsonObject
    outer: JsonObject
    key: str
    given: NodeRun | None = None
    holder: "Holder | None" = None
    _seen: JsonObject | None = None

    def know(self, root: str, value: Json) -> None:
        """One more root, for the nodes that begin from now on."""
        self.roots = {**self.roots, root: value}
        self._seen = None

    def run_of(self, node_id: str, runs: NodeRuns) -> NodeRun:
        if self.given is not None and node_id == self.flow.start:
            return self.given
        return runs.get(self.prefix + node_id)

    def scope_of(self, node: Node, runs: NodeRuns) -> Scope:
        """What a node sees."""
        incoming = self._incoming(node, runs) if node.reads_incoming else NOTHING
        if node.before is not None:
            visible = self.visible(runs)
            inner = {other: visible[other] for other in node.before if other in visible}
            seen = {**self.roots, "nodes": {**self.outer, **inner}}
        else:
            seen = self._seen or self._all_seen(runs)
        return Scope(seen, incoming, node.id, self.prefix + node.id)

    def _all_seen(self, runs: NodeRuns) -> JsonObject:
        """Outermost it is found once, for what is visible there grows in its place."""
        seen: JsonObject = {**self.roots, "nodes": self.visible(runs)}
        if self.holder is None:
            self._seen = seen
        return seen

    def visible(self, runs: NodeRuns) -> JsonObject:
        own = runs.frame(self.prefix).visible
        return {**self.outer, **own} if self.outer else own

    def _incoming(self, node: Node, runs: NodeRuns) -> JsonObject:
        incoming: JsonObject = {}
        for edge in node.incoming:
            source = self.run_of(edge.source, runs)
            if source.takes(edge):
                is_complete = source.status == "COMPLETED"
                incoming[edge.source] = source.output if is_complete else {"error": source.error}
        return incoming


@dataclass(frozen=True, slots=True)
class Holder:
    """The node whose body a frame runs, and the frame of that node."""

    frame: LiveFrame
    node: Node
    index: int

    @property
    def path(self) -> str:
        return self.frame.prefix + self.node.id


@dataclass(slots=True, init=False)
class Live:
    """frames: by prefix. memory: of loops and maps, by path. in_flight: attempts without an intent,
    or whose intent is not recorded yet, by path. changed: frames to look at. caught: the failure
    that the handler of errors is about. has_room: whether the tenant may store more large payloads.
    is_held: whether the tenant is suspended, so that no step may begin. counted_types: of nodes
    whose attempts wait until somebody lets them begin. seconds_max: how long the tenant's plan lets
    a run take. undo_plan: once it is being undone.
    """

    frames: dict[str, LiveFrame]
    memory: dict[str, JsonObject]
    in_flight: dict[str, Attempt]
    changed: dict[str, None]
    caught: str | None
    has_room: bool
    is_held: bool
    counted_types: frozenset[str]
    seconds_max: int | None
    undo_plan: UndoPlan | None

    def __init__(self, around: "Live | None" = None) -> None:
        """Nothing is derived yet. around: what holds around the run, for no event says it."""
        self.frames = {}
        self.memory = {}
        self.in_flight = {}
        self.changed = {}
        self.caught = None
        self.has_room = True if around is None else around.has_room
        self.is_held = False if around is None else around.is_held
        self.counted_types = frozenset() if around is None else around.counted_types
        self.seconds_max = None if around is None else around.seconds_max
        self.undo_plan = None

    def outermost(self, flow: Flow, roots: JsonObject, runs: NodeRuns, run_id: str) -> LiveFrame:
        known = self.frames.get("")
        if known is None:
            known = LiveFrame("", flow, Frontier(flow, runs, ""), roots, {}, f"{run_id}:")
            self.frames[""] = known
        return known

    def iteration(self, holder: Holder, iteration: Iteration, runs: NodeRuns) -> LiveFrame | None:
        """The frame of an iteration; None when it is open already."""
        assert holder.node.body is not None
        prefix = f"{holder.path}[{iteration.index}]/"
        if prefix in self.frames:
            return None
        flow = holder.node.body
        given = NodeRun("COMPLETED", "start", 1, iteration.given)
        outer: JsonObject = {
            **holder.frame.visible(runs),
            flow.start: {"output": iteration.given},
        }
        frontier = Frontier(flow, runs, prefix)
        frame = LiveFrame(
            prefix,
            flow,
            frontier,
            {**holder.frame.roots, **iteration.roots},
            outer,
            holder.frame.key.removesuffix(holder.frame.prefix) + prefix,
            given,
            holder,
        )
        frontier.pass_start(given)
        self.frames[prefix] = frame
        return frame

    def forget(self, prefix: str) -> None:
        """A frame has ended, and so have those inside of it."""
        for known in [one for one in self.frames if one.startswith(prefix)]:
            del self.frames[known]
        for path in [one for one in self.memory if one.startswith(prefix)]:
            del self.memory[path]
        for path in [one for one in self.in_flight if one.startswith(prefix)]:
            del self.in_flight[path]
