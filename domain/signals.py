"""Signals: named messages to a run, kept in the order of their coming until a node takes them."""

import re
from collections import deque
from dataclasses import dataclass, field

from domain.errors import Refused
from domain.identifiers import Json

NAME_CHARACTERS_MAX = 64
PENDING_MAX = 1000

_NAME = re.compile(rf"[A-Za-z0-9_.-]{{1,{NAME_CHARACTERS_MAX}}}")


class TooManySignals(Refused):
    """This run has as many signals waiting as it may have; none of its nodes has taken them yet."""

    code = "too_many_signals"


def is_signal_name(name: str) -> bool:
    return _NAME.fullmatch(name) is not None


@dataclass(slots=True)
class PendingSignals:
    """by_name: oldest first."""

    by_name: dict[str, deque[Json]] = field(default_factory=dict[str, deque[Json]])
    count: int = 0

    def keep(self, name: str, payload: Json) -> None:
        self.by_name.setdefault(name, deque()).append(payload)
        self.count += 1

    def has(self, name: str) -> bool:
        return name in self.by_name

    def oldest(self, name: str) -> Json:
        return self.by_name[name][0]

    def take(self, name: str) -> None:
        """The oldest was given to a node."""
        waiting = self.by_name.get(name)
        if not waiting:
            return
        waiting.popleft()
        self.count -= 1
        if not waiting:
            del self.by_name[name]
