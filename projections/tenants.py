"""tenants: the name of each customer, and how long its payloads are kept."""

from collections.abc import Sequence
from typing import TypedDict

from domain.tenants import Tenant
from projections.table import (
    BigInt,
    Decoded,
    Instant,
    Integer,
    Key,
    Projection,
    Text,
    UnexpectedEvent,
    Uuid,
    present,
)


class TenantRow(TypedDict):
    """payload_days: after the end of a run; None keeps them for ever."""

    tenant_id: Uuid
    name: Text
    created_at: Instant
    payload_days: Integer | None
    version: BigInt


def keys(event: Decoded) -> Sequence[Key]:
    return ((event.logged.tenant_id,),)


def evolve(row: TenantRow | None, event: Decoded, _key: Key) -> TenantRow:
    logged = event.logged
    match event.fact:
        case Tenant.Created() as fact:
            return {
                "tenant_id": logged.tenant_id,
                "name": fact.name,
                "created_at": logged.recorded_at,
                "payload_days": None,
                "version": logged.version,
            }
        case Tenant.RetentionChanged() as fact:
            return {
                **present(row),
                "payload_days": fact.payload_days,
                "version": logged.version,
            }
        case _:
            raise UnexpectedEvent(logged.topic)


TENANTS = Projection(
    name="tenants",
    version=2,
    row=TenantRow,
    key=("tenant_id",),
    stream_column="tenant_id",
    aggregate=Tenant,
    events=(Tenant.Created, Tenant.RetentionChanged),
    keys=keys,
    evolve=evolve,
    own="true",
)
