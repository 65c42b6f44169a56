"""API keys hold at most what their maker holds, and their secret is nowhere but in the first
answer.
"""

from datetime import datetime, timedelta, timezone
from uuid import UUID

import pytest

from commands.authorization import MissingScope, ScopeNotHeld
from commands.credentials import CreateApiKey, RevokeApiKey
from commands.ports import RevokedApiKey, StoredApiKey
from domain.credentials import ApiKeyNotFound
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
