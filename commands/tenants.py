"""Creating a tenant: the tenant, its first administrator and their API key exist together or not at
all. And what a tenant says of itself: how long payloads of runs that have ended are kept.
"""

from dataclasses import dataclass, field
from typing import ClassVar

from commands.authorization import EVERY_SCOPE, MissingScope
from commands.credentials import issue_api_key
from commands.decisions import SECRET, Command, Decided, Tenancy
from commands.memberships import begin_user, membership_of
from commands.ports import StoredPassword, StoredRetention
from domain.identity import ADMIN
from domain.logins import require_password
from domain.tenants import Tenant, TenantNotFound


@dataclass(frozen=True, slots=True)
class CreateTenant(Command):
    requires: ClassVar[str] = "tenants:create"

    name: str
    admin_email: str
    admin_password: str = field(repr=False, metadata=SECRET)


async def create_tenant(command: CreateTenant, on: Tenancy) -> Decided:
    """By the operator: a reseller's command would be about the reseller's own tenant."""
    if on.caller.tenant_id is not None:
        raise MissingScope("This needs the operator's key.")
    require_password(command.admin_password, "/admin/password")
    password_hash = await on.ports.secrets.hash_password(command.admin_password)
    tenant = on.begin(Tenant, on.tenant_id, name=command.name)
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
    tenant = await on.load(Tenant, on.tenant_id, TenantNotFound)
    tenant.keep_payloads(command.payload_days)
    return Decided(
        result={"payload_days": command.payload_days},
        aggregates=(tenant,),
        side_rows=(StoredRetention(command.payload_days),),
    )
