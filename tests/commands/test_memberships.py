"""What authentication asks is written with every change of a person, and the last ADMIN stays."""

import pytest

from commands.authorization import ROLE_GRANTS
from commands.decisions import Tenancy
from commands.identity_port import StoredUserAccess
from commands.memberships import EmailTaken, begin_user, membership_of, role_grants
from domain.administrators import LastAdministrator
from domain.envelope import Envelope
from domain.errors import Invalid
from domain.identity import User
from tests.commands.fakes import World


def on(world: World) -> Tenancy:
    return Tenancy(world.ports, world.caller, world.tenant_id)


async def stored(world: World, user: User) -> None:
    membership = await membership_of(on(world), user)
    envelope = Envelope(world.tenant_id, "user:test")
    await world.store.append(membership.aggregates, envelope, side_rows=membership.side_rows)


async def admitted(world: World, email: str, role: str = "ADMIN") -> User:
    user = await begin_user(on(world), email=email, role=role)
    await stored(world, user)
    return user


async def test_an_address_belongs_to_one_person_of_a_tenant_whatever_its_case() -> None:
    world = World()
    await admitted(world, "Ada@Example.com")
    with pytest.raises(EmailTaken):
        await begin_user(on(world), email="ada@eXample.COM", role="USER")
    elsewhere = World(world.store)
    elsewhere.tenant_id = world.ids.new()  # pyright: ignore[reportAttributeAccessIssue] # a NewType
    await begin_user(on(elsewhere), email="ada@example.com", role="USER")


async def test_what_somebody_may_do_is_written_with_what_changed() -> None:
    world = World()
    await admitted(world, "ada@example.com")
    user = await admitted(world, "grace@example.com", "USER")
    user.deactivate()
    await stored(world, user)
    rows = [row for row in world.store.side_rows if isinstance(row, StoredUserAccess)]
    assert [(row.role, row.status) for row in rows] == [
        ("ADMIN", "ACTIVE"),
        ("USER", "ACTIVE"),
        ("USER", "DEACTIVATED"),
    ]


async def test_the_last_active_admin_stays() -> None:
    world = World()
    ada = await admitted(world, "ada@example.com")
    grace = await admitted(world, "grace@example.com")
    grace.give_role("USER")
    await stored(world, grace)
    ada.deactivate()
    with pytest.raises(LastAdministrator):
        await membership_of(on(world), ada)


async def test_a_tenant_from_before_knows_who_administrates_it() -> None:
    world = World()
    row = StoredUserAccess(world.ids.new(), b"hash", "ADMIN", "ACTIVE")
    world.store.owned_side_rows.append((world.tenant_id, row))
    ada = await admitted(world, "ada@example.com")
    ada.give_role("USER")
    await stored(world, ada)
    assert world.store.topics == [
        "user.created",
        "administrators.created",
        "administrators.added",
        "user.role_changed",
        "administrators.removed",
    ]


async def test_a_role_is_one_that_the_tenant_has() -> None:
    world = World()
    assert await role_grants(on(world), "VIEWER") == ROLE_GRANTS["VIEWER"]
    for unknown in ("admin", "", str(world.ids.new())):
        with pytest.raises(Invalid):
            await role_grants(on(world), unknown)
