"""What a run has to undo, and what of that may be undone now.

    whole:  ■ ■ ■ ■ ■ ■ □ ■ □ □ □ □ | · · · · · · · ·      ■ done   □ the window   · ahead

The order never changes while a run is being undone, so it is found once (per load of the run), and
each step looks at the window only.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from domain.definition_nodes import Compensation
from domain.flows import Flow
from domain.identifiers import JsonObject
from domain.node_runs import COMPENSATE, NodeRuns
from domain.node_types import BodyNode

# How many of those that are not undone yet, and completed last, are looked at. What depends on a
# node completed after it, so this leaves nothing out; it only bounds how much is done at a time.
UNDONE_AT_ONCE_MAX = 64


@dataclass(frozen=True, slots=True)
class Undo:
    """request: None when it is to be rendered, or when `problem` says why it could not be."""

    path: str
    compensation: Compensation
    ordinal: int
    request: JsonObject | None = None
    problem: str | None = None

    @property
    def own_path(self) -> str:
        return f"{self.path}/{COMPENSATE}"

    def is_done(self, runs: NodeRuns) -> bool:
        return runs.get(self.own_path).status == "COMPLETED"


class UndoPlan:
    """whole: everything to undo, what completed last first."""

    def __init__(self, whole: Sequence[Undo], flow: Flow) -> None:
        self.whole = whole
        self._flow = flow
        self._ahead: Iterator[Undo] = iter(whole)
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
