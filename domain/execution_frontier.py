"""Where a run stands in one flow: which nodes are ready, and which can never run any more.

    decided node ──► its edges, taken or not ──► each target: ready | skipped | still waiting
                                                                        └──► decided too

Edges are counted, so a decided node costs its outgoing edges and no more, however large the graph.
Everything here is derived: an execution that was loaded from its events counts anew.
"""

from collections import deque
from collections.abc import Sequence

from domain.definition_graph import END
from domain.flows import Flow, Node
from domain.node_runs import NOT_BEGUN, NodeRun, NodeRuns


class Frontier:
    """failed: a node that failed for good, without an edge for that; what was decided after it is
    not looked at before somebody says where to go on.

    ended: the first end that completed. begun: those that are not decided. skipped: those that
    turned out to be, since it was last asked. prefix: begins the paths of its nodes in `runs`.
    """

    __slots__ = (
        "_decided_count",
        "_flow",
        "_handled",
        "_known",
        "_passed_over",
        "_prefix",
        "_ready",
        "_released",
        "_settled",
        "_taken",
        "_undecided",
        "begun",
        "ended",
        "failed",
        "skipped",
    )

    def __init__(self, flow: Flow, runs: NodeRuns, prefix: str) -> None:
        self._flow = flow
        self._known = runs.by_path
        self._prefix = prefix
        self._undecided = dict(flow.undecided)
        self._taken: dict[str, int] = {}
        # These wait for no edge any more: they are ready, were begun, or are skipped.
        self._released = {flow.start}
        self._settled: set[str] = set()
        self._ready = deque([flow.start])
        self._decided_count = 0
        self._passed_over: set[str] = set()
        self._handled: set[str] | None = None
        self.begun: set[str] = set()
        self.skipped: list[str] = []
        self.failed: str | None = None
        self.ended: str | None = None

    def pass_start(self, run: NodeRun) -> None:
        """The start of a body is nothing to record: it has what it was given."""
        self._ready.clear()
        self._follow(self._flow.start, run)

    def follow(self, decided: Sequence[str]) -> None:
        """Count what was decided since the last call. decided: all of the run, in order."""
        asleep = self._flow.asleep
        while self._decided_count < len(decided) and self.failed is None:
            node_id = decided[self._decided_count]
            if node_id in asleep and self._handled is None:
                return  # Of a run that was loaded: it has yet to find what led there.
            self._decided_count += 1
            self.begun.discard(node_id)
            if node_id not in self._settled:
                self._follow(node_id, self._known.get(self._prefix + node_id, NOT_BEGUN))

    def next_ready(self) -> Node | None:
        """Take out a node whose time has come and that was not begun yet."""
        ready = self._ready
        while ready:
            node_id = ready.popleft()
            if node_id not in self._settled:
                self.begun.add(node_id)
                if self._is_pending(node_id):
                    return self._flow.nodes[node_id]
        return None

    def take_skipped(self) -> list[str]:
        """The nodes that turned out to be skipped and are not recorded as such."""
        skipped, self.skipped = self.skipped, []
        if self._handled is None and self._flow.rescued:
            # An error may still lead there, so it is too early to call them skipped.
            self._passed_over.update(self._flow.rescued.intersection(skipped))
            skipped = [node_id for node_id in skipped if node_id not in self._flow.rescued]
        return [node_id for node_id in skipped if self._is_pending(node_id)]

    def go_on_at(self, handler: str) -> None:
        """A node failed: leave everything, and go on at the handler and what follows it.

        Edges to the handler's part from elsewhere that are not taken yet never are.
        """
        own = {node for node in self._flow.nodes if self._flow.runs_before(handler, node)}
        own.add(handler)
        self._handled = own
        self.failed = None
        self._ready = deque([handler, *(node_id for node_id in self._ready if node_id in own)])
        self.begun &= own
        self._released.add(handler)
        self._settled -= self._passed_over & own
        self._released -= self._passed_over & own
        for node_id in own:
            sources = [edge.source for edge in self._flow.nodes[node_id].incoming]
            still = [one for one in sources if one in own and one not in self._settled]
            self._undecided[node_id] = len(still)
        for node_id in self._flow.nodes:
            if node_id in own and node_id not in self._released and self._release(node_id):
                self._follow(node_id, None)

    def _is_pending(self, node_id: str) -> bool:
        run = self._known.get(self._prefix + node_id)
        return run is None or run.status == "PENDING"

    def _follow(self, node_id: str, outcome: NodeRun | None) -> None:
        """Decide a node, and what is decided by that. An outcome of None: it is skipped."""
        taken = () if outcome is None else outcome.ports_taken
        nodes, handled, undecided = self._flow.nodes, self._handled, self._undecided
        pending = [node_id]
        while pending:
            decided = pending.pop()
            self._settled.add(decided)
            if handled is not None and decided not in handled:
                continue
            node = nodes[decided]
            if outcome is not None and self._is_final(node, outcome):
                continue
            for edge in node.outgoing:
                target = edge.target
                undecided[target] -= 1
                if edge.port in taken:
                    self._taken[target] = self._taken.get(target, 0) + 1
                if target not in self._released and self._release(target):
                    pending.append(target)
            # What comes after it here was skipped.
            outcome, taken = None, ()

    def _is_final(self, node: Node, outcome: NodeRun) -> bool:
        """Whether this ends the flow, so that nothing follows from it for other nodes."""
        if outcome.status == "COMPLETED" and node.type == END:
            self.ended = self.ended or node.id
            return True
        if outcome.status == "FAILED" and not node.has_error_edge:
            self.failed = node.id
            return True
        return False

    def _release(self, node_id: str) -> bool:
        """Whether this node is skipped now, for its join can no longer be satisfied."""
        undecided, taken = self._undecided[node_id], self._taken.get(node_id, 0)
        needed = self._flow.nodes[node_id].needed
        if needed is None:
            is_waiting, is_lost = undecided > 0, not taken
        else:
            is_waiting, is_lost = taken < needed <= taken + undecided, taken < needed
        if is_waiting:
            return False
        self._released.add(node_id)
        (self.skipped if is_lost else self._ready).append(node_id)
        return is_lost
