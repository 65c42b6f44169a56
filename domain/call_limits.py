"""How many calls may be under way at once, over all workers: of models, which are also limited by
how much they may use in a minute, and of other node types. Of a tenant, as its plan says, and of
one agent, as its author says.
"""

from collections.abc import Mapping
from typing import NamedTuple
from uuid import UUID

from domain.identifiers import Json
from domain.money import usd_pico

LIMITS = ("concurrent_calls", "tokens_per_min", "cost_usd_per_min")
# By the node type, the limit of its calls at once, which is of the tenant.
LIMITS_OF_TYPES: Mapping[str, str] = {"http": "concurrent_http_calls"}
# Of agents of a tenant that have limits of their own: all of them are in the memory of a worker.
LIMITED_AGENTS_MAX = 1000

# What the calls of a node type count in, beside the scopes that have ids of their own.
SCOPES_OF_TYPES = {"http": UUID("00000000-0000-7000-8000-0000000000b1")}


class CallLimit(NamedTuple):
    """scope_id: of the tenant, of the agent or of the node type. None: as much as may be."""

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


def type_limit(node_type: str, told: Mapping[str, Json]) -> CallLimit | None:
    """Of the calls of a node type. told: as of call_limit, of the tenant."""
    calls = told.get(LIMITS_OF_TYPES[node_type])
    return (
        None
        if calls is None
        else CallLimit(SCOPES_OF_TYPES[node_type], int(str(calls)), None, None)
    )


def limited_type(scope_id: UUID) -> str | None:
    """The node type whose scope it is; None of a tenant and of an agent."""
    return next((one for one, scope in SCOPES_OF_TYPES.items() if scope == scope_id), None)
