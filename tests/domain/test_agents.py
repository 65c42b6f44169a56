"""Every change of an agent is a new version, and old versions stay."""

from typing import Any
from uuid import UUID

from domain.agents import Agent, AgentNotFound, AgentVersionNotFound
from tests.domain.given import Act, Story, given, raises

AGENT_ID = UUID("01890000-0000-7000-8000-0000000000aa")
PROFILE: Any = {"name": "Writer", "model": "offline/echo", "instructions": "Be brief."}


def an_agent() -> Story[Agent]:
    return Story(Agent(id=AGENT_ID, profile=PROFILE))


def revise(**changes: Any) -> Act:
    return lambda story: story.aggregate.revise(changes)


def delete() -> Act:
    return lambda story: story.aggregate.delete()


def profile(agent_version: int | None = None) -> Act:
    return lambda story: story.aggregate.profile(agent_version)


def test_a_change_is_a_new_version() -> None:
    revised = {**PROFILE, "model": "offline/script"}
    story = given(an_agent()).when(revise(model="offline/script"))
    story.then(("agent.revised", {"agent_version": 2, "profile": revised}))
    assert story.when(profile()).answer == (2, revised)
    assert story.when(profile(1)).answer == (1, PROFILE)


def test_changing_nothing_records_nothing() -> None:
    given(an_agent()).when(revise(model="offline/echo")).then()


def test_a_version_that_never_was_is_unknown() -> None:
    given(an_agent()).when(raises(AgentVersionNotFound, profile(2))).then()


def test_a_deleted_agent_changes_no_more_but_stays_readable() -> None:
    story = given(an_agent()).when(delete()).then(("agent.deleted", {}))
    story.when(raises(AgentNotFound, revise(name="x"))).then()
    story.when(raises(AgentNotFound, delete())).then()
    assert story.when(profile(1)).answer == (1, PROFILE)


def limit(**limits: Any) -> Act:
    return lambda story: story.aggregate.limit(limits)


def test_limits_are_of_the_agent_and_make_no_version() -> None:
    story = given(an_agent()).when(limit(concurrent_calls=3, tokens_per_min=None))
    story.then(("agent.limited", {"limits": {"concurrent_calls": 3}}))
    assert story.aggregate.current_version == 1
    story.when(limit(concurrent_calls=3)).then()
    story.when(limit()).then(("agent.limited", {"limits": {}}))
    given(story, delete()).when(raises(AgentNotFound, limit(concurrent_calls=1))).then()
