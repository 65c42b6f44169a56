"""How many calls of models may be under way at once, and how much they may use in a minute: of a
tenant, as its plan and its administrators say, and of one agent, as its author says. Over all
workers.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from domain.identifiers import Json, JsonObject
from domain.money import usd_pico

LIMITS = ("concurrent_calls", "tokens_per_min", "cost_usd_per_min")
# Of agents of a tenant that have limits of their own: all of them are in the memory of a worker.
LIMITED_AGENTS_MAX = 1000


class CallLimit(NamedTuple):
    """scope_id: of the tenant or of the agent. None: as much as may be."""

    scope_id: UUID
    calls_max: int | None
    tokens_per_min: int | None
    usd_pico_per_min: int | None


def call_limit(scope_id: UUID, told: Mapping[str, Json]) -> CallLimit | None:
    """told: those of LIMITS that are set; money as a decimal string. None: none is."""
    calls, tokens, cost = (told.get(name) for name in LIMITS)
    if calls is None and tokens is None and cost is None:
        return None
    return CallLimit(
        scope_id,
        None if calls is None else int(str(calls)),
        None if tokens is None else int(str(tokens)),
        None if cost is None else usd_pico(str(cost)),
    )


def narrower(one: Mapping[str, Json], other: Mapping[str, Json]) -> JsonObject:
    """Of each of LIMITS the smaller one; what only one of them says holds too."""
    found: JsonObject = {}
    for name in LIMITS:
        values = [told[name] for told in (one, other) if told.get(name) is not None]
        if values:
            found[name] = min(values, key=lambda value: Decimal(str(value)))
    return found
