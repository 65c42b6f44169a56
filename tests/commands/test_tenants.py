"""A tenant begins whole: itself, its administrator, their key."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from commands.authorization import Caller, MissingScope
from commands.credential_port import StoredApiKey
from commands.dispatch import Dispatcher
from commands.identity_port import StoredUserAccess
from commands.ports import StoredPassword
from commands.retention_port import StoredRetention
from commands.standing_port import (
    ChangedStanding,
    ClosedOffboarding,
    OpenedOffboarding,
    RegisteredTenant,
    Standing,
    StoredResellerQuota,
)
from commands.tenants import (
    ChangeTenant,
    CreateTenant,
    KeepTenant,
    LeavePlatform,
    OffboardTenant,
    ResumeTenant,
    SetResellerQuota,
    SetRetention,
    StayOnPlatform,
    SuspendTenant,
)
from domain.envelope import Envelope
from domain.errors import Invalid
from domain.identifiers import TenantId
from domain.tenants import (
    OffboardedByOperator,
    SuspendedByOperator,
    Tenant,
    TenantNotFound,
    TenantSuspended,
)
from tests.commands.fakes import World

ACME = CreateTenant("Acme", "Ada@Example.com", "correct horse battery")


async def test_a_tenant_its_administrator_and_their_key_are_stored_at_once() -> None:
    world = World()
    answer = await world.when(ACME, caller=world.operator)
    assert world.store.topics == [
        "tenant.created",
        "user.created",
        "administrators.created",
        "administrators.added",
        "api_key.created",
    ]
    assert world.store.appends_count == 1
    tenant_ids = [str(envelope.tenant_id) for envelope in world.store.envelopes]
    assert tenant_ids == [answer.result["tenant_id"]] * 5
    assert answer.result["api_key"] == "al_key00001_secret"
    assert answer.result["key_shown"] is True


async def test_the_password_and_the_key_are_stored_as_hashes_only() -> None:
    world = World()
    await world.when(ACME, key="k", caller=world.operator)
    _, _, password, key = world.store.side_rows
    assert isinstance(password, StoredPassword)
    assert isinstance(key, StoredApiKey)
    assert password.password_hash == "hash of 21 characters"
    assert key.secret_hash == b"hash of al_key00001_secret"
    assert list(key.scopes) == ["*"]
    everything = b"".join(event.state for event in world.store.events)
    assert b"correct horse" not in everything
    assert b"al_key00001_secret" not in everything


async def test_the_email_is_stored_in_one_spelling() -> None:
    world = World()
    await world.when(ACME, caller=world.operator)
    assert world.store.states[1]["email"] == "ada@example.com"
    _, access, *_ = world.store.side_rows
    assert isinstance(access, StoredUserAccess)
    assert access.email_hash == world.users.email_hash("ada@example.com")


async def test_a_retry_finds_the_same_tenant_but_not_its_key() -> None:
    world = World()
    first = await world.when(ACME, key="k", caller=world.operator)
    again = await world.when(ACME, key="k", caller=world.operator)
    assert again.is_replayed
    assert again.result == {
        "tenant_id": first.result["tenant_id"],
        "user_id": first.result["user_id"],
        "api_key_id": first.result["api_key_id"],
        "key_shown": False,
    }
    assert world.store.appends_count == 1


async def test_a_tenant_cannot_create_tenants() -> None:
    world = World()
    with pytest.raises(MissingScope):
        await world.when(ACME, caller=world.caller_with("*"))
    assert world.store.topics == []


@pytest.mark.parametrize(
    ("password", "code"),
    [("eleven char", "password_too_short"), ("ü" * 37, "password_too_long")],
)
async def test_a_password_has_bounds(password: str, code: str) -> None:
    world = World()
    with pytest.raises(Invalid) as refusal:
        await world.when(CreateTenant("Acme", "a@b.c", password), caller=world.operator)
    assert [(error.path, error.code) for error in refusal.value.errors] == [
        ("/admin/password", code)
    ]
    assert world.store.topics == []


def test_a_password_is_not_in_the_text_of_the_command() -> None:
    assert "horse" not in repr(ACME)


async def test_a_tenant_says_how_long_payloads_are_kept_and_the_store_hears_of_it() -> None:
    world = World()
    tenant = Tenant._create(
        Tenant.Created,
        id=world.tenant_id,
        name="Acme",
        region="us",
        time_zone="UTC",
        reseller_id=None,
    )
    await world.store.append([tenant], Envelope(world.tenant_id, "operator"))
    answer = await world.when(SetRetention(30))
    assert answer.result == {"payload_days": 30}
    assert world.store.topics == ["tenant.created", "tenant.retention_changed"]
    assert world.store.side_rows == [StoredRetention(30)]
    with pytest.raises(TenantNotFound):
        await World().when(SetRetention(30))


class FakeStandings:
    """Those that are told to be suspended are."""

    def __init__(self) -> None:
        self.suspended: set[TenantId] = set()

    async def of(self, tenant_id: TenantId) -> Standing:
        return "suspended" if tenant_id in self.suspended else "active"


async def a_customer(world: World, reseller: Caller) -> UUID:
    answer = await world.when(ACME, caller=reseller)
    return UUID(str(answer.result["tenant_id"]))


def a_reseller(world: World) -> Caller:
    return world.caller_with("tenants:create", "tenants:manage", actor="user:rita")


async def test_a_resellers_tenant_says_whose_customer_it_is() -> None:
    world = World()
    customer_id = await a_customer(world, a_reseller(world))
    assert customer_id != world.tenant_id
    assert world.store.states[0]["reseller_id"] == str(world.tenant_id)
    assert world.store.side_rows[0] == RegisteredTenant(world.tenant_id)
    assert {envelope.tenant_id for envelope in world.store.envelopes} == {customer_id}


async def test_every_scope_of_a_tenant_makes_no_reseller() -> None:
    world = World()
    for command in (ACME, SuspendTenant(world.tenant_id, "no"), ResumeTenant(world.tenant_id)):
        with pytest.raises(MissingScope):
            await world.when(command)


async def test_a_reseller_suspends_and_resumes_its_customer() -> None:
    world = World()
    reseller = a_reseller(world)
    customer_id = await a_customer(world, reseller)
    await world.when(SuspendTenant(customer_id, "unpaid"), caller=reseller)
    await world.when(ResumeTenant(customer_id), caller=reseller)
    assert world.store.topics[-2:] == ["tenant.suspended", "tenant.resumed"]
    assert world.store.side_rows[-2:] == [ChangedStanding("suspended"), ChangedStanding("active")]
    assert world.store.envelopes[-1].tenant_id == customer_id
    assert world.store.envelopes[-1].actor == "user:rita"


async def test_for_a_reseller_no_tenant_exists_but_its_customers() -> None:
    world = World()
    others_id = await a_customer(world, world.operator)
    stored = len(world.store.events)
    for unknown in (others_id, world.ids.new()):
        for command in (SuspendTenant(unknown, "mine"), ResumeTenant(unknown)):
            with pytest.raises(TenantNotFound):
                await world.when(command, caller=a_reseller(world))
    assert len(world.store.events) == stored


async def test_what_the_operator_suspended_its_reseller_does_not_resume() -> None:
    world = World()
    customer_id = await a_customer(world, a_reseller(world))
    await world.when(SuspendTenant(customer_id, "abuse"), caller=world.operator)
    with pytest.raises(SuspendedByOperator):
        await world.when(ResumeTenant(customer_id), caller=a_reseller(world))


async def test_a_suspended_tenant_changes_nothing() -> None:
    world = World()
    standings = FakeStandings()
    world.dispatcher = Dispatcher(replace(world.ports, standings=standings))
    standings.suspended.add(world.tenant_id)
    for command in (SetRetention(payload_days=30), ChangeTenant("Other", None)):
        with pytest.raises(TenantSuspended):
            await world.when(command)
    with pytest.raises(TenantSuspended):
        await world.when(ACME, caller=a_reseller(world))
    assert world.store.events == []


async def test_a_caller_without_the_scope_does_not_learn_that_the_tenant_is_suspended() -> None:
    world = World()
    standings = FakeStandings()
    world.dispatcher = Dispatcher(replace(world.ports, standings=standings))
    standings.suspended.add(world.tenant_id)
    with pytest.raises(MissingScope):
        await world.when(SetRetention(payload_days=30), caller=world.caller_with("read"))


async def test_only_the_operator_says_how_many_customers_a_reseller_has() -> None:
    world = World()
    tenant_id = await a_customer(world, world.operator)
    await world.when(SetResellerQuota(tenant_id, 5), caller=world.operator)
    assert world.store.side_rows[-1] == StoredResellerQuota(5)
    with pytest.raises(MissingScope):
        await world.when(SetResellerQuota(tenant_id, 50), caller=a_reseller(world))


async def test_a_tenant_is_where_the_installation_can_have_it() -> None:
    world = World()
    await world.when(ACME, caller=world.operator)
    assert world.store.states[0]["region"] == "us"
    with pytest.raises(Invalid) as refused:
        await world.when(replace(ACME, region="mars"), caller=world.operator)
    assert [(e.path, e.code) for e in refused.value.errors] == [("/region", "unknown_region")]


async def a_known_tenant(world: World) -> None:
    tenant = Tenant._create(
        Tenant.Created,
        id=world.tenant_id,
        name="Acme",
        region="us",
        time_zone="UTC",
        reseller_id=None,
    )
    await world.store.append([tenant], Envelope(world.tenant_id, "operator"))


async def test_a_tenant_leaves_by_its_name_and_may_still_cancel_though_it_is_held() -> None:
    world = World()
    await a_known_tenant(world)
    with pytest.raises(Invalid) as refused:
        await world.when(LeavePlatform(grace_days=7, confirm_name="acme"))
    assert [(e.path, e.code) for e in refused.value.errors] == [("/confirm_name", "not_confirmed")]
    due_at = world.clock.now() + timedelta(days=7)
    answer = await world.when(LeavePlatform(grace_days=7, confirm_name="Acme"))
    assert answer.result["due_at"] == due_at.isoformat()
    assert world.store.side_rows == [OpenedOffboarding(due_at)]
    standings = FakeStandings()
    standings.suspended.add(world.tenant_id)
    world.dispatcher = Dispatcher(replace(world.ports, standings=standings))
    with pytest.raises(TenantSuspended):
        await world.when(SetRetention(payload_days=1))
    await world.when(StayOnPlatform())
    assert world.store.side_rows[-1] == ClosedOffboarding("active")


async def test_no_tenant_cancels_what_the_operator_began() -> None:
    world = World()
    await a_known_tenant(world)
    await world.when(OffboardTenant(world.tenant_id, 0), caller=world.operator)
    with pytest.raises(OffboardedByOperator):
        await world.when(StayOnPlatform())
    await world.when(KeepTenant(world.tenant_id), caller=world.operator)
    assert world.store.topics[-1] == "tenant.offboarding_cancelled"


async def test_a_reseller_offboards_nobody() -> None:
    world = World()
    customer_id = await a_customer(world, a_reseller(world))
    for command in (OffboardTenant(customer_id, 0), KeepTenant(customer_id)):
        with pytest.raises(MissingScope):
            await world.when(command, caller=a_reseller(world))
