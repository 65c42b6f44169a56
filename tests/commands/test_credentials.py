"""API keys hold at most what their maker holds, and their secret is nowhere but in the first
answer.
"""

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from uuid import UUID

import pytest

from commands.authorization import Caller, MissingScope, ScopeNotHeld
from commands.credential_port import (
    RescopedApiKey,
    RestrictedApiKey,
    RevokedApiKey,
    RotatedApiKey,
    StoredApiKey,
)
from commands.credentials import (
    ADDRESSES_MAX,
    ChangeApiKeyScopes,
    CreateApiKey,
    KeyOfSomebodyElse,
    RestrictApiKey,
    RevokeApiKey,
    RotateApiKey,
)
from domain.credentials import ApiKeyNotFound, ApiKeyRevoked
from domain.errors import Invalid
from tests.commands.fakes import NOON, World


async def test_a_key_is_shown_once_and_stored_as_a_hash() -> None:
    world = World()
    answer = await world.when(CreateApiKey("reporting", ["read"]), key="k")
    again = await world.when(CreateApiKey("reporting", ["read"]), key="k")
    assert answer.result["api_key"] == "al_key00001_secret"
    assert "api_key" not in again.result
    assert (answer.result["key_shown"], again.result["key_shown"]) == (True, False)
    (row,) = world.store.side_rows
    assert isinstance(row, StoredApiKey)
    assert (row.key_id, row.secret_hash) == ("key00001", b"hash of al_key00001_secret")
    assert b"al_key00001_secret" not in world.store.events[0].state


async def test_a_key_is_listed_by_a_prefix_that_is_no_secret() -> None:
    world = World()
    await world.when(CreateApiKey("reporting", ["read", "agents:write", "read"]))
    state = world.store.states[0]
    assert (state["prefix"], state["scopes"]) == ("al_key00001", ["agents:write", "read"])


async def test_a_key_cannot_hold_more_than_its_maker() -> None:
    world = World()
    maker = world.caller_with("api_keys:write", "read")
    for scopes in (["*"], ["read", "agents:write"]):
        with pytest.raises(ScopeNotHeld):
            await world.when(CreateApiKey("greedy", scopes), caller=maker)
    await world.when(CreateApiKey("modest", ["read"]), caller=maker)
    assert world.store.topics == ["api_key.created"]


async def test_an_unknown_scope_is_named_by_its_place() -> None:
    world = World()
    with pytest.raises(Invalid) as refusal:
        await world.when(CreateApiKey("k", ["read", "everything", "all"]))
    places = [(error.path, error.code) for error in refusal.value.errors]
    assert places == [("/scopes/1", "unknown_scope"), ("/scopes/2", "unknown_scope")]


async def test_a_key_must_not_have_expired_before_it_is_made() -> None:
    world = World()
    with pytest.raises(Invalid):
        await world.when(CreateApiKey("k", ["read"], expires_at=NOON))


async def test_a_key_must_expire_at_an_instant_that_every_clock_can_hold() -> None:
    world = World()
    last = datetime(9999, 12, 31, 23, tzinfo=timezone(timedelta(hours=-12)))
    with pytest.raises(Invalid):
        await world.when(CreateApiKey("k", ["read"], expires_at=last))


async def test_an_expiry_is_stored_in_utc() -> None:
    world = World()
    tomorrow = (NOON + timedelta(days=1)).astimezone(timezone(timedelta(hours=2)))
    answer = await world.when(CreateApiKey("k", ["read"], expires_at=tomorrow))
    assert answer.result["expires_at"] == "2026-11-22T12:00:00+00:00"


async def test_a_key_is_revoked_once() -> None:
    world = World()
    (created,) = await world.given(CreateApiKey("k", ["read"]))
    api_key_id = UUID(str(created["api_key_id"]))
    first = await world.when(RevokeApiKey(api_key_id))
    again = await world.when(RevokeApiKey(api_key_id))
    assert first.result == again.result == {"api_key_id": str(api_key_id), "is_revoked": True}
    assert world.store.topics == ["api_key.created", "api_key.revoked"]
    assert world.store.side_rows[1:] == [RevokedApiKey(api_key_id)]


async def test_an_unknown_key_cannot_be_revoked() -> None:
    world = World()
    with pytest.raises(ApiKeyNotFound):
        await world.when(RevokeApiKey(world.ids.new()))


async def test_a_key_without_the_scope_makes_no_keys() -> None:
    world = World()
    with pytest.raises(MissingScope):
        await world.when(CreateApiKey("k", ["read"]), caller=world.caller_with("read"))


async def _a_key(world: World, *scopes: str, caller: Caller | None = None) -> UUID:
    made = await world.when(CreateApiKey("k", scopes or ["read"]), caller=caller)
    return UUID(str(made.result["api_key_id"]))


