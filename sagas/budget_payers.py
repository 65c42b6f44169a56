"""Who pays for the calls of a run, and in which counters they count: found once for a run, for it
says the same for each of its calls until a period ends.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from domain.budget_rules import BudgetRule, Counter, Spender, applies, counter_of
from domain.identifiers import Json

# A day or a month begins with a minute everywhere (domain/budget_rules.py).
COUNTED_S = 60


@dataclass(slots=True)
class Payer:
    """rules: those that its calls are under."""

    spender: Spender
    rules: Sequence[BudgetRule]
    _counters: Sequence[Counter] = ()
    # The counters that were asked for last, as events have them.
    told: list[Json] = field(default_factory=list[Json])
    # None: they are not known, or change with every moment.
    _minute: int | None = None

    def counters(self, now: datetime) -> Sequence[Counter]:
        """One for each of the rules, in their order."""
        minute = int(now.timestamp() // COUNTED_S)
        if self._minute != minute:
            self._counters = [counter_of(rule, self.spender, now) for rule in self.rules]
            self.told = [counter.told() for counter in self._counters]
            is_rolling = any(rule.period == "rolling" for rule in self.rules)
            self._minute = None if is_rolling else minute
        return self._counters


def payer(spender: Spender, rules: Sequence[BudgetRule]) -> Payer:
    """rules: all that hold."""
    return Payer(spender, [rule for rule in rules if applies(rule, spender)])
