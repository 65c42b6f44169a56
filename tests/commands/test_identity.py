"""People are invited, accept, change and go; nobody gives more than they hold."""

from typing import Any
from uuid import UUID

import pytest

from commands.authorization import Caller, ScopeNotHeld
from commands.decisions import Tenancy
from commands.identity import (
    AcceptInvitation,
    ChangeUser,
    DeactivateUser,
    InviteUser,
    RenewInvitation,
    deactivate_user,
)
from commands.memberships import EmailTaken
from commands.ports import StoredPassword
from commands.roles import CreateRole
from commands.tenants import CreateTenant, SetResellerQuota
from domain.administrators import LastAdministrator
from domain.envelope import Envelope
from domain.errors import Invalid, Stale
from domain.identifiers import TenantId
from domain.identity import InvitationOver
from domain.invitations import InvitationToken
from tests.commands.fakes import World

PASSWORD = "correct horse battery"


async def invited(world: World, email: str, role: str) -> tuple[UUID, InvitationToken]:
    """As the mail says it."""
    answer = await world.when(InviteUser(email, role))
    return UUID(str(answer.result["user_id"])), mailed_token(world)


def mailed_token(world: World) -> InvitationToken:
    found = [InvitationToken.parse(line) for line in world.mailbox.mails[-1].text.splitlines()]
    (token,) = [one for one in found if one is not None]
    return token


async def accepted(world: World, email: str, role: str) -> UUID:
    user_id, token = await invited(world, email, role)
    await world.when(AcceptInvitation(token, PASSWORD))
    return user_id


async def test_who_was_invited_accepts_with_the_token_of_the_mail_once() -> None:
    world = World()
    user_id, token = await invited(world, "Grace@Example.com", "USER")
    assert world.mailbox.mails[-1].to == "grace@example.com"
    answer = await world.when(AcceptInvitation(token, PASSWORD, "Grace"))
    assert (answer.result["status"], answer.result["name"]) == ("ACTIVE", "Grace")
    assert [row.user_id for row in world.store.side_rows if isinstance(row, StoredPassword)] == [
        user_id
    ]
    with pytest.raises(InvitationOver):
        await world.when(AcceptInvitation(token, PASSWORD))
    assert str(token).encode() not in b"".join(event.state for event in world.store.events)


async def test_where_no_mail_is_sent_the_token_is_shown_to_who_invites_and_once() -> None:
    world = World()
    world.mailbox.has_server = False
    first = await world.when(InviteUser("grace@example.com", "USER"), key="k")
    again = await world.when(InviteUser("grace@example.com", "USER"), key="k")
    assert InvitationToken.parse(str(first.result["invitation_token"])) is not None
    assert "invitation_token" not in again.result


async def test_a_token_that_is_not_the_one_sent_last_and_in_time_is_no_token() -> None:
    world = World()
    user_id, old = await invited(world, "grace@example.com", "USER")
    world.clock.pass_time(days=1)
    await world.when(RenewInvitation(user_id))
    token = mailed_token(world)
    for wrong in (old, token._replace(user_id=UUID(int=9)), token._replace(proof=bytes(32))):
        with pytest.raises(InvitationOver):
            await world.when(AcceptInvitation(wrong, PASSWORD))
    world.clock.pass_time(days=7)
    with pytest.raises(InvitationOver):
        await world.when(AcceptInvitation(token, PASSWORD))


async def test_a_short_password_accepts_nothing() -> None:
    world = World()
    _, token = await invited(world, "grace@example.com", "USER")
    with pytest.raises(Invalid):
        await world.when(AcceptInvitation(token, "short"))


async def test_an_address_is_taken_once() -> None:
    world = World()
    await invited(world, "grace@example.com", "USER")
    with pytest.raises(EmailTaken):
        await world.when(InviteUser("GRACE@example.com", "VIEWER"))


