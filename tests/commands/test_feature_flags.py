"""Flags are the operator's; administrators override those that are for tenants."""

from dataclasses import replace
from uuid import UUID

import pytest

from commands.authorization import MissingScope
from commands.catalogue import HANDLERS
from commands.decisions import Command
from commands.feature_flags import DefineFlag, OverrideFlag, OverrideOwnFlag, RemoveFlag
from commands.feature_port import RemovedFlag, StoredFlag, StoredOverride
from commands.providers import PutProvider
from commands.tenants import CreateTenant
from domain.errors import Invalid
from domain.feature_flags import (
    BUILT_IN,
    OWN_PROVIDERS,
    SCIM,
    FeatureFlagNotFound,
    FeatureOff,
    FlagText,
    NotForTenants,
    Override,
)
from domain.identifiers import PLATFORM, TenantId
from domain.identity import UserNotFound
from tests.commands.fakes import World

TEXT = FlagText("beta", is_enabled=False, percentage=20)
ACME = CreateTenant("Acme", "Ada@Example.com", "correct horse battery")
# What is gated, by the flag that stands before it.
GATED: dict[str, set[str]] = {
    "webhooks": {"ReceiveDelivery", "ReceiveWebhook"},
    "own_providers": {"PutProvider"},
    "external_logins": {"PutIdentityProvider", "SignInExternally", "LinkExternalIdentity"},
    "scim": {
        "IssueDirectoryToken",
        *(
            f"{verb}Directory{kind}"
            for verb in ("Create", "Replace", "Remove")
            for kind in ("User", "Group")
        ),
    },
}


async def in_a_tenant(world: World) -> UUID:
    """The world's tenant is there, with its administrator."""
    answer = await world.when(ACME, caller=world.operator)
    world.tenant_id = TenantId(UUID(str(answer.result["tenant_id"])))
    world.caller = world.caller_with("*")
    return UUID(str(answer.result["user_id"]))


def test_every_flag_of_the_platform_stands_before_something() -> None:
    gated: dict[str, set[str]] = {}
    for kind in HANDLERS:
        if kind.feature is not None:
            gated.setdefault(kind.feature, set()).add(kind.__name__)
    assert gated == GATED
    assert set(GATED) == set(BUILT_IN)


async def test_the_operator_defines_and_removes_a_flag() -> None:
    world = World()
    answer = await world.when(DefineFlag("beta", TEXT), caller=world.operator)
    assert answer.result["percentage"] == 20
    await world.when(DefineFlag("beta", TEXT), caller=world.operator)
    await world.when(RemoveFlag("beta"), caller=world.operator)
    assert world.store.topics == [
        "feature_flag.created",
        "feature_flag.defined",
        "feature_flag.removed",
    ]
    assert {envelope.tenant_id for envelope in world.store.envelopes} == {PLATFORM}
    assert world.store.side_rows == [StoredFlag("beta", TEXT), RemovedFlag("beta")]
    with pytest.raises(FeatureFlagNotFound):
        await world.when(RemoveFlag("gamma"), caller=world.operator)
    for name in ("Beta", "", "a-b", "x" * 64):
        with pytest.raises(Invalid):
            await world.when(DefineFlag(name, TEXT), caller=world.operator)


async def test_nobody_of_a_tenant_defines_flags_or_overrides_as_the_operator() -> None:
    world = World()
    commands: list[Command] = [
        DefineFlag("beta", TEXT),
        RemoveFlag("beta"),
        OverrideFlag(world.tenant_id, SCIM, is_enabled=True),
    ]
    for command in commands:
        with pytest.raises(MissingScope):
            await world.when(command)


async def test_the_operator_overrides_a_flag_for_a_tenant_and_for_one_of_its_people() -> None:
    world = World()
    ada = await in_a_tenant(world)
    for user_id in (None, ada):
        command = OverrideFlag(world.tenant_id, SCIM, is_enabled=False, user_id=user_id)
        await world.when(command, caller=world.operator)
        override = Override(user_id, is_by_operator=True)
        assert world.store.side_rows[-1] == StoredOverride(SCIM, override, is_enabled=False)
        assert world.store.envelopes[-1].tenant_id == world.tenant_id
    stranger = OverrideFlag(world.tenant_id, SCIM, is_enabled=False, user_id=world.ids.new())
    with pytest.raises(UserNotFound):
        await world.when(stranger, caller=world.operator)
    unknown = OverrideFlag(world.tenant_id, "gamma", is_enabled=False)
    with pytest.raises(FeatureFlagNotFound):
        await world.when(unknown, caller=world.operator)


async def test_an_administrator_overrides_what_is_for_tenants_and_nothing_else() -> None:
    world = World()
    await in_a_tenant(world)
    with pytest.raises(NotForTenants):
        await world.when(OverrideOwnFlag(SCIM, is_enabled=True))
    world.features.texts["beta"] = replace(TEXT, is_for_tenants=True)
    await world.when(OverrideOwnFlag("beta", is_enabled=True))
    override = Override(None, is_by_operator=False)
    assert world.store.side_rows[-1] == StoredOverride("beta", override, is_enabled=True)
    with pytest.raises(MissingScope):
        await world.when(
            OverrideOwnFlag("beta", is_enabled=True), caller=world.caller_with("users:write")
        )


async def test_what_is_switched_off_is_refused_after_the_scope_and_stores_nothing() -> None:
    world = World()
    world.features.switch_off(OWN_PROVIDERS)
    put = PutProvider("ours", "openai", api_key="sk-1")
    with pytest.raises(MissingScope):
        await world.when(put, caller=world.caller_with("read"))
    with pytest.raises(FeatureOff) as refusal:
        await world.when(put)
    assert "own_providers" in refusal.value.detail
    assert world.store.events == []
