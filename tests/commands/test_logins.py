"""What is stored when somebody changes how they prove who they are."""

from dataclasses import replace
from uuid import UUID

import pytest

from commands.login_port import (
    ConfirmedSecondFactor,
    RemovedResetTokens,
    RemovedSecondFactor,
    ReplacedPassword,
    ReplacedRecoveryCodes,
    StoredResetToken,
)
from commands.logins import (
    RESET_LIFETIME,
    ChangePassword,
    DisableSecondFactor,
    EnableSecondFactor,
    ReplaceRecoveryCodes,
    RequestReset,
    UseRecoveryCode,
)
from commands.tenants import CreateTenant
from domain.logins import SecondFactorMissing, SecondFactorPresent
from tests.commands.fakes import EMAIL, NOON, World


async def a_person(world: World) -> UUID:
    """From now on the caller of the world."""
    made = await world.when(
        CreateTenant("Acme", EMAIL, "correct horse battery"), caller=world.operator
    )
    user_id = UUID(str(made.result["user_id"]))
    tenant_id = UUID(str(made.result["tenant_id"]))
    world.caller = replace(world.caller, tenant_id=tenant_id, user_id=user_id)
    world.store.side_rows.clear()
    return user_id


async def test_a_changed_password_is_a_fact_and_its_hash_lies_beside_it() -> None:
    world = World()
    user_id = await a_person(world)
    await world.when(ChangePassword("reset", "hash of the new one"))
    assert world.store.topics[-2:] == ["login.created", "login.password_changed"]
    assert "hash" not in str(world.store.states)
    replaced, removed, _ = world.store.side_rows
    assert replaced == ReplacedPassword(user_id, "hash of the new one")
    assert removed == RemovedResetTokens(user_id)


async def test_a_reset_is_a_fact_and_its_token_only_in_the_mail() -> None:
    world = World()
    user_id = await a_person(world)
    await world.when(RequestReset("alp_token", b"hash of it"))
    stored, _ = world.store.side_rows
    assert stored == StoredResetToken(user_id, b"hash of it", NOON + RESET_LIFETIME)
    (mail,) = world.mailbox.mails
    assert "alp_token" in mail.text
    assert "alp_token" not in str(world.store.states)


async def test_there_is_one_second_factor_or_none() -> None:
    world = World()
    user_id = await a_person(world)
    with pytest.raises(SecondFactorMissing):
        await world.when(DisableSecondFactor())
    with pytest.raises(SecondFactorMissing):
        await world.when(ReplaceRecoveryCodes([b"1"]))
    await world.when(EnableSecondFactor([b"1", b"2"]))
    codes = ReplacedRecoveryCodes(user_id, [b"1", b"2"])
    assert world.store.side_rows == [ConfirmedSecondFactor(user_id), codes]
    with pytest.raises(SecondFactorPresent):
        await world.when(EnableSecondFactor([b"3"]))
    await world.when(UseRecoveryCode())
    await world.when(DisableSecondFactor())
    assert world.store.side_rows[-1] == RemovedSecondFactor(user_id)
    assert world.store.topics[-2:] == ["login.recovery_code_used", "login.second_factor_disabled"]