async def test_nobody_gives_a_role_that_holds_more_or_changes_who_holds_more() -> None:
    world = World()
    admin_id = await accepted(world, "ada@example.com", "ADMIN")
    clerk = Caller(
        "user:clerk", world.tenant_id, frozenset({"users:write", "read"}), world.ids.new()
    )
    for role in ("ADMIN", "USER", "RESELLER"):
        with pytest.raises(ScopeNotHeld):
            await world.when(InviteUser(f"{role}@example.com", role), caller=clerk)
    await world.when(InviteUser("viewer@example.com", "VIEWER"), caller=clerk)
    for command in (
        ChangeUser(admin_id, {"role": "VIEWER"}),
        ChangeUser(admin_id, {"is_active": False}),
        DeactivateUser(admin_id),
        RenewInvitation(admin_id),
    ):
        with pytest.raises(ScopeNotHeld):
            await world.when(command, caller=clerk)


@pytest.mark.parametrize(
    "changes", [{"role": "USER"}, {"is_active": False}, {"role": "VIEWER", "is_active": False}]
)
async def test_the_last_admin_is_neither_demoted_nor_deactivated(changes: Any) -> None:
    world = World()
    last = await accepted(world, "ada@example.com", "ADMIN")
    await invited(world, "invited@example.com", "ADMIN")
    with pytest.raises(LastAdministrator):
        await world.when(ChangeUser(last, changes))
    with pytest.raises(LastAdministrator):
        await world.when(DeactivateUser(last))
    await accepted(world, "grace@example.com", "ADMIN")
    await world.when(ChangeUser(last, changes))


async def test_a_role_of_ones_own_making_is_given_like_the_others() -> None:
    world = World()
    role = await world.when(CreateRole("Auditor", ["read"]))
    user_id = await accepted(world, "grace@example.com", "USER")
    await world.when(ChangeUser(user_id, {"role": str(role.result["role_id"])}))
    with pytest.raises(Invalid):
        await world.when(ChangeUser(user_id, {"role": str(world.ids.new())}))


async def test_who_came_back_is_active_again() -> None:
    world = World()
    user_id = await accepted(world, "grace@example.com", "USER")
    assert (await world.when(DeactivateUser(user_id))).result["status"] == "DEACTIVATED"
    back = await world.when(ChangeUser(user_id, {"is_active": True}))
    assert back.result["status"] == "ACTIVE"


async def test_of_two_who_remove_the_last_two_admins_at_once_one_is_refused() -> None:
    world = World()
    on = Tenancy(world.ports, world.caller, world.tenant_id)
    envelope = Envelope(world.tenant_id, "user:test")
    user_ids = [await accepted(world, f"{name}@example.com", "ADMIN") for name in ("ada", "grace")]
    first, second = [await deactivate_user(DeactivateUser(user_id), on) for user_id in user_ids]
    await world.store.append(first.aggregates, envelope, side_rows=first.side_rows)
    with pytest.raises(Stale):
        await world.store.append(second.aggregates, envelope, side_rows=second.side_rows)
    # The dispatcher decides anew what was stale.
    with pytest.raises(LastAdministrator):
        await world.when(DeactivateUser(user_ids[1]))


async def test_an_administrator_says_who_resells_once_the_operator_lets_their_tenant() -> None:
    world = World()
    create = CreateTenant("Reseller", "root@reseller.example", "a long enough password")
    made = await world.when(create, caller=world.operator)
    tenant_id = TenantId(UUID(str(made.result["tenant_id"])))
    root = Caller("user:root", tenant_id, frozenset({"*"}))
    invite = InviteUser("ada@reseller.example", "RESELLER")
    with pytest.raises(ScopeNotHeld):
        await world.when(invite, caller=root)
    await world.when(SetResellerQuota(tenant_id, 2), caller=world.operator)
    weaker = Caller("user:clerk", tenant_id, frozenset({"users:write", "read"}))
    with pytest.raises(ScopeNotHeld):
        await world.when(invite, caller=weaker)
    invited = await world.when(invite, caller=root)
    user_id = UUID(str(invited.result["user_id"]))
    await world.when(SetResellerQuota(tenant_id, 0), caller=world.operator)
    with pytest.raises(ScopeNotHeld):
        await world.when(DeactivateUser(user_id), caller=weaker)
    await world.when(DeactivateUser(user_id), caller=root)
