"""A tenant begins whole: itself, its administrator, their key."""

import pytest

from commands.authorization import MissingScope
from commands.credential_port import StoredApiKey
from commands.identity_port import StoredUserAccess
from commands.ports import StoredPassword, StoredRetention
from commands.tenants import CreateTenant, SetRetention
from domain.envelope import Envelope
from domain.errors import Invalid
from domain.tenants import Tenant, TenantNotFound
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
    _, password, key = world.store.side_rows
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
    access, *_ = world.store.side_rows
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
    for scope in ("*", "tenants:create"):
        with pytest.raises(MissingScope):
            await world.when(ACME, caller=world.caller_with(scope))
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
    tenant = Tenant._create(Tenant.Created, id=world.tenant_id, name="Acme")
    await world.store.append([tenant], Envelope(world.tenant_id, "operator"))
    answer = await world.when(SetRetention(30))
    assert answer.result == {"payload_days": 30}
    assert world.store.topics == ["tenant.created", "tenant.retention_changed"]
    assert world.store.side_rows == [StoredRetention(30)]
    with pytest.raises(TenantNotFound):
        await World().when(SetRetention(30))
