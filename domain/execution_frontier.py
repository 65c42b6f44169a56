"""Where a run stands in its graph: which nodes are ready, and which can never run any more.

    decided node ──► its edges, taken or not ──► each target: ready | skipped | still waiting
                                                                        └──► decided too

Edges are counted, so a decided node costs its outgoing edges and no more, however large the graph.
Everything here is derived: an execution that was loaded from its events counts anew.
"""

from collections import deque
from collections.abc import Mapping, Sequence

from domain.definition_graph import END
from domain.definitions import Definition, Node
from domain.node_runs import NodeRun


class Frontier:
    """failed: the first node that failed for good, without an edge for that.

    ended: the first end that completed.
    """

    __slots__ = (
        "_decided_count",
        "_definition",
        "_newly_skipped",
        "_ready",
        "_released",
        "_settled",
        "_taken",
        "_undecided",
        "ended",
        "failed",
    )

    def __init__(self, definition: Definition) -> None:
        self._definition = definition
        self._undecided = {node.id: len(node.incoming) for node in definition.nodes.values()}
        self._taken = dict.fromkeys(definition.nodes, 0)
        # These wait for no edge any more: they are ready, were begun, or are skipped.
        self._released = {definition.start}
        self._settled: set[str] = set()
        self._ready = deque([definition.start])
        self._decided_count = 0
        self._newly_skipped: list[str] = []
        self.failed: str | None = None
        self.ended: str | None = None

    def follow(self, decided: Sequence[str], runs: Mapping[str, NodeRun]) -> None:
        """Count what was decided since the last call. decided: all of the run, in order."""
        while self._decided_count < len(decided):
            path = decided[self._decided_count]
            self._decided_count += 1
            if path not in self._settled:
                self._settle(path, runs[path])

    def next_ready(self, runs: Mapping[str, NodeRun]) -> Node | None:
        """Take out a node whose time has come and that was not begun yet."""
        while self._ready:
            path = self._ready.popleft()
            if path not in runs:
                return self._definition.nodes[path]
        return None

    def take_skipped(self, runs: Mapping[str, NodeRun]) -> list[str]:
        """The nodes that turned out to be skipped and are not recorded as such."""
        skipped, self._newly_skipped = self._newly_skipped, []
        return [path for path in skipped if path not in runs]

    def _settle(self, path: str, run: NodeRun) -> None:
        pending: list[tuple[str, NodeRun | None]] = [(path, run)]
        while pending:
            path, outcome = pending.pop()
            self._settled.add(path)
            node = self._definition.nodes[path]
            if outcome is not None and self._is_final(node, outcome):
                continue
            for edge in node.outgoing:
                self._undecided[edge.target] -= 1
                if outcome is not None and outcome.takes(edge):
                    self._taken[edge.target] += 1
                if edge.target not in self._released and self._release(edge.target):
                    pending.append((edge.target, None))

    def _is_final(self, node: Node, outcome: NodeRun) -> bool:
        """Whether this ends the run, so that nothing follows from it for other nodes."""
        if outcome.status == "COMPLETED" and node.type == END:
            self.ended = self.ended or node.id
            return True
        if outcome.status == "FAILED" and not node.has_error_edge:
            self.failed = self.failed or node.id
            return True
        return False

    def _release(self, path: str) -> bool:
        """Whether this node is skipped now, for its join can no longer be satisfied."""
        undecided, taken = self._undecided[path], self._taken[path]
        needed = self._definition.nodes[path].needed
        if needed is None:
            is_ready, is_lost = not undecided and taken > 0, not undecided and not taken
        else:
            is_ready, is_lost = taken >= needed, taken + undecided < needed
        if is_ready:
            self._released.add(path)
            self._ready.append(path)
        elif is_lost:
            self._released.add(path)
            self._newly_skipped.append(path)
        return is_lost
