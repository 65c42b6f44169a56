"""People of a tenant: invited, accepted, given roles and names, deactivated and back.

Nobody gives a role that holds more than they do, nor changes somebody who holds more. RESELLER is
given, and taken, by an administrator: the operator has said beforehand how many tenants theirs may
create.
"""

import hmac
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import ClassVar
from uuid import UUID

from typing_extensions import TypedDict

from commands.authorization import EVERY_SCOPE, Whose, require_grants_held
from commands.decisions import SECRET, Command, Decided, Tenancy, require_version
from commands.mail_port import Mail
from commands.memberships import begin_user, membership_of, personal_words, role_grants
from commands.password_port import require_new_password
from commands.ports import SideRow, StoredPassword
from domain.errors import Invalid
from domain.identifiers import Json, JsonObject
from domain.identity import RESELLER, InvitationOver, User, UserNotFound
from domain.invitations import InvitationToken
from domain.tenants import Tenant, TenantNotFound, TenantSuspended

INVITATION_LIFETIME = timedelta(days=7)
SUBJECT = "You are invited to AgentLedger"
TEXT = """\
Somebody invited you to their tenant of AgentLedger.

To accept, send this token within a week, with a password that you choose, to
POST /api/v1/auth/invitations/accept:

{token}

If you do not want to, there is nothing to do.
"""


@dataclass(frozen=True, slots=True)
class InviteUser(Command):
    requires: ClassVar[str] = "users:write"

    email: str
    role: str
    name: str | None = None


@dataclass(frozen=True, slots=True)
class RenewInvitation(Command):
    """The one before is over then."""

    requires: ClassVar[str] = "users:write"

    user_id: UUID


@dataclass(frozen=True, slots=True)
class AcceptInvitation(Command):
    """By who holds the token: the edge makes a caller of it (write_api/identity.py). Whether the
    tenant is suspended is told after the token was found right.
    """

    requires: ClassVar[str] = "users:write"
    is_open_to_suspended: ClassVar[bool] = True

    token: InvitationToken = field(repr=False, metadata=SECRET)
    password: str = field(repr=False, metadata=SECRET)
    name: str | None = None


class UserChanges(TypedDict, total=False):
    role: str
    name: str | None
    is_active: bool


@dataclass(frozen=True, slots=True)
class ChangeUser(Command):
    """changes: what becomes different."""

    requires: ClassVar[str] = "users:write"

    user_id: UUID
    changes: UserChanges
    expected_version: int | None = None


@dataclass(frozen=True, slots=True)
class DeactivateUser(Command):
    requires: ClassVar[str] = "users:write"

    user_id: UUID
    expected_version: int | None = None


async def invite_user(command: InviteUser, on: Tenancy) -> Decided:
    await _require_givable(on, command.role)
    user = await begin_user(on, email=command.email, role=command.role, name=command.name)
    return await _invited(user, on)


async def renew_invitation(command: RenewInvitation, on: Tenancy) -> Decided:
    return await _invited(await changeable_user(command.user_id, on), on)


async def accept_invitation(command: AcceptInvitation, on: Tenancy) -> Decided:
    """Whatever is wrong with a token is the same answer. Raises InvitationOver, Invalid,
    TenantSuspended.
    """
    user = await on.ports.events.load(User, command.token.user_id, on.tenant_id)
    if user is None:
        raise InvitationOver
    over = InvitationOver(whose=(Whose(on.tenant_id, f"user:{user.id}"),))
    if user.invited_until is None:
        raise over
    wanted = on.users.invitation_proofs(on.tenant_id, user.id, user.invited_until)
    if not any(hmac.compare_digest(one, command.token.proof) for one in wanted):
        raise over
    if await on.ports.standings.of(on.tenant_id) != "active":
        raise TenantSuspended
    words = (*await personal_words(on.ports.events, on.tenant_id, user), command.name or "")
    await require_new_password(on.ports.password_judge, command.password, "/password", words)
    user.accept(on.ports.clock.now())
    if command.name is not None:
        user.rename(command.name)
    password_hash = await on.ports.secrets.hash_password(command.password)
    return await _decided(user, on, StoredPassword(user.id, password_hash))


