"""An append that nothing else is stored beside: it waits for nobody, and is stored once."""

import asyncio
import time

import psycopg
import pytest

from infra.append_statement import Append
from tests.infra.conftest import Parts
from tests.infra.log_steps import KILL_WRITERS, an_append


def events_of(append: Append, conn: psycopg.Connection) -> int:
    """How many of them are stored. conn: of a superuser, with autocommit."""
    sql = "SELECT count(*) FROM agentledger.events WHERE originator_id = %s::uuid"
    row = conn.execute(sql, (append.events[0][0].hex(),)).fetchone()
    assert row is not None
    return row[0]


async def test_the_answer_to_an_append_that_is_alone_is_polled_for_and_no_other(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    polls = 0

    def poll() -> None:
        nonlocal polls
        polls += 1

    monkeypatch.setattr("infra.connections.os.sched_yield", poll)
    together = (parts.group_commit.append(an_append()) for _ in range(2))
    await asyncio.gather(*together)
    assert polls == 0
    for _ in range(3):  # Nobody polls for the next answer when that to the first took too long.
        await parts.group_commit.append(an_append())
    assert polls > 0


async def test_an_append_that_follows_one_that_was_alone_is_sent_before_anything_else_has_a_turn(
    parts: Parts, database_url: str
) -> None:
    await parts.group_commit.append(an_append())
    append = an_append()
    stored = parts.group_commit.append(append)
    with psycopg.connect(database_url, autocommit=True) as conn:  # The event loop stands still.
        stored_by = time.monotonic() + 10
        while not (count := events_of(append, conn)):
            assert time.monotonic() < stored_by
    assert count == 1
    assert await stored is not None


async def test_what_was_sent_on_a_connection_that_broke_at_once_is_stored_once(
    parts: Parts, database_url: str
) -> None:
    with psycopg.connect(database_url, autocommit=True) as conn:
        for _ in range(10):
            await parts.group_commit.append(an_append())
            append = an_append()
            stored = parts.group_commit.append(append)
            conn.execute(KILL_WRITERS)
            assert await stored is not None
            assert events_of(append, conn) == 1
