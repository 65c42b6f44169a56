"""Rules of a tenant for logins, as events."""

import pytest

from commands.login_rules import SetLoginRules
from domain.errors import Invalid
from tests.commands.fakes import World


async def test_rules_are_facts_once_they_differ() -> None:
    world = World()
    await world.when(SetLoginRules(require_mfa=False))
    assert world.store.topics == ["login_rules.created"]
    answer = await world.when(SetLoginRules(require_mfa=True, mfa_roles=("USER", "ADMIN", "USER")))
    assert answer.result["mfa_roles"] == ["ADMIN", "USER"]
    await world.when(SetLoginRules(require_mfa=True, mfa_roles=("ADMIN", "USER")))
    assert world.store.topics == ["login_rules.created", "login_rules.changed"]


async def test_a_role_that_the_tenant_does_not_have_is_named_with_its_place() -> None:
    with pytest.raises(Invalid) as raised:
        await World().when(SetLoginRules(require_mfa=True, mfa_roles=("ADMIN", "EMPEROR")))
    assert [error.path for error in raised.value.errors] == ["/mfa_roles/1"]
