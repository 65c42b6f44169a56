"""Licences: what resellers promise to customers of their own. Everything lies in the tenant of the
reseller, who alone can do or see something about it; documents are signed with a key of its own.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar
from uuid import UUID

from commands.deadline_port import StoredDeadline
from commands.decisions import Command, Decided, Tenancy, require_version
from commands.licence_port import StoredRevocation
from domain.errors import FieldError, Forbidden, Invalid
from domain.identifiers import JsonObject
from domain.licences import Licence, LicenceNotFound
from domain.tenants import Tenant, TenantNotFound

LIFE_MAX = timedelta(days=3660)


class NotAReseller(Forbidden):
    """This tenant is no reseller: the operator says who is."""

    code = "not_a_reseller"


@dataclass(frozen=True, slots=True)
class IssueLicence(Command):
    """starts_at: None is now."""

    requires: ClassVar[str] = "licences:write"

    licensee: str
    product: str
    seats: int
    expires_at: datetime
    starts_at: datetime | None = None


async def issue_licence(command: IssueLicence, on: Tenancy) -> Decided:
    tenant = await on.load(Tenant, on.tenant_id, TenantNotFound)
    on.keep(tenant)
    if tenant.customers_max == 0:
        raise NotAReseller
    now = on.ports.clock.now()
    starts_at = command.starts_at or now
    _require_sensible(command.expires_at, max(now, starts_at))
    licence = on.begin(
        Licence,
        on.ports.ids.new(),
        issuer_name=tenant.name,
        licensee=command.licensee,
        product=command.product,
        seats=command.seats,
        starts_at=starts_at.isoformat(),
        expires_at=command.expires_at.isoformat(),
        issued_at=now.isoformat(),
    )
    return _decided(licence)


@dataclass(frozen=True, slots=True)
class RenewLicence(Command):
    """seats: None leaves them as they are. A document that promised more is revoked."""

    requires: ClassVar[str] = "licences:write"

    licence_id: UUID
    expires_at: datetime
    seats: int | None = None
    expected_version: int | None = None


async def renew_licence(command: RenewLicence, on: Tenancy) -> Decided:
    licence = await on.load(Licence, command.licence_id, LicenceNotFound)
    require_version(licence, command.expected_version)
    now = on.ports.clock.now()
    _require_sensible(command.expires_at, now)
    replaced = _revocation(licence, now)
    promised_more = licence.renew(seats=command.seats, expires_at=command.expires_at, now=now)
    return _decided(licence, *([replaced] if promised_more else []))


@dataclass(frozen=True, slots=True)
class RevokeLicence(Command):
    """For ever."""

    requires: ClassVar[str] = "licences:write"

    licence_id: UUID
    reason: str
    expected_version: int | None = None


async def revoke_licence(command: RevokeLicence, on: Tenancy) -> Decided:
    licence = await on.load(Licence, command.licence_id, LicenceNotFound)
    require_version(licence, command.expected_version)
    licence.revoke(command.reason)
    return _decided(licence, _revocation(licence, on.ports.clock.now()))


@dataclass(frozen=True, slots=True)
class ActivateLicence(Command):
    """Takes a seat. instance: what for; the same one has the same seat."""

    requires: ClassVar[str] = "licences:activate"

    licence_id: UUID
    instance: str


async def activate_licence(command: ActivateLicence, on: Tenancy) -> Decided:
    licence = await on.load(Licence, command.licence_id, LicenceNotFound)
    fresh = str(on.ports.ids.new())
    activation_id = licence.activate(fresh, command.instance, on.ports.clock.now())
    return _seated(licence, activation_id)


@dataclass(frozen=True, slots=True)
class ReleaseLicence(Command):
    """Gives a seat back."""

    requires: ClassVar[str] = "licences:activate"

    licence_id: UUID
    activation_id: UUID


async def release_licence(command: ReleaseLicence, on: Tenancy) -> Decided:
    licence = await on.load(Licence, command.licence_id, LicenceNotFound)
    licence.release(str(command.activation_id))
    return _seated(licence, str(command.activation_id))


@dataclass(frozen=True, slots=True)
class ExpireLicence(Command):
    """A time has come. By the platform alone."""

    requires: ClassVar[str] = "deadlines:meet"

    licence_id: UUID


async def expire_licence(command: ExpireLicence, on: Tenancy) -> Decided:
    licence = await on.load(Licence, command.licence_id, LicenceNotFound)
    licence.expire(on.ports.clock.now())
    return _decided(licence)


def _require_sensible(expires_at: datetime, begins: datetime) -> None:
    if not begins < expires_at <= begins + LIFE_MAX:
        reason = f"after the licence begins, and at most {LIFE_MAX.days} days later, is expected"
        raise Invalid(errors=[FieldError("/expires_at", "out_of_range", reason)])


def _revocation(licence: Licence, now: datetime) -> StoredRevocation:
    """Of all documents there are."""
    return StoredRevocation(licence.id, licence.serial, now, licence.last_expires_at)


def _deadline(licence: Licence) -> StoredDeadline:
    return StoredDeadline("licence", licence.id, licence.due_at)


def _decided(licence: Licence, *revocations: StoredRevocation) -> Decided:
    result: JsonObject = {
        "licence_id": str(licence.id),
        "status": licence.status,
        "serial": licence.serial,
        "licensee": licence.licensee,
        "product": licence.product,
        "seats": licence.seats,
        "seats_used": len(licence.activations),
        "starts_at": licence.starts_at.isoformat(),
        "expires_at": licence.expires_at.isoformat(),
        "version": licence.version,
    }
    rows = (_deadline(licence), *revocations)
    return Decided(result, aggregates=(licence,), side_rows=rows)


def _seated(licence: Licence, activation_id: str) -> Decided:
    result: JsonObject = {
        "licence_id": str(licence.id),
        "activation_id": activation_id,
        "seats": licence.seats,
        "seats_used": len(licence.activations),
    }
    return Decided(result, aggregates=(licence,), side_rows=(_deadline(licence),))
