"""Sessions: whose they are, who may end them, and how many there may be."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from commands.login_port import EndedSession, StoredSession
from commands.sessions import SESSIONS_PER_USER_MAX, EndSession, EndSessions, StartSession
from domain.sessions import SessionNotFound
from tests.commands.fakes import NOON, World

ADA, BOB = UUID(int=1), UUID(int=2)
OWN = frozenset({"account:write"})


def a_start() -> StartSession:
    ends = NOON + timedelta(days=30)
    return StartSession(("password",), "curl", ends, b"hash", NOON + timedelta(days=7))


async def a_session(world: World, user_id: UUID = ADA) -> UUID:
    caller = replace(world.caller, user_id=user_id, scopes=OWN, own_only=OWN)
    answer = await world.when(a_start(), caller=caller)
    return UUID(str(answer.result["session_id"]))


async def test_a_session_is_stored_with_the_hash_of_its_token_beside_it() -> None:
    world = World()
    session_id = await a_session(world)
    (row,) = world.store.side_rows
    assert row == StoredSession(
        session_id, ADA, NOON + timedelta(days=30), b"hash", NOON + timedelta(days=7)
    )
    assert world.store.topics == ["session.created"]


async def test_an_own_session_can_be_ended_and_twice_is_once() -> None:
    world = World()
    session_id = await a_session(world)
    ada = replace(world.caller, user_id=ADA, scopes=OWN, own_only=OWN)
    for _ in range(2):
        await world.when(EndSession(session_id), caller=ada)
    assert world.store.topics == ["session.created", "session.ended"]
    assert world.store.side_rows[-1] == EndedSession(session_id)


async def test_another_persons_session_is_not_there_but_for_an_administrator() -> None:
    world = World()
    session_id = await a_session(world)
    bob = replace(world.caller, user_id=BOB, scopes=OWN, own_only=OWN)
    for command in (EndSession(session_id), EndSessions(ADA)):
        with pytest.raises(SessionNotFound):
            await world.when(command, caller=bob)
    assert (await world.when(EndSessions(ADA))).result == {"ended_count": 1}


async def test_a_key_of_nobody_has_no_sessions_of_its_own() -> None:
    world = World()
    with pytest.raises(SessionNotFound):
        await world.when(EndSessions())


async def test_the_oldest_session_ends_when_there_are_too_many() -> None:
    world = World()
    oldest = await a_session(world)
    for _ in range(SESSIONS_PER_USER_MAX - 1):
        await a_session(world)
    assert "session.ended" not in world.store.topics
    await a_session(world)
    assert world.store.topics.count("session.ended") == 1
    assert world.store.side_rows[-1] == EndedSession(oldest)
