"""What every change of a person means beside their own stream: what authentication asks, and who
administrates the tenant. All in the append that changes the person.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from commands.authorization import ROLE_GRANTS, Grants, grants_of
from commands.decisions import Tenancy
from commands.identity_port import StoredUserAccess
from commands.ports import EventStore, SideRow
from domain.administrators import Administrators, LastAdministrator, administrators_id
from domain.aggregates import Aggregate
from domain.errors import FieldError, Invalid, Refused
from domain.identifiers import Json, TenantId
from domain.identity import ROLES, User
from domain.tenants import Tenant


class EmailTaken(Refused):
    """Somebody in this tenant has this address already."""

    code = "email_taken"


@dataclass(frozen=True, slots=True)
class Membership:
    """What is stored together with what else was decided."""

    user: User
    aggregates: Sequence[Aggregate]
    side_rows: Sequence[SideRow]


@dataclass(frozen=True, slots=True)
class Memberships:
    """The same, of several people."""

    aggregates: Sequence[Aggregate]
    side_rows: Sequence[SideRow]
    users_count: int = 0


async def begin_user(on: Tenancy, *, email: str, role: str, name: str | None = None) -> User:
    """Somebody new, to be stored by membership_of. role: that role_grants knows. Raises
    EmailTaken.
    """
    email = email.casefold()
    if await on.users.find_by_email(on.tenant_id, on.users.email_hash(email)) is not None:
        raise EmailTaken
    return on.begin(User, on.ports.ids.new(), email=email, role=role, name=name)


async def membership_of(on: Tenancy, user: User) -> Membership:
    """Of somebody who was just begun or changed. Raises LastAdministrator."""
    email_hash = None if user.is_erased else on.users.email_hash(user.email)
    row = StoredUserAccess(user.id, email_hash, user.role, user.status)
    administrators = await _administrators(on)
    if user.is_administrator:
        administrators.add(user.id)
    else:
        administrators.remove(user.id)
    if administrators.pending_events:
        return Membership(user, (user, administrators), (row,))
    on.keep(administrators)
    return Membership(user, (user,), (row,))


async def memberships_of(on: Tenancy, users: Sequence[User]) -> Memberships:
    """Of several who were changed, those who may more before those who may less. Whoever would
    leave the tenant without an administrator stays as they are, and is left out.
    """
    administrators = await _administrators(on)
    aggregates: list[Aggregate] = []
    rows: list[SideRow] = []
    for user in sorted(users, key=lambda user: not user.is_administrator):
        try:
            if user.is_administrator:
                administrators.add(user.id)
            else:
                administrators.remove(user.id)
        except LastAdministrator:
            continue
        aggregates.append(user)
        rows.append(
            StoredUserAccess(user.id, on.users.email_hash(user.email), user.role, user.status)
        )
    if administrators.pending_events:
        aggregates.append(administrators)
    return Memberships(aggregates, rows, len(rows))


async def role_grants(on: Tenancy, role: str, member: str = "/role") -> Grants:
    """What the role lets somebody do. member: of the body. Raises Invalid for one that the tenant
    does not have.
    """
    if role in ROLES:
        return ROLE_GRANTS[role]
    permissions = None
    role_id = _uuid_or_none(role)
    if role_id is not None:
        permissions = await on.users.permissions_of(on.tenant_id, role_id)
    if permissions is None:
        reason = f"{', '.join(ROLES)}, or the id of a role of this tenant is expected"
        raise Invalid(errors=[FieldError(member, "unknown_role", reason)])
    return grants_of(permissions)


async def personal_words(events: EventStore, tenant_id: TenantId, user: User) -> Sequence[str]:
    """What no password of this person may consist of."""
    tenant = await events.load(Tenant, tenant_id, tenant_id)
    if tenant is None:
        return (user.email, user.name or "")
    events.keep(tenant, tenant_id)
    return (tenant.name, user.email, user.name or "")


async def _administrators(on: Tenancy) -> Administrators:
    """Tenants that are older than this stream get one, with who administrates them now."""
    stream_id = administrators_id(on.tenant_id)
    found = await on.ports.events.load(Administrators, stream_id, on.tenant_id)
    if found is not None:
        return found
    present = await on.users.administrators(on.tenant_id)
    user_ids: list[Json] = [str(user_id) for user_id in present]
    return on.begin(Administrators, stream_id, user_ids=user_ids)


def _uuid_or_none(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