async def test_a_rotated_key_has_a_new_secret_that_is_shown_once() -> None:
    world = World()
    api_key_id = await _a_key(world)
    answer = await world.when(RotateApiKey(api_key_id, 3600), key="r")
    again = await world.when(RotateApiKey(api_key_id, 3600), key="r")
    assert answer.result == {
        "api_key_id": str(api_key_id),
        "prefix": "al_key00002",
        "previous_until": "2026-11-21T13:00:00+00:00",
        "key_shown": True,
        "api_key": "al_key00002_secret",
    }
    assert ("api_key" in again.result, again.result["key_shown"]) == (False, False)
    until = NOON + timedelta(hours=1)
    row = RotatedApiKey(api_key_id, "key00002", b"hash of al_key00002_secret", until)
    assert world.store.side_rows[1:] == [row]
    assert b"secret" not in world.store.events[1].state


async def test_privilege_escalation_by_rotating_a_stronger_key_is_refused() -> None:
    world = World()
    api_key_id = await _a_key(world, "read", "agents:write")
    weak = world.caller_with("api_keys:write", "read")
    for command in (RotateApiKey(api_key_id, 0), RestrictApiKey(api_key_id, [])):
        with pytest.raises(ScopeNotHeld):
            await world.when(command, caller=weak)


async def test_impersonation_by_rotating_the_key_of_somebody_else_is_refused() -> None:
    world = World()
    ada = replace(world.caller, user_id=world.ids.new())
    api_key_id = await _a_key(world, caller=ada)
    for user_id in (world.ids.new(), None):
        with pytest.raises(KeyOfSomebodyElse):
            await world.when(
                RotateApiKey(api_key_id, 0), caller=replace(world.caller, user_id=user_id)
            )
    await world.when(RotateApiKey(api_key_id, 0), caller=ada)


async def test_networks_are_kept_in_their_one_form() -> None:
    world = World()
    given = ["2001:DB8:0::/32", "192.0.2.1", "192.0.2.0/24", "192.0.2.1/32"]
    answer = await world.when(CreateApiKey("k", ["read"], allowed_addresses=given))
    networks = ["192.0.2.0/24", "192.0.2.1/32", "2001:db8::/32"]
    assert answer.result["allowed_addresses"] == networks
    (row,) = world.store.side_rows
    assert isinstance(row, StoredApiKey)
    assert row.allowed_addresses == tuple(networks)
    assert world.store.topics == ["api_key.created", "api_key.addresses_restricted"]


async def test_a_key_is_restricted_later() -> None:
    world = World()
    api_key_id = await _a_key(world)
    await world.when(RestrictApiKey(api_key_id, ["192.0.2.0/24"]))
    assert world.store.side_rows[1:] == [RestrictedApiKey(api_key_id, ["192.0.2.0/24"])]


async def test_a_key_of_a_reseller_gets_a_scope_that_came_later() -> None:
    world = World()
    seller = world.caller_with("api_keys:write", "tenants:manage", "credits:write")
    api_key_id = await _a_key(world, "tenants:manage", caller=seller)
    scopes = ["tenants:manage", "credits:write"]
    changed = await world.when(ChangeApiKeyScopes(api_key_id, scopes), caller=seller)
    assert changed.result["scopes"] == sorted(scopes)
    assert world.store.side_rows[-1] == RescopedApiKey(api_key_id, sorted(scopes))
    again = await world.when(ChangeApiKeyScopes(api_key_id, scopes), caller=seller)
    assert again.position is None
    for caller in (world.caller_with("api_keys:write", "tenants:manage"), world.caller):
        with pytest.raises(ScopeNotHeld):
            await world.when(ChangeApiKeyScopes(api_key_id, scopes), caller=caller)


async def test_nobody_lets_the_key_of_somebody_else_do_more() -> None:
    """It acts for them, and somebody may have its secret."""
    world = World()
    ada = replace(world.caller, user_id=world.ids.new())
    grace = replace(world.caller, user_id=world.ids.new())
    api_key_id = await _a_key(world, "read", "agents:write", caller=ada)
    with pytest.raises(KeyOfSomebodyElse):
        await world.when(ChangeApiKeyScopes(api_key_id, ["read", "*"]), caller=grace)
    fewer = await world.when(ChangeApiKeyScopes(api_key_id, ["read"]), caller=grace)
    assert fewer.result["scopes"] == ["read"]
    await world.when(RevokeApiKey(api_key_id), caller=ada)
    with pytest.raises(ApiKeyRevoked):
        await world.when(ChangeApiKeyScopes(api_key_id, ["read"]), caller=ada)


@pytest.mark.parametrize(
    "text",
    ["0.0.0.0/0", "::/0", "10.0.0.1/8", "10.0.0.0/33", "::ffff:10.0.0.0/104", "here", "1.2.3", "é"],
)
async def test_a_network_that_means_nothing_or_everybody_is_refused(text: str) -> None:
    world = World()
    with pytest.raises(Invalid) as refusal:
        await world.when(CreateApiKey("k", ["read"], allowed_addresses=["192.0.2.1", text]))
    ((path, code),) = [(error.path, error.code) for error in refusal.value.errors]
    assert (path, code) == ("/allowed_addresses/1", "invalid_network")
    assert world.store.events == []


async def test_networks_are_at_most_so_many() -> None:
    world = World()
    many = [f"192.0.2.{number}" for number in range(ADDRESSES_MAX + 1)]
    with pytest.raises(Invalid):
        await world.when(CreateApiKey("k", ["read"], allowed_addresses=many))
