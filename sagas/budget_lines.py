"""Calls that wait for others to give back what they hold of a budget, in line: of one worker only
the first looks how the budget stands, and nobody who comes later goes before it.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field

from domain.budget_rules import Counter


@dataclass(eq=False)
class BudgetLines:
    """Who waits, by the counter that has too little left, with how they are told that it is their
    turn. Everybody stands in one line at most.
    """

    _lines: dict[Counter, OrderedDict[Hashable, Callable[[], None]]] = field(
        default_factory=lambda: {}
    )
    _places: dict[Hashable, Counter] = field(default_factory=dict[Hashable, Counter])

    def crowded(self, counters: Iterable[Counter]) -> Counter | None:
        """One of these that somebody waits for."""
        if not self._lines:
            return None
        return next((counter for counter in counters if counter in self._lines), None)

    def join(self, who: Hashable, counter: Counter, call: Callable[[], None]) -> bool:
        """Whether it is their turn. Who stands in this line already keeps the place."""
        if self._places.get(who) != counter:
            self.leave(who)
            self._places[who] = counter
            self._lines.setdefault(counter, OrderedDict())[who] = call
        return next(iter(self._lines[counter])) == who

    def leave(self, who: Hashable) -> None:
        counter = self._places.pop(who, None)
        if counter is None:
            return
        line = self._lines[counter]
        was_first = next(iter(line)) == who
        del line[who]
        if not line:
            del self._lines[counter]
        elif was_first:
            next(iter(line.values()))()
