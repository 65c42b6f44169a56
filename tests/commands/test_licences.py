"""Licences are issued by resellers, to whomever they sell to."""

from datetime import timedelta
from uuid import UUID

import pytest

from commands.authorization import Caller, MissingScope
from commands.decisions import VersionMismatch
from commands.dispatch import Dispatcher
from commands.licence_port import StoredRevocation
from commands.licences import (
    ActivateLicence,
    ExpireLicence,
    IssueLicence,
    NotAReseller,
    ReleaseLicence,
    RenewLicence,
    RevokeLicence,
)
from commands.tenants import CreateTenant, SetResellerQuota
from domain.errors import Invalid
from domain.identifiers import TenantId
from domain.licences import LicenceNotFound
from sagas.deadlines import DeadlineSaga
from tests.commands.fakes import NOON, World
from tests.sagas.fake_deadlines import FakeDeadlines

SCOPES = frozenset({"licences:write", "licences:activate"})
YEAR = NOON + timedelta(days=365)


@pytest.fixture
def world() -> World:
    return World()


async def a_reseller(world: World, *, customers_max: int = 5) -> Caller:
    answer = await world.when(
        CreateTenant("Rita Resells", "Rita@Example.com", "correct horse battery"),
        caller=world.operator,
    )
    tenant_id = UUID(str(answer.result["tenant_id"]))
    if customers_max:
        await world.when(SetResellerQuota(tenant_id, customers_max), caller=world.operator)
    return Caller("user:rita", TenantId(tenant_id), SCOPES)


async def issued(world: World, rita: Caller, seats: int = 2) -> UUID:
    answer = await world.when(IssueLicence("Acme", "Suite", seats, YEAR), caller=rita)
    return UUID(str(answer.result["licence_id"]))


def revocations(world: World) -> list[StoredRevocation]:
    return [row for row in world.store.side_rows if isinstance(row, StoredRevocation)]


async def test_only_whom_the_operator_made_a_reseller_issues_licences(world: World) -> None:
    with pytest.raises(NotAReseller):
        await issued(world, await a_reseller(world, customers_max=0))
    with pytest.raises(MissingScope):
        await world.when(IssueLicence("Acme", "Suite", 1, YEAR))
    assert await issued(world, await a_reseller(world))


async def test_a_licence_of_somebody_else_is_not_there(world: World) -> None:
    licence_id = await issued(world, await a_reseller(world))
    eve = Caller("user:eve", TenantId(world.ids.new()), SCOPES)
    for theft in (
        RenewLicence(licence_id, YEAR),
        RevokeLicence(licence_id, "mine"),
        ActivateLicence(licence_id, "host"),
        ReleaseLicence(licence_id, licence_id),
    ):
        with pytest.raises(LicenceNotFound):
            await world.when(theft, caller=eve)


async def test_who_may_only_activate_issues_nothing(world: World) -> None:
    rita = await a_reseller(world)
    licence_id = await issued(world, rita)
    server = Caller("api_key:1", rita.tenant_id, frozenset({"licences:activate"}))
    seat = (await world.when(ActivateLicence(licence_id, "host"), caller=server)).result
    assert (seat["seats_used"], seat["seats"]) == (1, 2)
    released = ReleaseLicence(licence_id, UUID(str(seat["activation_id"])))
    assert (await world.when(released, caller=server)).result["seats_used"] == 0
    with pytest.raises(MissingScope):
        await world.when(RevokeLicence(licence_id, "no"), caller=server)
    with pytest.raises(MissingScope):
        await world.when(ExpireLicence(licence_id), caller=rita)


async def test_what_is_revoked_is_kept_for_the_list_that_is_published(world: World) -> None:
    rita = await a_reseller(world)
    licence_id = await issued(world, rita)
    wider = RenewLicence(licence_id, YEAR + timedelta(days=1), 3)
    assert (await world.when(wider, caller=rita)).result["serial"] == 2
    assert revocations(world) == []
    await world.when(RenewLicence(licence_id, YEAR, 1), caller=rita)
    latest = YEAR + timedelta(days=1)
    assert revocations(world) == [StoredRevocation(licence_id, 2, NOON, latest)]
    await world.when(RevokeLicence(licence_id, "unpaid"), caller=rita)
    assert revocations(world)[-1] == StoredRevocation(licence_id, 3, NOON, latest)


async def test_its_end_is_an_event_when_its_time_has_come(world: World) -> None:
    await issued(world, await a_reseller(world))
    saga = DeadlineSaga(
        FakeDeadlines(world), Dispatcher(world.ports), world.clock, world.ids, "worker:1", poll_s=1
    )
    assert not await saga.work_once()
    world.clock.pass_time(days=365)
    assert await saga.work_once()
    assert world.store.topics[-1] == "licence.expired"
    assert not await saga.work_once()


async def test_a_time_that_makes_no_sense_and_another_version_are_refused(world: World) -> None:
    rita = await a_reseller(world)
    for expires_at in (NOON, NOON + timedelta(days=36_600)):
        with pytest.raises(Invalid):
            await world.when(IssueLicence("Acme", "Suite", 1, expires_at), caller=rita)
    licence_id = await issued(world, rita)
    with pytest.raises(VersionMismatch):
        await world.when(RevokeLicence(licence_id, "no", expected_version=9), caller=rita)
