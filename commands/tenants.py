"""Creating a tenant: the tenant, its first administrator and their API key exist together or not at
all. What a tenant says of itself; and what the operator, or the reseller who created it, does about
it. A reseller is a tenant too: its customers are those that it has created, and no other exists for
it.
"""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import ClassVar
from uuid import UUID

from commands.authorization import EVERY_SCOPE
from commands.credentials import issue_api_key
from commands.decisions import SECRET, Command, Decided, Tenancy
from commands.memberships import begin_user, membership_of
from commands.password_port import require_new_password
from commands.ports import StoredPassword
from commands.retention_port import StoredRetention
from commands.standing_port import (
    ChangedStanding,
    ClosedOffboarding,
    OpenedOffboarding,
    RegisteredTenant,
    StoredResellerQuota,
)
from domain.errors import FieldError, Invalid
from domain.identifiers import TenantId
from domain.identity import ADMIN
from domain.tenants import TIME_ZONE_DEFAULT, Tenant, TenantNotFound


@dataclass(frozen=True, slots=True)
class CreateTenant(Command):
    requires: ClassVar[str] = "tenants:create"

    name: str
    admin_email: str
    admin_password: str = field(repr=False, metadata=SECRET)
    region: str | None = None
    time_zone: str = TIME_ZONE_DEFAULT

    def subject(self, own: TenantId | None) -> None:
        """A new tenant, whoever creates it."""
        del own


async def create_tenant(command: CreateTenant, on: Tenancy) -> Decided:
    words = (command.name, command.admin_email)
    await require_new_password(
        on.ports.password_judge, command.admin_password, "/admin/password", words
    )
    region = command.region or on.ports.regions[0]
    if region not in on.ports.regions:
        reason = f"the regions of this installation are {', '.join(on.ports.regions)}"
        raise Invalid(errors=[FieldError("/region", "unknown_region", reason)])
    password_hash = await on.ports.secrets.hash_password(command.admin_password)
    reseller_id = on.caller.tenant_id
    tenant = on.begin(
        Tenant,
        on.tenant_id,
        name=command.name,
        region=region,
        time_zone=command.time_zone,
        reseller_id=None if reseller_id is None else str(reseller_id),
    )
    admin = await begin_user(on, email=command.admin_email, role=ADMIN)
    membership = await membership_of(on, admin)
    issued = issue_api_key(
        on, name="first key of the administrator", scopes=[EVERY_SCOPE], user_id=admin.id
    )
    return Decided(
        result={
            "tenant_id": str(on.tenant_id),
            "user_id": str(admin.id),
            "api_key_id": str(issued.api_key.id),
            "key_shown": False,
        },
        aggregates=(tenant, *membership.aggregates, issued.api_key),
        side_rows=(
            RegisteredTenant(reseller_id),
            *membership.side_rows,
            StoredPassword(admin.id, password_hash),
            issued.stored,
        ),
        shown_once={"api_key": issued.secret_text, "key_shown": True},
    )


@dataclass(frozen=True, slots=True)
class SetRetention(Command):
    """payload_days: None keeps them for ever."""

    requires: ClassVar[str] = "retention:write"

    payload_days: int | None


async def set_retention(command: SetRetention, on: Tenancy) -> Decided:
    days_max = (await on.ports.plans.of(on.tenant_id)).whole("retention_days")
    if days_max is not None and (command.payload_days is None or command.payload_days > days_max):
        reason = f"at most the {days_max} days of the plan are expected"
        raise Invalid(errors=[FieldError("/payload_days", "over_plan", reason)])
    tenant = await on.load(Tenant, on.tenant_id, TenantNotFound)
    tenant.keep_payloads(command.payload_days)
    return Decided(
        result={"payload_days": command.payload_days},
        aggregates=(tenant,),
        side_rows=(StoredRetention(command.payload_days),),
    )


@dataclass(frozen=True, slots=True)
class ChangeTenant(Command):
    """None leaves a setting as it is."""

    requires: ClassVar[str] = "tenant:write"

    name: str | None
    time_zone: str | None


async def change_tenant(command: ChangeTenant, on: Tenancy) -> Decided:
    tenant = await on.load(Tenant, on.tenant_id, TenantNotFound)
    tenant.change_settings(name=command.name, time_zone=command.time_zone)
    return Decided(
        result={"name": tenant.name, "time_zone": tenant.time_zone, "region": tenant.region},
        aggregates=(tenant,),
    )


@dataclass(frozen=True, slots=True)
class SuspendTenant(Command):
    requires: ClassVar[str] = "tenants:manage"

    tenant_id: UUID
    reason: str

    def subject(self, own: TenantId | None) -> TenantId:
        del own
        return TenantId(self.tenant_id)


async def suspend_tenant(command: SuspendTenant, on: Tenancy) -> Decided:
    tenant = await managed_tenant(on)
    tenant.suspend(command.reason, is_by_operator=on.caller.is_operator)
    return Decided(
        result={"tenant_id": str(tenant.id), "standing": tenant.standing},
        aggregates=(tenant,),
        side_rows=(ChangedStanding(tenant.standing),),
    )


