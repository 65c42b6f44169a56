"""Signals: named messages to a run, kept in the order of their coming until a node takes them.

A request to a webhook is one, under a name that no signal can have: so neither is taken for the
other, and neither takes the other's room.
"""

import re
from collections import deque
from dataclasses import dataclass, field
from typing import NamedTuple

from domain.errors import Refused
from domain.identifiers import Json, JsonObject
from domain.payloads import payload_bytes

NAME_CHARACTERS_MAX = 64
# Of signals, and as many and as much of requests to webhooks.
PENDING_MAX = 1000
PENDING_BYTES_MAX = 8 * 1024 * 1024

# The types of nodes that wait for one.
SIGNALLED = frozenset({"signal", "webhook"})

_NAME = re.compile(rf"[A-Za-z0-9_.-]{{1,{NAME_CHARACTERS_MAX}}}")
_WEBHOOK = "webhook:"


class TooManySignals(Refused):
    """This run has as many signals waiting as it may have; none of its nodes has taken them yet."""

    code = "too_many_signals"


class SignalsTooLarge(Refused):
    """With this one, the signals waiting in this run would be larger than they may be together."""

    code = "signals_too_large"


def is_signal_name(name: str) -> bool:
    return _NAME.fullmatch(name) is not None


def webhook_signal(name: str) -> str:
    """The signal that a request to the webhook `name` is."""
    return _WEBHOOK + name


def awaited_signal(node_type: str, awaited: JsonObject | None) -> str | None:
    """The signal that a node waits for; None when it waits for something else, or not, or of a run
    whose data was erased.
    """
    if not awaited or node_type not in SIGNALLED:
        return None
    name = str(awaited["name"])
    return webhook_signal(name) if node_type == "webhook" else name


class PendingSignal(NamedTuple):
    payload: Json
    bytes: int


@dataclass(slots=True)
class PendingSignals:
    """by_name: oldest first."""

    by_name: dict[str, deque[PendingSignal]] = field(default_factory=lambda: {})

    def keep(self, name: str, payload: Json) -> None:
        signal = PendingSignal(payload, payload_bytes(payload))
        self.by_name.setdefault(name, deque()).append(signal)

    def has(self, name: str) -> bool:
        return name in self.by_name

    def beside(self, name: str) -> list[PendingSignal]:
        """Those that share their room with `name`: all signals, or all requests to webhooks."""
        is_webhook = name.startswith(_WEBHOOK)
        return [
            signal
            for other, waiting in self.by_name.items()
            if other.startswith(_WEBHOOK) == is_webhook
            for signal in waiting
        ]

    def oldest(self, name: str) -> Json:
        return self.by_name[name][0].payload

    def take(self, name: str) -> None:
        """The oldest was given to a node."""
        waiting = self.by_name.get(name)
        if not waiting:
            return
        waiting.popleft()
        if not waiting:
            del self.by_name[name]

    def take_for(self, node_type: str, awaited: JsonObject | None) -> None:
        """A node of this type has completed: what it waited for was given to it."""
        if name := awaited_signal(node_type, awaited):
            self.take(name)
