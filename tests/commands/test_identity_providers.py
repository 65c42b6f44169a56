"""Whoever says where people sign in decides what they may do, so nobody gives more than they hold;
and what a provider was told to be believed is told to nobody else.
"""

from dataclasses import replace

import pytest

from commands.authorization import MissingScope, ScopeNotHeld
from commands.identity_providers import PutIdentityProvider, RemoveIdentityProvider
from commands.login_port import EndedSessionsOf
from commands.oauth_port import RemovedClientSecret, StoredClientSecret
from domain.errors import Invalid
from domain.identity_providers import IdentityProviderNotFound, identity_provider_id
from tests.commands.fakes import World

ACME = PutIdentityProvider(
    name="acme",
    kind="oidc",
    issuer="https://login.acme.example",
    client_id="ledger",
    client_secret="hush hush",
    allowed_domains=["Acme.Example", "acme.example"],
    default_role="USER",
    group_roles={"platform": "ADMIN"},
)


async def test_a_provider_is_configured_and_its_secret_sealed() -> None:
    world = World()
    answer = await world.when(ACME)
    assert answer.result["allowed_domains"] == ["acme.example"]
    assert "client_secret" not in answer.result
    assert world.store.topics == [
        "identity_provider.created",
        "identity_provider.configured",
        "identity_provider.secret_replaced",
    ]
    assert not [event for event in world.store.events if b"hush" in event.state]
    (row,) = world.store.side_rows
    assert isinstance(row, StoredClientSecret)
    assert row.provider_id == identity_provider_id(world.tenant_id, "acme")
    sealing = world.ports.sealing
    assert sealing is not None
    purpose, bound_to = "identity_provider.client_secret", str(row.provider_id)
    assert await sealing.open(world.tenant_id, purpose, row.sealed, bound_to) == b"hush hush"


async def test_the_secret_may_be_left_out_while_the_client_stays_the_same() -> None:
    world = World()
    await world.when(ACME)
    await world.when(replace(ACME, client_secret=None, default_role="VIEWER"))
    assert world.store.topics[3:] == ["identity_provider.configured"]
    assert len(world.store.side_rows) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"issuer": "https://evil.example"},
        {"client_id": "other"},
        {"kind": "github", "issuer": None},
    ],
)
async def test_a_kept_secret_is_not_sent_to_somebody_else(change: dict[str, str]) -> None:
    world = World()
    await world.when(ACME)
    with pytest.raises(Invalid) as refusal:
        await world.when(replace(ACME, client_secret=None, **change))
    assert [error.path for error in refusal.value.errors] == ["/client_secret"]


async def test_a_removed_provider_is_gone_with_its_secret_and_may_come_back_with_another() -> None:
    world = World()
    await world.when(ACME)
    await world.when(RemoveIdentityProvider("acme"))
    provider_id = identity_provider_id(world.tenant_id, "acme")
    gone = [RemovedClientSecret(provider_id), EndedSessionsOf(provider_id)]
    assert world.store.side_rows[1:] == gone
    with pytest.raises(IdentityProviderNotFound):
        await world.when(RemoveIdentityProvider("acme"))
    with pytest.raises(Invalid):
        await world.when(replace(ACME, client_secret=None))
    await world.when(ACME)


async def test_an_unknown_provider_cannot_be_removed() -> None:
    with pytest.raises(IdentityProviderNotFound):
        await World().when(RemoveIdentityProvider("acme"))


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"name": "Acme"}, "path:name"),
        ({"name": "a/b"}, "path:name"),
        ({"issuer": None}, "/issuer"),
        ({"issuer": "login.acme.example"}, "/issuer"),
        ({"issuer": "https://user:pass@acme.example"}, "/issuer"),
        ({"issuer": "https://acme.example/?a=b"}, "/issuer"),
        ({"issuer": "https://[::1"}, "/issuer"),
        ({"issuer": "https://acme.example/\nx"}, "/issuer"),
        ({"issuer": "file:///etc/passwd"}, "/issuer"),
        ({"kind": "google"}, "/issuer"),
        ({"allowed_domains": ["acme.example", "@acme"]}, "/allowed_domains/1"),
        ({"allowed_domains": ["*"]}, "/allowed_domains/0"),
        ({"default_role": "KING"}, "/default_role"),
        ({"group_roles": {"a/b": "KING"}}, "/group_roles/a~1b"),
    ],
)
async def test_a_mistake_is_named_by_its_place(change: dict[str, object], path: str) -> None:
    world = World()
    with pytest.raises(Invalid) as refusal:
        await world.when(replace(ACME, **change))
    assert [error.path for error in refusal.value.errors] == [path]
    assert world.store.events == []


@pytest.mark.parametrize("given", [{"default_role": "ADMIN"}, {"group_roles": {"all": "ADMIN"}}])
async def test_nobody_gives_strangers_a_role_that_may_more_than_they_may(
    given: dict[str, object],
) -> None:
    world = World()
    deputy = world.caller_with("identity_providers:write", "read")
    with pytest.raises(ScopeNotHeld):
        await world.when(replace(ACME, **given), caller=deputy)
    assert world.store.events == []


async def test_without_the_scope_nothing_is_configured() -> None:
    world = World()
    with pytest.raises(MissingScope):
        await world.when(ACME, caller=world.caller_with("read", "external_identities:write"))
