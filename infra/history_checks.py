"""What the events of one stream must say of themselves. Fed in order of versions; each holds what
it has to know of one stream, and no more.
"""

from dataclasses import dataclass, field
from typing import Any, TypeAlias

from domain.credits import ISSUED, CreditAccount
from domain.executions import Execution
from domain.node_types import EffectfulNode
from domain.nodes.catalogue import NODE_TYPES

CreditEntry: TypeAlias = (
    CreditAccount.Granted
    | CreditAccount.Burned
    | CreditAccount.Restored
    | CreditAccount.Expired
    | CreditAccount.Withdrawn
)


@dataclass(slots=True)
class Outcomes:
    """The outcomes of attempts: an attempt has at most one.

    What is no effect counts no attempts: it has its first one again when it is tried again.
    """

    _seen: dict[str, set[int]] = field(default_factory=dict[str, set[int]])
    _of_effects: set[str] = field(default_factory=set[str])

    def second(self, fact: Execution.NodeCompleted | Execution.NodeFailed) -> str | None:
        """In words, when this is the second outcome of its attempt."""
        seen = self._seen.setdefault(fact.path, set())
        is_second = fact.attempt in seen
        seen.add(fact.attempt)
        if issubclass(NODE_TYPES.get(fact.node_type, EffectfulNode), EffectfulNode):
            self._of_effects.add(fact.path)
        # A node that waits for its next attempt may be given up: no effect comes of that.
        if not is_second or (isinstance(fact, Execution.NodeFailed) and fact.code == "abandoned"):
            return None
        return f"{fact.path} attempt {fact.attempt} has two outcomes"

    def begin_again(self, paths: list[str]) -> None:
        for path in paths:
            if path not in self._of_effects:
                self._seen.pop(path, None)


@dataclass(slots=True)
class Ledger:
    """The entries of one account of credits: each sums to zero, and nothing but what was issued is
    ever below it.
    """

    balances: dict[str, int] = field(default_factory=dict[str, int])

    def mistake(self, fact: CreditEntry) -> str | None:
        """In words, of this entry."""
        added: Any = fact.postings
        for account, amount in added:
            self.balances[account] = self.balances.get(account, 0) + amount
        if sum(amount for _, amount in added):
            return "its entry does not sum to zero"
        below = [one for one, left in self.balances.items() if left < 0 and one != ISSUED]
        return f"{below[0]} is below zero" if below else None


@dataclass(slots=True)
class Untold:
    """The children that a run awaits and whose end it has not heard of. An end of its own makes
    that unnecessary.
    """

    children: dict[str, None] = field(default_factory=dict[str, None])

    def started(self, fact: Execution.ChildStarted) -> None:
        if fact.is_awaited:
            self.children[fact.child_id] = None

    def ended(self, fact: Execution.ChildEnded) -> None:
        self.children.pop(fact.child_id, None)
