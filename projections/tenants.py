"""tenants: the settings of each customer, and whether it may act."""

from collections.abc import Sequence

from typing_extensions import TypedDict

from domain.tenants import Tenant
from projections.table import (
    BigInt,
    Decoded,
    Instant,
    Integer,
    Key,
    Projection,
    Text,
    Texts,
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
    missed_payments: Texts
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
                "missed_payments": [],
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
            told: TenantRow = {
                **row,
                "suspended_at": logged.recorded_at,
                "suspended_reason": fact.reason,
                "suspended_by": logged.actor,
            }
            return _standing(told)
        case Tenant.Resumed():
            untold: TenantRow = {
                **row,
                "suspended_at": None,
                "suspended_reason": None,
                "suspended_by": None,
            }
            return _standing(untold)
        case Tenant.PaymentMissed() as fact:
            return _standing({**row, "missed_payments": [*row["missed_payments"], fact.payment_id]})
        case Tenant.PaymentRecovered() as fact:
            left = [one for one in row["missed_payments"] if one != fact.payment_id]
            return _standing({**row, "missed_payments": left})
        case Tenant.ResellerQuotaChanged() as fact:
            return {**row, "customers_max": fact.customers_max}
        case Tenant.OffboardingRequested() as fact:
            due_at = instant_or_none(fact.due_at)
            return {**row, "standing": "offboarding", "offboarding_due_at": due_at}
        case Tenant.OffboardingCancelled():
            return _standing({**row, "standing": "active", "offboarding_due_at": None})
        case _:
            raise UnexpectedEvent(logged.topic)


def _standing(row: TenantRow) -> TenantRow:
    """Of a tenant that may act or not; one that leaves is neither."""
    if row["standing"] not in ("active", "suspended"):
        return row
    is_held = row["suspended_at"] is not None or row["missed_payments"]
    return {**row, "standing": "suspended" if is_held else "active"}


TENANTS = Projection(
    name="tenants",
    version=5,
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
        Tenant.PaymentMissed,
        Tenant.PaymentRecovered,
        Tenant.ResellerQuotaChanged,
        Tenant.OffboardingRequested,
        Tenant.OffboardingCancelled,
    ),
    keys=keys,
    evolve=evolve,
    own="true",
)
