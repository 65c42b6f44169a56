"""What a group gives is given in the append that changes the group, and a tenant keeps an
administrator whatever its directory says.
"""

from dataclasses import replace
from uuid import UUID

import pytest

from commands import directory_roles
from commands.directory_groups import (
    CreateDirectoryGroup,
    RemoveDirectoryGroup,
    ReplaceDirectoryGroup,
)
from commands.directory_roles import TooManyRolesChanged
from commands.directory_users import CreateDirectoryUser
from tests.commands.test_directory_users import BROUGHT, WITH_DIRECTORY, a_directory
from tests.commands.test_external_identities import Company


async def test_the_last_administrator_stays_when_a_directory_loses_its_groups() -> None:
    company = Company()
    await company.when(WITH_DIRECTORY)
    directory = await a_directory(company)
    user_ids: list[UUID] = []
    for name in ("ada", "bob"):
        profile = replace(BROUGHT, user_name=name, email=f"{name}@acme.example")
        answer = await company.when(CreateDirectoryUser(profile), caller=directory)
        user_ids.append(UUID(str(answer.result["user_id"])))
    group = await company.when(CreateDirectoryGroup("platform", None, user_ids), caller=directory)
    group_id = UUID(str(group.result["group_id"]))
    assert [(await company.user(one)).role for one in user_ids] == ["ADMIN", "ADMIN"]
    await company.when(RemoveDirectoryGroup(group_id), caller=directory)
    assert sorted([(await company.user(one)).role for one in user_ids]) == ["ADMIN", "USER"]


async def test_one_change_concerns_a_bounded_number_of_roles(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(directory_roles, "ROLES_CHANGED_MAX", 0)
    company = await Company().open(WITH_DIRECTORY)
    directory = await a_directory(company)
    answer = await company.when(CreateDirectoryUser(BROUGHT), caller=directory)
    user_id = UUID(str(answer.result["user_id"]))
    group = await company.when(CreateDirectoryGroup("makers", None, [user_id]), caller=directory)
    group_id = UUID(str(group.result["group_id"]))
    with pytest.raises(TooManyRolesChanged):
        await company.when(
            ReplaceDirectoryGroup(group_id, "platform", None, [user_id]), caller=directory
        )


async def test_a_group_that_stays_as_it_is_is_no_fact() -> None:
    company = await Company().open(WITH_DIRECTORY)
    directory = await a_directory(company)
    group = await company.when(CreateDirectoryGroup("makers", "g1", []), caller=directory)
    before = len(company.store.events)
    same = ReplaceDirectoryGroup(UUID(str(group.result["group_id"])), "makers", "g1", [])
    await company.when(same, caller=directory)
    assert len(company.store.events) == before
