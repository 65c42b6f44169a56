"""How many calls may be under way at once, over all workers: of models, which are also limited by
how much they may use in a minute, and of other node types. Of a tenant, as its plan and its
administrators say, and of one agent, as its author says.
"""

from collections.abc import Mapping
from decimal import Decimal
from hashlib import sha256
from typing import NamedTuple
from uuid import UUID

from domain.identifiers import Json, JsonObject, TenantId
from domain.money import usd_pico

CALLS_AT_ONCE_MAX = 100_000
LIMITS = ("concurrent_calls", "tokens_per_min", "cost_usd_per_min")
# By the node type, the limit of its calls at once, which is of the tenant.
LIMITS_OF_TYPES: Mapping[str, str] = {"http": "concurrent_http_calls"}
# Of agents of a tenant that have limits of their own: all of them are in the memory of a worker.
LIMITED_AGENTS_MAX = 1000

TENANT_LIMITS = (*LIMITS, *LIMITS_OF_TYPES.values())


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


def type_limit(tenant_id: TenantId, node_type: str, told: Mapping[str, Json]) -> CallLimit | None:
    """Of the calls of a node type. told: as of call_limit, of the tenant."""
    calls = told.get(LIMITS_OF_TYPES[node_type])
    if calls is None:
        return None
    return CallLimit(type_scope(tenant_id, node_type), int(str(calls)), None, None)


def type_scope(tenant_id: TenantId, node_type: str) -> UUID:
    """What the calls of a node type of a tenant count in, as infra/migrations/0097 has it."""
    return UUID(bytes=sha256(f"{tenant_id} {node_type}".encode()).digest()[:16])


def narrower(one: Mapping[str, Json], other: Mapping[str, Json]) -> JsonObject:
    """Of each of TENANT_LIMITS the smaller one; what only one of them says holds too."""
    found: JsonObject = {}
    for name in TENANT_LIMITS:
        values = [told[name] for told in (one, other) if told.get(name) is not None]
        if values:
            found[name] = min(values, key=lambda value: Decimal(str(value)))
    return found
