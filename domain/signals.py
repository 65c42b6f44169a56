"""Signals: named messages to a run, kept in the order of their coming until a node takes them.

A request to a webhook is one, under a name that no signal can have: so neither is taken for the
other, and neither takes the other's room.
"""

import re
from collections import deque
from dataclasses import dataclass, field

from domain.errors import Refused
from domain.identifiers import Json, JsonObject

NAME_CHARACTERS_MAX = 64
# Of signals, and as many requests to webhooks.
PENDING_MAX = 1000

_NAME = re.compile(rf"[A-Za-z0-9_.-]{{1,{NAME_CHARACTERS_MAX}}}")
_WEBHOOK = "webhook:"


class TooManySignals(Refused):
    """This run has as many signals waiting as it may have; none of its nodes has taken them yet."""

    code = "too_many_signals"


def is_signal_name(name: str) -> bool:
    return _NAME.fullmatch(name) is not None


def webhook_signal(name: str) -> str:
    """The signal that a request to the webhook `name` is."""
    return _WEBHOOK + name


def awaited_signal(node_type: str, awaited: JsonObject | None) -> str | None:
    """The signal that a node waits for; None when it waits for something else, or not."""
    if awaited is None or node_type not in {"signal", "webhook"}:
        return None
    name = str(awaited["name"])
    return webhook_signal(name) if node_type == "webhook" else name


@dataclass(slots=True)
class PendingSignals:
    """by_name: oldest first."""

    by_name: dict[str, deque[Json]] = field(default_factory=dict[str, deque[Json]])

    def keep(self, name: str, payload: Json) -> None:
        self.by_name.setdefault(name, deque()).append(payload)

    def has(self, name: str) -> bool:
        return name in self.by_name

    def has_room(self, name: str) -> bool:
        is_webhook = name.startswith(_WEBHOOK)
        counts = (
            len(waiting)
            for other, waiting in self.by_name.items()
            if other.startswith(_WEBHOOK) == is_webhook
        )
        return sum(counts) < PENDING_MAX

    def oldest(self, name: str) -> Json:
        return self.by_name[name][0]

    def take(self, name: str) -> None:
        """The oldest was given to a node."""
        waiting = self.by_name.get(name)
        if not waiting:
            return
        waiting.popleft()
        if not waiting:
            del self.by_name[name]
