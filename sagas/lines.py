"""Calls that wait for others to give something back (what they hold of a budget, a place under a
limit), in line: of one worker only the first looks how it stands, and nobody who comes later goes
before it.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Scarce = TypeVar("Scarce", bound=Hashable)


@dataclass(eq=False)
class Lines(Generic[Scarce]):
    """Who waits, by what there is too little of, with how they are told that it is their turn.
    Everybody stands in one line at most.
    """

    _lines: dict[Scarce, OrderedDict[Hashable, Callable[[], None]]] = field(
        default_factory=lambda: {}
    )
    _places: dict[Hashable, Scarce] = field(default_factory=lambda: {})

    def crowded(self, wanted: Iterable[Scarce]) -> Scarce | None:
        """One of these that somebody waits for."""
        if not self._lines:
            return None
        return next((scarce for scarce in wanted if scarce in self._lines), None)

    def is_first(self, who: Hashable) -> bool:
        """Of the line that they stand in."""
        scarce = self._places.get(who)
        return scarce is not None and next(iter(self._lines[scarce])) == who

    def join(self, who: Hashable, scarce: Scarce, call: Callable[[], None]) -> bool:
        """Whether it is their turn. Who stands in this line already keeps the place."""
        if self._places.get(who) != scarce:
            self.leave(who)
            self._places[who] = scarce
            self._lines.setdefault(scarce, OrderedDict())[who] = call
        return next(iter(self._lines[scarce])) == who

    def leave(self, who: Hashable) -> None:
        scarce = self._places.pop(who, None)
        if scarce is None:
            return
        line = self._lines[scarce]
        was_first = next(iter(line)) == who
        del line[who]
        if not line:
            del self._lines[scarce]
        elif was_first:
            next(iter(line.values()))()

    def lengths(self) -> dict[Scarce, int]:
        """How many wait, of each line that there is."""
        return {scarce: len(line) for scarce, line in self._lines.items()}

    def call_first(self, scarce: Scarce) -> None:
        """There may be some of it again."""
        line = self._lines.get(scarce)
        if line:
            next(iter(line.values()))()
