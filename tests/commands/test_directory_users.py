"""Whom a directory brings, it may send away; and whoever it brought may become one account at its
provider, and never another one.
"""

from dataclasses import replace
from uuid import UUID

import pytest

from commands.authorization import Caller, MissingScope
from commands.decisions import VersionMismatch
from commands.directory_users import (
    CreateDirectoryUser,
    DirectoryProfile,
    NotADirectory,
    RemoveDirectoryUser,
    ReplaceDirectoryUser,
)
from commands.identity_providers import IssueDirectoryToken
from domain.directory_users import DirectoryUserNotFound
from domain.identity_providers import NoDirectory
from tests.commands.test_external_identities import ADA, Company
from tests.commands.test_identity_providers import ACME

WITH_DIRECTORY = replace(ACME, is_directory=True)
BROUGHT = DirectoryProfile(
    user_name="ada",
    external_id="00u1",
    email="ada@acme.example",
    name="Ada",
    is_active=True,
    attributes={"userName": "ada"},
)


async def a_directory(company: Company) -> Caller:
    answer = await company.when(IssueDirectoryToken("acme"))
    actor = f"api_key:{answer.result['api_key_id']}"
    return company.caller_with("scim", actor=actor)


async def brought(company: Company, directory: Caller) -> UUID:
    answer = await company.when(CreateDirectoryUser(BROUGHT), caller=directory)
    return UUID(str(answer.result["user_id"]))


async def test_whoever_was_brought_becomes_the_first_account_that_the_provider_vouches_for() -> (
    None
):
    company = await Company().open(WITH_DIRECTORY)
    user_id = await brought(company, await a_directory(company))
    assert await company.signs_in() == user_id
    assert await company.signs_in() == user_id
    assert "link" in await company.refuses(replace(ADA, subject="ada-2"))


async def test_another_provider_that_vouches_for_the_address_gives_no_account() -> None:
    company = await Company().open(WITH_DIRECTORY)
    await brought(company, await a_directory(company))
    await company.when(replace(ACME, name="other", issuer="https://other.example"))
    command = company.at("other")
    assert "link" in await command.refuses(replace(ADA, issuer="https://other.example"))


async def test_groups_of_a_token_do_not_change_the_role_that_the_directory_gives() -> None:
    company = await Company().open(WITH_DIRECTORY)
    user_id = await brought(company, await a_directory(company))
    await company.signs_in(replace(ADA, groups=("platform",)))
    assert (await company.user(user_id)).role == "USER"


async def test_somebody_who_was_sent_away_does_not_sign_in() -> None:
    company = await Company().open(WITH_DIRECTORY)
    directory = await a_directory(company)
    user_id = await brought(company, directory)
    await company.signs_in()
    await company.when(RemoveDirectoryUser(user_id), caller=directory)
    assert await company.refuses() == "the person is not active"
    with pytest.raises(DirectoryUserNotFound):
        await company.when(RemoveDirectoryUser(user_id), caller=directory)


async def test_what_somebody_else_changed_meanwhile_is_not_written_over() -> None:
    company = await Company().open(WITH_DIRECTORY)
    directory = await a_directory(company)
    user_id = await brought(company, directory)
    changed = replace(BROUGHT, attributes={"userName": "ada", "displayName": "A"})
    await company.when(ReplaceDirectoryUser(user_id, changed, 1), caller=directory)
    with pytest.raises(VersionMismatch):
        await company.when(ReplaceDirectoryUser(user_id, BROUGHT, 1), caller=directory)


async def test_only_the_key_of_a_directory_brings_users() -> None:
    company = await Company().open(WITH_DIRECTORY)
    for actor in (f"api_key:{UUID(int=9)}", "user:ada"):
        with pytest.raises(NotADirectory):
            await brought(company, company.caller_with("scim", actor=actor))
    with pytest.raises(MissingScope):
        await brought(company, company.caller_with("read"))


async def test_a_provider_without_a_directory_gets_no_token_and_loses_its_voice() -> None:
    company = await Company().open()
    with pytest.raises(NoDirectory):
        await company.when(IssueDirectoryToken("acme"))
    await company.when(replace(WITH_DIRECTORY, client_secret=None))
    directory = await a_directory(company)
    await company.when(replace(ACME, client_secret=None))
    with pytest.raises(NotADirectory):
        await brought(company, directory)


async def test_the_token_is_shown_once_and_belongs_to_nobody() -> None:
    company = await Company().open(WITH_DIRECTORY)
    first = await company.when(IssueDirectoryToken("acme"), key="k")
    again = await company.when(IssueDirectoryToken("acme"), key="k")
    assert "api_key" in first.result
    assert "api_key" not in again.result
    states = [state for state in company.store.states if "scopes" in state]
    assert [(state["scopes"], state["user_id"]) for state in states] == [(["scim"], None)]
