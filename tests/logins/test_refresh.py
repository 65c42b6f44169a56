"""Refresh tokens: each counts once, and whoever brings an old one back ends the session."""

import asyncio
from datetime import timedelta

from infra.refresh_tokens import GRACE_S
from tests.logins.stage import IDLE, SESSION, Stage, Tokens, unique_email
from tests.write_api.api import problem


async def somebody(login: Stage) -> Tokens:
    email = unique_email()
    await login.a_tenant(email)
    return await login.logged_in(email)


async def refused(login: Stage, token: str) -> bool:
    answer = await login.post("/auth/refresh", {"refresh_token": token})
    if answer.status_code == 200:
        return False
    problem(answer, 401, "refresh_refused")
    return True


async def test_a_refresh_gives_new_tokens_of_the_same_session(login: Stage) -> None:
    first = await somebody(login)
    second = await login.refreshed(first.refresh)
    assert second.refresh != first.refresh
    before, after = [await login.tokens.verify(one.access) for one in (first, second)]
    assert before.session_id == after.session_id
    # One in a day is no news; the log says when a session began and ended.
    assert await login.is_known(first.access)
    assert await login.is_known(second.access)


async def test_20_parallel_refreshes_of_one_token_have_one_successor(login: Stage) -> None:
    tokens = await somebody(login)
    refreshed = await asyncio.gather(*(login.refreshed(tokens.refresh) for _ in range(20)))
    assert len({one.refresh for one in refreshed}) == 1
    assert not await refused(login, refreshed[0].refresh)


async def test_a_crash_between_the_use_and_the_answer_is_healed_by_a_retry(login: Stage) -> None:
    """What was answered is lost, with whoever answered."""
    tokens = await somebody(login)
    await login.refreshed(tokens.refresh)
    login.clock.pass_time(seconds=GRACE_S)
    again = await login.refreshed(tokens.refresh)
    assert not await refused(login, again.refresh)


async def test_a_replayed_refresh_token_ends_the_session_at_once(login: Stage) -> None:
    tokens = await somebody(login)
    newer = await login.refreshed(tokens.refresh)
    assert await login.is_known(newer.access)
    login.clock.pass_time(seconds=GRACE_S + 1)
    assert await refused(login, tokens.refresh)
    assert await refused(login, newer.refresh)
    assert not await login.is_known(newer.access)


async def test_a_stolen_family_is_noticed_even_within_the_grace(login: Stage) -> None:
    """The first comes back after the third was given: not the one just before the newest."""
    first = await somebody(login)
    second = await login.refreshed(first.refresh)
    third = await login.refreshed(second.refresh)
    assert await refused(login, first.refresh)
    assert await refused(login, third.refresh)
    assert not await login.is_known(third.access)


async def test_the_end_of_a_stolen_session_is_on_record(login: Stage) -> None:
    before = (await login.topics("session")).count("session.ended")
    tokens = await somebody(login)
    await login.refreshed(tokens.refresh)
    login.clock.pass_time(seconds=GRACE_S + 1)
    for _ in range(2):
        assert await refused(login, tokens.refresh)
    assert (await login.topics("session")).count("session.ended") == before + 1


async def test_a_refresh_token_that_nobody_uses_is_over_after_a_while(login: Stage) -> None:
    tokens = await somebody(login)
    login.clock.pass_time(seconds=(IDLE - timedelta(seconds=1)).total_seconds())
    newer = await login.refreshed(tokens.refresh)
    login.clock.pass_time(seconds=IDLE.total_seconds())
    assert await refused(login, newer.refresh)


async def test_no_refresh_goes_beyond_the_end_of_the_session(login: Stage) -> None:
    tokens = await somebody(login)
    step = IDLE - timedelta(hours=1)
    passed = timedelta()
    while passed + step < SESSION:
        login.clock.pass_time(seconds=step.total_seconds())
        passed += step
        tokens = await login.refreshed(tokens.refresh)
    login.clock.pass_time(seconds=(SESSION - passed).total_seconds())
    assert await refused(login, tokens.refresh)


async def test_a_session_that_was_ended_cannot_be_refreshed(login: Stage) -> None:
    tokens = await somebody(login)
    out = await login.post("/auth/logout", None, headers=tokens.header)
    assert out.status_code == 200, out.text
    assert not await login.is_known(tokens.access)
    assert await refused(login, tokens.refresh)


async def test_another_process_hears_of_the_end_within_seconds(login: Stage, other: Stage) -> None:
    """Without its tail, which tells at once: what it remembers is over by itself."""
    tokens = await somebody(login)
    assert await other.is_known(tokens.access)
    await login.post("/auth/logout", None, headers=tokens.header)
    assert await other.is_known(tokens.access)
    other.time_s[0] += 5
    assert not await other.is_known(tokens.access)
