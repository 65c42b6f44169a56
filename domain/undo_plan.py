"""What a run has to undo, and what of that may be undone now.

    whole:  ■ ■ ■ ■ ■ ■ □ ■ □ □ □ □ | · · · · · · · ·      ■ done   □ the window   · ahead

The order never changes while a run is being undone, so it is found once (per load of the run), and
each step looks at the window only.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from domain.definition_nodes import Compensation
from domain.flows import Flow
from domain.identifiers import JsonObject
from domain.node_runs import COMPENSATE, NodeRuns
from domain.node_types import BodyNode

# How many of those that are not undone yet are looked at. What depends on a node stands before it
# in the order, so this leaves nothing out; it only bounds how much is done at a time.
UNDONE_AT_ONCE_MAX = 64


@dataclass(frozen=True, slots=True)
class Undo:
    """request: None when it is to be rendered, or when `problem` says why it could not be."""

    path: str
    compensation: Compensation
    request: JsonObject | None = None
    problem: str | None = None

    @property
    def own_path(self) -> str:
        return f"{self.path}/{COMPENSATE}"

    def is_done(self, runs: NodeRuns) -> bool:
        return runs.get(self.own_path).status == "COMPLETED"


class UndoPlan:
    """Of everything there is to undo. whole: that, each after what depends on it."""

    def __init__(self, found: Iterable[Undo], flow: Flow) -> None:
        self.whole = sorted(found, key=lambda one: _place(flow, one.path), reverse=True)
        self._flow = flow
        self._ahead: Iterator[Undo] = iter(self.whole)
        # Each with those before it in the order that must be undone first, the nearest first: that
        # one is likely to be done last.
        self._window: list[tuple[Undo, tuple[Undo, ...]]] = []

    def free(self, runs: NodeRuns) -> list[Undo]:
        """What is not done, and waits for nothing that depends on it; in the order."""
        self._move(runs)
        return [
            one
            for one, later in self._window
            if all(dependent.is_done(runs) for dependent in later)
        ]

    def _move(self, runs: NodeRuns) -> None:
        """Nothing that is done is ever undone a second time, so the window moves one way."""
        self._window = [known for known in self._window if not known[0].is_done(runs)]
        while len(self._window) < UNDONE_AT_ONCE_MAX:
            one = next(self._ahead, None)
            if one is None:
                return
            if not one.is_done(runs):
                later = (known for known, _ in reversed(self._window))
                dependents = tuple(k for k in later if depends(self._flow, k.path, one.path))
                self._window.append((one, dependents))


def _place(flow: Flow, path: str) -> list[tuple[int, int]]:
    """In the order of the graph. When it completed says nothing of that: behind a join that waits
    for any, a node completes before others that lead to it.
    """
    places: list[tuple[int, int]] = []
    inside: Flow | None = flow
    for step in path.split("/"):
        assert inside is not None
        node_id, _, index = step.partition("[")
        places.append((inside.places[node_id], _index(index) if index else 0))
        inside = inside.nodes[node_id].body
    return places


def depends(flow: Flow, later: str, earlier: str) -> bool:
    """Whether `later` ran after `earlier` because of it."""
    inside: Flow | None = flow
    for step_later, step_earlier in zip(later.split("/"), earlier.split("/"), strict=False):
        if inside is None:
            return False
        later_id, _, later_index = step_later.partition("[")
        earlier_id, _, earlier_index = step_earlier.partition("[")
        if later_id != earlier_id:
            return inside.runs_before(earlier_id, later_id)
        node = inside.nodes[later_id]
        if later_index != earlier_index:
            assert isinstance(node.config, BodyNode)
            return node.config.is_sequential and _index(later_index) > _index(earlier_index)
        inside = node.body
    return False


def _index(step: str) -> int:
    """Of an iteration, as paths have it after the bracket."""
    return int(step.removesuffix("]"))
