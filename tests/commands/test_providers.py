"""A provider's key goes into the vault with everything that a call needs, and nowhere else."""

from dataclasses import replace
from typing import Any
from uuid import UUID

import orjson
import pytest

from commands.authorization import MissingScope
from commands.providers import PutProvider, RemoveProvider
from commands.vault_port import RemovedVaultEntry
from domain.errors import Invalid
from domain.providers import ProviderNotFound, provider_id
from tests.commands.fakes import World

KEY = "sk-canary-key"
ADA = UUID(int=11)


def openai(**fields: Any) -> PutProvider:
    return PutProvider("openai", "openai", api_key=KEY, **fields)


async def test_a_provider_is_configured_and_its_key_sealed() -> None:
    world = World()
    answer = await world.when(openai(models=["a", "b", "a"]), key="k")
    assert answer.result == {
        "name": "openai",
        "scope": "tenant",
        "version": 2,
        "kind": "openai",
        "api_base": None,
        "models": ["a", "b"],
        "has_key": True,
        "key_from": None,
        "provider_version": 1,
    }
    (kept,) = world.vault.values.values()
    assert orjson.loads(kept.value)["api_key"] == KEY
    told = [event.state for event in world.store.events] + [orjson.dumps(answer.result)]
    assert [text for text in told if KEY.encode() in text] == []
    assert KEY not in repr(openai())


async def test_another_address_does_not_keep_the_key_that_was_for_the_old_one() -> None:
    world = World()
    await world.given(openai())
    await world.when(PutProvider("openai", "openai_compatible", "https://evil.example.com"))
    (kept,) = world.vault.values.values()
    assert (orjson.loads(kept.value)["api_key"], kept.value_version) == (None, 2)


async def test_a_person_has_providers_of_their_own() -> None:
    world = World()
    ada = world.caller_with("providers:write", user_id=ADA)
    answer = await world.when(openai(is_own=True), caller=ada)
    assert answer.result["scope"] == "user"
    assert {*world.vault.values} == {(world.tenant_id, provider_id(world.tenant_id, ADA, "openai"))}
    with pytest.raises(ProviderNotFound):
        await world.when(RemoveProvider("openai"), caller=ada)
    removed = await world.when(RemoveProvider("openai", is_own=True), caller=ada)
    assert removed.result["is_removed"] is True
    assert isinstance(world.store.side_rows[-1], RemovedVaultEntry)


@pytest.mark.parametrize(
    ("fields", "mistake"),
    [
        ({"name": "offline"}, ("path:name", "invalid_name")),
        ({"name": "a/b"}, ("path:name", "invalid_name")),
        ({"name": "Upper"}, ("path:name", "invalid_name")),
        ({"kind": "bedrock"}, ("/kind", "unknown_kind")),
        ({"kind": "azure"}, ("/api_base", "missing_field")),
        ({"kind": "anthropic", "api_base": "https://a.b"}, ("/api_base", "address_is_fixed")),
        ({"api_base": "https://u:p@a.b"}, ("/api_base", "invalid_address")),
        ({"api_key": None}, ("/api_key", "missing_field")),
        ({"api_key": "sk-\nX-Evil: 1"}, ("/api_key", "invalid_key")),
        ({"api_key": "sk-schlüssel"}, ("/api_key", "invalid_key")),
    ],
)
async def test_a_mistake_is_named_by_its_place(
    fields: dict[str, Any], mistake: tuple[str, str]
) -> None:
    command = PutProvider(**{"name": "openai", "kind": "openai", "api_key": KEY, **fields})
    world = World()
    with pytest.raises(Invalid) as refusal:
        await world.when(command)
    assert [(error.path, error.code) for error in refusal.value.errors] == [mistake]
    assert "sk-" not in str(refusal.value.errors)
    assert world.vault.values == {}


async def test_a_server_of_ones_own_needs_no_key() -> None:
    world = World()
    answer = await world.when(PutProvider("llama", "ollama", "https://llama.example.com"))
    assert answer.result["has_key"] is False


async def test_providers_need_their_scope() -> None:
    world = World()
    for command in (openai(), RemoveProvider("openai")):
        with pytest.raises(MissingScope):
            await world.when(command, caller=world.caller_with("secrets:write"))


async def test_whose_scope_reaches_only_their_own_touch_nothing_of_the_tenants() -> None:
    world = World()
    scope = "providers:write"
    ada = replace(world.caller_with(scope, user_id=ADA), own_only=frozenset({scope}))
    with pytest.raises(MissingScope):
        await world.when(openai(is_own=False), caller=ada)
    assert world.store.events == []
    stored = await world.when(openai(is_own=True), caller=ada)
    assert stored.result["scope"] == "user"
