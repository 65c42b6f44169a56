"""Signals: named messages to a run, kept in the order of their coming until a node takes them."""

import re
from collections import deque
from dataclasses import dataclass, field
from typing import NamedTuple

from domain.errors import Refused
from domain.identifiers import Json
from domain.payloads import payload_bytes

NAME_CHARACTERS_MAX = 64
PENDING_MAX = 1000
PENDING_BYTES_MAX = 8 * 1024 * 1024

_NAME = re.compile(rf"[A-Za-z0-9_.-]{{1,{NAME_CHARACTERS_MAX}}}")


class TooManySignals(Refused):
    """This run has as many signals waiting as it may have; none of its nodes has taken them yet."""

    code = "too_many_signals"


class SignalsTooLarge(Refused):
    """With this one, the signals waiting in this run would be larger than they may be together."""

    code = "signals_too_large"


def is_signal_name(name: str) -> bool:
    return _NAME.fullmatch(name) is not None


class PendingSignal(NamedTuple):
    payload: Json
    bytes: int


@dataclass(slots=True)
class PendingSignals:
    """by_name: oldest first. bytes: of all their payloads."""

    by_name: dict[str, deque[PendingSignal]] = field(
        default_factory=dict[str, deque[PendingSignal]]
    )
    count: int = 0
    bytes: int = 0

    def keep(self, name: str, payload: Json) -> None:
        signal = PendingSignal(payload, payload_bytes(payload))
        self.by_name.setdefault(name, deque()).append(signal)
        self.count += 1
        self.bytes += signal.bytes

    def has(self, name: str) -> bool:
        return name in self.by_name

    def oldest(self, name: str) -> Json:
        return self.by_name[name][0].payload

    def take(self, name: str) -> None:
        """The oldest was given to a node."""
        waiting = self.by_name.get(name)
        if not waiting:
            return
        self.bytes -= waiting.popleft().bytes
        self.count -= 1
        if not waiting:
            del self.by_name[name]
