"""Usage: what one paid attempt consumed, counted by meters that never overlap.

A provider's report is measured first (`Measured`), then priced (domain/rating.py); what the event
of the outcome says of it is `Metered`. A cached token is no input token here, a reasoning token no
output token: what is counted under one meter is counted under no other, so costs add up.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias
from uuid import UUID, uuid5

from domain.errors import Refused
from domain.identifiers import JsonObject
from domain.records import record

Unit: TypeAlias = Literal["tokens", "requests", "calls", "seconds", "byte_days", "units"]
# Where the counts are from. unknown: nobody knows what the attempt used, until somebody says.
# measured: by the platform itself.
Source: TypeAlias = Literal["provider", "estimated", "resolved", "sent", "measured", "unknown"]

# Every meter of the platform, and what it counts. Others are tenants' own (domain/usage_events.py).
METERS: Mapping[str, Unit] = {
    "requests": "requests",
    "input_tokens": "tokens",
    "cached_input_tokens": "tokens",
    "cache_write_tokens": "tokens",
    "cache_write_1h_tokens": "tokens",
    "input_audio_tokens": "tokens",
    "input_image_tokens": "tokens",
    "output_tokens": "tokens",
    "reasoning_tokens": "tokens",
    "output_audio_tokens": "tokens",
    "output_image_tokens": "tokens",
    "embedding_tokens": "tokens",
    "tool_calls": "calls",
    "run_seconds": "seconds",
    "storage_bytes": "byte_days",
}
INPUT_METERS = frozenset(
    {
        *("input_tokens", "cached_input_tokens", "cache_write_tokens", "cache_write_1h_tokens"),
        *("input_audio_tokens", "input_image_tokens", "embedding_tokens"),
    }
)
OUTPUT_METERS = frozenset(
    {"output_tokens", "reasoning_tokens", "output_audio_tokens", "output_image_tokens"}
)
# What a model that has no price of its own for it charges it as.
CHARGED_AS: Mapping[str, str] = {"reasoning_tokens": "output_tokens"}
# What nobody charges unless a price book says so.
FREE_METERS = frozenset({"requests", "tool_calls"})
QUANTITY_MAX = 10**15


class UsageNotUnresolved(Refused):
    """What this attempt used is known, or it was never made."""

    code = "usage_not_unresolved"


@dataclass(init=False)
class Measured:
    """quantities: by meter, none of them zero, and never negative. is_standard: whether it was
    served at the rates that are listed, and not in a tier of service of another price. tokens_in,
    tokens_out: of the prompt and of the answer, counted once for all who ask.
    """

    quantities: Mapping[str, int]
    source: Source
    is_standard: bool
    tokens_in: int = field(init=False)
    tokens_out: int = field(init=False)

    def __init__(
        self,
        quantities: Mapping[str, int],
        source: Source = "provider",
        *,
        is_standard: bool = True,
    ) -> None:
        self.quantities, self.source, self.is_standard = quantities, source, is_standard
        tokens_in = tokens_out = 0
        for meter, count in quantities.items():
            if meter in INPUT_METERS:
                tokens_in += count
            elif meter in OUTPUT_METERS:
                tokens_out += count
        self.tokens_in, self.tokens_out = tokens_in, tokens_out


def tokens_in_of(quantities: Mapping[str, int]) -> int:
    return sum([count for meter, count in quantities.items() if meter in INPUT_METERS])


# [meter, quantity, cost in pico-USD]: as an event has it, so that it is made once. The cost is None
# where no price is known. A fourth is the price of one over a period, as domain/period_prices.py
# writes it; the cost is then provisional.
UsageLine: TypeAlias = list[Any]


@record
class Metered:
    """What one attempt used and what it is charged, as its outcome is recorded.

    model: under the name that the tenant knows. prices: the versions of the price books that priced
    it; empty where none did. Either every line has a cost, or none has.
    """

    model: str
    provider: str
    agent_id: str | None
    source: Source
    prices: str
    lines: list[UsageLine]

    @property
    def cost_usd_pico(self) -> int | None:
        """None when no price is known."""
        costs = [line[2] for line in self.lines]
        return None if None in costs else sum(costs)

    def fact(self, *, workflow_id: str | None, created_by: str) -> JsonObject:
        """As an event has it. It stands for itself: who reads it needs no other event."""
        return {
            "provider": self.provider,
            "agent_id": self.agent_id,
            "workflow_id": workflow_id,
            "created_by": created_by,
            "source": self.source,
            "prices": self.prices,
            "lines": [*self.lines],
        }


def usage_id(stream_id: UUID, path: str, attempt: int, meter: str) -> UUID:
    """Of one fact: the same attempt never has a second one under the same meter."""
    return uuid5(stream_id, f"usage/{path}/{attempt}/{meter}")