@dataclass(frozen=True, slots=True)
class ResumeTenant(Command):
    requires: ClassVar[str] = "tenants:manage"

    tenant_id: UUID

    def subject(self, own: TenantId | None) -> TenantId:
        del own
        return TenantId(self.tenant_id)


async def resume_tenant(command: ResumeTenant, on: Tenancy) -> Decided:
    del command
    tenant = await managed_tenant(on)
    tenant.resume(is_by_operator=on.caller.is_operator)
    return Decided(
        result={"tenant_id": str(tenant.id), "standing": tenant.standing},
        aggregates=(tenant,),
        side_rows=(ChangedStanding(tenant.standing),),
    )


@dataclass(frozen=True, slots=True)
class OffboardTenant(Command):
    """By the operator."""

    requires: ClassVar[str] = "tenants:offboard"

    tenant_id: UUID
    grace_days: int

    def subject(self, own: TenantId | None) -> TenantId:
        del own
        return TenantId(self.tenant_id)


async def offboard_tenant(command: OffboardTenant, on: Tenancy) -> Decided:
    return _offboarded(await managed_tenant(on), command.grace_days, on)


@dataclass(frozen=True, slots=True)
class LeavePlatform(Command):
    """By the tenant itself. confirm_name: its name, so that nobody does it by mistake."""

    requires: ClassVar[str] = "tenant:offboard"

    grace_days: int
    confirm_name: str


async def leave_platform(command: LeavePlatform, on: Tenancy) -> Decided:
    tenant = await on.load(Tenant, on.tenant_id, TenantNotFound)
    if command.confirm_name != tenant.name:
        on.keep(tenant)
        reason = "the name of the tenant is expected"
        raise Invalid(errors=[FieldError("/confirm_name", "not_confirmed", reason)])
    return _offboarded(tenant, command.grace_days, on)


@dataclass(frozen=True, slots=True)
class KeepTenant(Command):
    """The operator cancels an offboarding."""

    requires: ClassVar[str] = "tenants:offboard"

    tenant_id: UUID

    def subject(self, own: TenantId | None) -> TenantId:
        del own
        return TenantId(self.tenant_id)


async def keep_tenant(command: KeepTenant, on: Tenancy) -> Decided:
    del command
    return _kept(await managed_tenant(on), on)


@dataclass(frozen=True, slots=True)
class StayOnPlatform(Command):
    """The tenant cancels the offboarding that it has asked for."""

    requires: ClassVar[str] = "tenant:offboard"
    is_open_to_suspended: ClassVar[bool] = True


async def stay_on_platform(command: StayOnPlatform, on: Tenancy) -> Decided:
    del command
    return _kept(await on.load(Tenant, on.tenant_id, TenantNotFound), on)


def _offboarded(tenant: Tenant, grace_days: int, on: Tenancy) -> Decided:
    due_at = on.ports.clock.now() + timedelta(days=grace_days)
    tenant.request_offboarding(due_at, is_by_operator=on.caller.is_operator)
    return Decided(
        result={
            "tenant_id": str(tenant.id),
            "standing": tenant.standing,
            "due_at": due_at.isoformat(),
        },
        aggregates=(tenant,),
        side_rows=(OpenedOffboarding(due_at),),
    )


def _kept(tenant: Tenant, on: Tenancy) -> Decided:
    tenant.cancel_offboarding(is_by_operator=on.caller.is_operator)
    return Decided(
        result={"tenant_id": str(tenant.id), "standing": tenant.standing},
        aggregates=(tenant,),
        side_rows=(ClosedOffboarding(tenant.standing),),
    )


@dataclass(frozen=True, slots=True)
class SetResellerQuota(Command):
    """customers_max: how many tenants it may have created at a time."""

    requires: ClassVar[str] = "resellers:write"

    tenant_id: UUID
    customers_max: int

    def subject(self, own: TenantId | None) -> TenantId:
        del own
        return TenantId(self.tenant_id)


async def set_reseller_quota(command: SetResellerQuota, on: Tenancy) -> Decided:
    tenant = await managed_tenant(on)
    tenant.allow_customers(command.customers_max)
    return Decided(
        result={"tenant_id": str(tenant.id), "customers_max": command.customers_max},
        aggregates=(tenant,),
        side_rows=(StoredResellerQuota(command.customers_max),),
    )


async def managed_tenant(on: Tenancy) -> Tenant:
    """The tenant that the command is about, if the caller manages it. Raises TenantNotFound, also
    when it is somebody else's.
    """
    tenant = await on.load(Tenant, on.tenant_id, TenantNotFound)
    if not on.caller.is_operator and tenant.reseller_id != str(on.caller.tenant_id):
        on.keep(tenant)
        raise TenantNotFound
    return tenant