async def change_user(command: ChangeUser, on: Tenancy) -> Decided:
    """Deactivated and given another role at once, when both are asked for."""
    user = await changeable_user(command.user_id, on)
    require_version(user, command.expected_version)
    changes = command.changes
    if "role" in changes:
        await _require_givable(on, changes["role"])
        user.give_role(changes["role"])
    if "name" in changes:
        user.rename(changes["name"])
    match changes.get("is_active"):
        case True:
            user.reactivate()
        case False:
            user.deactivate()
        case None:
            pass
    return await _decided(user, on)


async def deactivate_user(command: DeactivateUser, on: Tenancy) -> Decided:
    """Their keys and sessions count for nothing from now on; so does an invitation."""
    user = await changeable_user(command.user_id, on)
    require_version(user, command.expected_version)
    user.deactivate()
    return await _decided(user, on)


async def changeable_user(user_id: UUID, on: Tenancy) -> User:
    """Somebody who holds no more than the caller. Raises UserNotFound, ScopeNotHeld."""
    user = await on.load(User, user_id, UserNotFound)
    user.require_present()
    if user.role == RESELLER and EVERY_SCOPE in on.caller.scopes:
        return user  # Also after the operator has taken the quota away.
    # A role that is gone lets nobody do anything.
    with suppress(Invalid):
        require_grants_held(on.caller, await role_grants(on, user.role))
    return user


async def _require_givable(on: Tenancy, role: str) -> None:
    """Raises Invalid, ScopeNotHeld."""
    grants = await role_grants(on, role)
    if role == RESELLER and EVERY_SCOPE in on.caller.scopes and await _has_quota(on):
        return
    require_grants_held(on.caller, grants)


async def _has_quota(on: Tenancy) -> bool:
    """Whether the operator lets the tenant create others."""
    tenant = await on.load(Tenant, on.tenant_id, TenantNotFound)
    on.keep(tenant)
    return tenant.customers_max > 0


async def _invited(user: User, on: Tenancy) -> Decided:
    """Mailed; where no mail is sent, the token is shown to who invites."""
    expires_at = on.ports.clock.now() + INVITATION_LIFETIME
    user.invite(expires_at)
    proof, *_ = on.users.invitation_proofs(on.tenant_id, user.id, expires_at.isoformat())
    token = str(InvitationToken(on.tenant_id, user.id, proof))
    mailed, shown = await _sent(user, token, expires_at, on)
    decided = await _decided(user, on, *mailed)
    return Decided(
        {**decided.result, "expires_at": expires_at.isoformat(), "is_mailed": bool(mailed)},
        decided.aggregates,
        decided.side_rows,
        shown_once=shown,
    )


async def _sent(
    user: User, token: str, expires_at: datetime, on: Tenancy
) -> tuple[tuple[SideRow, ...], JsonObject]:
    mailbox = on.ports.mailbox
    if mailbox is None or not mailbox.has_server:
        return (), {"invitation_token": token}
    mail = Mail(user.email, SUBJECT, TEXT.format(token=token))
    row = await mailbox.queued(on.tenant_id, mail, user_id=user.id, expires_at=expires_at)
    return (row,), {}


async def _decided(user: User, on: Tenancy, *side_rows: SideRow) -> Decided:
    result: dict[str, Json] = {
        "user_id": str(user.id),
        "role": user.role,
        "name": user.name,
        "status": user.status,
        "version": user.version,
    }
    if not user.pending_events:
        on.keep(user)
        return Decided(result, aggregates=())
    membership = await membership_of(on, user)
    return Decided(result, membership.aggregates, (*membership.side_rows, *side_rows))
