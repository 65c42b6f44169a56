"""tenants: the name of each customer."""

from collections.abc import Sequence
from typing import TypedDict

from domain.tenants import Tenant
from projections.table import (
    BigInt,
    Decoded,
    Instant,
    Key,
    Projection,
    Text,
    UnexpectedEvent,
    Uuid,
    present,
)


class TenantRow(TypedDict):
    tenant_id: Uuid
    name: Text
    created_at: Instant
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
                "version": logged.version,
            }
        case Tenant.RetentionChanged():
            return {**present(row), "version": logged.version}
        case _:
            raise UnexpectedEvent(logged.topic)


TENANTS = Projection(
    name="tenants",
    version=1,
    row=TenantRow,
    key=("tenant_id",),
    stream_column="tenant_id",
    aggregate=Tenant,
    events=(Tenant.Created, Tenant.RetentionChanged),
    keys=keys,
    evolve=evolve,
)
