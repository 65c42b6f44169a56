"""Secrets are kept sealed beside their history, and told to nobody."""

from dataclasses import replace
from uuid import UUID

import orjson
import pytest

from commands.authorization import MissingScope
from commands.secrets import PutSecret, RemoveSecret
from commands.vault_port import RemovedVaultEntry, StoredVaultEntry
from domain.errors import Invalid
from domain.secrets import SecretNotFound, secret_id
from tests.commands.fakes import World

VALUE = "s3cret-value"
ADA, BOB = UUID(int=11), UUID(int=12)


async def test_a_secret_is_stored_and_nothing_says_what_it_is() -> None:
    world = World()
    answer = await world.when(PutSecret("github", VALUE, ["api.github.com"]), key="k")
    assert answer.result == {
        "name": "github",
        "scope": "tenant",
        "value_version": 1,
        "allowed_hosts": ["https://api.github.com:443"],
        "version": 2,
    }
    assert world.store.topics == ["secret.created", "secret.stored"]
    (row,) = world.store.side_rows
    assert isinstance(row, StoredVaultEntry)
    assert world.vault.values[world.tenant_id, row.entry_id].value == VALUE
    told = [event.state for event in world.store.events] + [orjson.dumps(answer.result)]
    assert [text for text in told if VALUE.encode() in text] == []
    assert VALUE not in repr(PutSecret("github", VALUE))


async def test_a_new_value_replaces_the_old_one() -> None:
    world = World()
    await world.given(PutSecret("github", VALUE), PutSecret("github", VALUE))
    answer = await world.when(PutSecret("github", "another", ["*"]))
    assert (answer.result["value_version"], answer.result["allowed_hosts"]) == (3, ["*"])
    (kept,) = world.vault.values.values()
    assert (kept.value, kept.value_version, kept.allowed_hosts) == ("another", 3, ("*",))


async def test_a_person_has_secrets_of_their_own_beside_the_tenants() -> None:
    world = World()
    ada = world.caller_with("secrets:write", user_id=ADA)
    await world.when(PutSecret("github", "of the tenant"), caller=ada)
    answer = await world.when(PutSecret("github", "of ada", is_own=True), caller=ada)
    assert answer.result["scope"] == "user"
    ids = [secret_id(world.tenant_id, owner, "github") for owner in (None, ADA)]
    values = [world.vault.values[world.tenant_id, one].value for one in ids]
    assert values == ["of the tenant", "of ada"]


async def test_nobody_reaches_the_secrets_of_another_person() -> None:
    world = World()
    ada, bob = (world.caller_with("secrets:write", user_id=user_id) for user_id in (ADA, BOB))
    await world.when(PutSecret("github", VALUE, is_own=True), caller=ada)
    for is_own in (True, False):
        with pytest.raises(SecretNotFound):
            await world.when(RemoveSecret("github", is_own=is_own), caller=bob)


async def test_who_is_nobody_in_particular_has_no_secrets_of_their_own() -> None:
    with pytest.raises(Invalid) as refusal:
        await World().when(PutSecret("github", VALUE, is_own=True))
    assert [(e.path, e.code) for e in refusal.value.errors] == [("/scope", "no_user")]


async def test_a_secret_is_removed_with_its_value() -> None:
    world = World()
    await world.given(PutSecret("github", VALUE))
    answer = await world.when(RemoveSecret("github"))
    assert answer.result["is_removed"] is True
    entry_id = secret_id(world.tenant_id, None, "github")
    assert world.store.side_rows[1:] == [RemovedVaultEntry(entry_id)]
    with pytest.raises(SecretNotFound):
        await world.when(RemoveSecret("github"))


@pytest.mark.parametrize("name", ["", "a/b", "a b", "-a", "é", "x" * 65, "a\n"])
async def test_a_name_is_one_that_a_reference_can_say(name: str) -> None:
    for command in (PutSecret(name, VALUE), RemoveSecret(name)):
        with pytest.raises(Invalid) as refusal:
            await World().when(command)
        assert [error.path for error in refusal.value.errors] == ["path:name"]


async def test_every_wrong_host_is_named_by_its_place() -> None:
    with pytest.raises(Invalid) as refusal:
        await World().when(PutSecret("a", VALUE, ["ok.test", "a/b", "c d"]))
    places = [(error.path, error.code) for error in refusal.value.errors]
    assert places == [
        ("/allowed_hosts/1", "invalid_host"),
        ("/allowed_hosts/2", "invalid_host"),
    ]


async def test_secrets_need_their_scope() -> None:
    world = World()
    for command in (PutSecret("a", VALUE), RemoveSecret("a")):
        with pytest.raises(MissingScope):
            await world.when(command, caller=world.caller_with("read", "workflows:write"))


async def test_whose_scope_reaches_only_their_own_touch_nothing_of_the_tenants() -> None:
    world = World()
    scope = "secrets:write"
    ada = replace(world.caller_with(scope, user_id=ADA), own_only=frozenset({scope}))
    with pytest.raises(MissingScope):
        await world.when(PutSecret("github", VALUE, is_own=False), caller=ada)
    assert world.store.events == []
    stored = await world.when(PutSecret("github", VALUE, is_own=True), caller=ada)
    assert stored.result["scope"] == "user"
