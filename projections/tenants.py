"""tenants: the settings of each customer, and whether it may act."""

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
    instant_or_none,
    present,
    uuid_or_none,
)


class TenantRow(TypedDict):
    """reseller_id: the tenant that created it; None: the operator. payload_days: after the end of a
    run; None keeps them for ever. suspended_by: the actor. customers_max: how many tenants it may
    have created.
    """

    tenant_id: Uuid
    name: Text
    created_at: Instant
    region: Text
    time_zone: Text
    reseller_id: Uuid | None
    payload_days: Integer | None
    standing: Text
    suspended_at: Instant | None
    suspended_reason: Text | None
    suspended_by: Text | None
    offboarding_due_at: Instant | None
    customers_max: Integer
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
                "region": fact.region,
                "time_zone": fact.time_zone,
                "reseller_id": uuid_or_none(fact.reseller_id),
                "payload_days": None,
                "standing": "active",
                "suspended_at": None,
                "suspended_reason": None,
                "suspended_by": None,
                "offboarding_due_at": None,
                "customers_max": 0,
                "version": logged.version,
            }
        case _:
            return _changed({**present(row), "version": logged.version}, event)


def _changed(  # noqa: PLR0911 # one answer per event
    row: TenantRow, event: Decoded
) -> TenantRow:
    logged = event.logged
    match event.fact:
        case Tenant.RetentionChanged() as fact:
            return {**row, "payload_days": fact.payload_days}
        case Tenant.SettingsChanged() as fact:
            return {**row, "name": fact.name, "time_zone": fact.time_zone}
        case Tenant.Suspended() as fact:
            return {
                **row,
                "standing": "suspended" if row["standing"] == "active" else row["standing"],
                "suspended_at": logged.recorded_at,
                "suspended_reason": fact.reason,
                "suspended_by": logged.actor,
            }
        case Tenant.Resumed():
            return {
                **row,
                "standing": "active" if row["standing"] == "suspended" else row["standing"],
                "suspended_at": None,
                "suspended_reason": None,
                "suspended_by": None,
            }
        case Tenant.ResellerQuotaChanged() as fact:
            return {**row, "customers_max": fact.customers_max}
        case Tenant.OffboardingRequested() as fact:
            due_at = instant_or_none(fact.due_at)
            return {**row, "standing": "offboarding", "offboarding_due_at": due_at}
        case Tenant.OffboardingCancelled():
            standing = "active" if row["suspended_at"] is None else "suspended"
            return {**row, "standing": standing, "offboarding_due_at": None}
        case _:
            raise UnexpectedEvent(logged.topic)


TENANTS = Projection(
    name="tenants",
    version=4,
    row=TenantRow,
    key=("tenant_id",),
    stream_column="tenant_id",
    aggregate=Tenant,
    events=(
        Tenant.Created,
        Tenant.RetentionChanged,
        Tenant.SettingsChanged,
        Tenant.Suspended,
        Tenant.Resumed,
        Tenant.ResellerQuotaChanged,
        Tenant.OffboardingRequested,
        Tenant.OffboardingCancelled,
    ),
    keys=keys,
    evolve=evolve,
    own="true",
)
