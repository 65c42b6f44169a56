"""Commands that an operator runs, killed at every crash point and run again, beside a live
installation.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest

from tests.faults.broken import Broken
from tests.faults.conftest import WAIT_S, environment_of
from tests.faults.processes import Installation, Started
from tests.ports import free_port

pytestmark = pytest.mark.timeout(600)

CHAINS = {
    "migrate": [
        "migration.before_commit",
        "migration.after_commit",
        "migration.before_commit:5",
        "migration.after_commit:3",
        "schema.before_commit",
        "schema.after_commit",
    ],
    "rebuild": [
        "rebuild.after_create",
        "rebuild.before_page",
        "rebuild.after_page",
        "rebuild.before_swap",
        "rebuild.after_swap",
    ],
    "replay": ["replay.before_commit", "replay.after_commit"],
    "rotate": ["rotation.before_commit", "rotation.after_commit"],
    "erase": ["erasure.before_page", "erasure.after_page"],
}
UNSEALED = """
SELECT FROM events AS e WHERE NOT EXISTS (
  SELECT FROM log_seals AS s
   WHERE (s.era, s.tx_id, s.notification_id) >= (e.era, e.tx_id, e.notification_id)) LIMIT 1
"""
# A state that is no JSON, in the last event of a run.
SPOIL = """
UPDATE events SET state = %(state)s
 WHERE originator_id = %(run)s AND originator_version =
       (SELECT max(originator_version) FROM events WHERE originator_id = %(run)s)
RETURNING (SELECT state FROM events AS e WHERE e.originator_id = %(run)s
            ORDER BY originator_version DESC LIMIT 1)
"""


async def test_a_schema_that_was_made_in_pieces_is_whole(
    database_of_its_own: Callable[[str], str], master_key: str, tmp_path: Path
) -> None:
    url = database_of_its_own("template0")
    installation = Installation(environment_of(url, master_key, free_port()), tmp_path)
    broken = Broken(installation, client=None, effects=None)  # pyright: ignore[reportArgumentType] # nobody calls it
    try:
        for point in CHAINS["migrate"]:
            await broken.crash(point, "migrate")
        for expected in (0, 0):
            migrated = await installation.run("migrate")
            assert migrated.exit_code == expected, migrated.said()
        assert '{"applied":[],"filled":[]}' in migrated.said()
    finally:
        installation.end()


async def lived(broken: Broken) -> Started:
    """A live installation, some of whose runs have ended."""
    process = broken.installation.start("all")
    broken.begin_runs()
    await broken.require_everything_holds()
    return process


async def test_a_rebuild_that_died_is_begun_anew_beside_the_live_projector(
    on_either: Broken,
) -> None:
    await lived(on_either)
    for point in CHAINS["rebuild"]:
        await on_either.crash(point, "rebuild", "executions")
        await on_either.require_verified()
    on_either.begin_runs()
    rebuilt = await on_either.installation.run("rebuild", "all")
    assert rebuilt.exit_code == 0, rebuilt.said()
    await on_either.require_everything_holds()


async def test_a_parked_stream_whose_replay_died_is_replayed_once(on_either: Broken) -> None:
    await lived(on_either)
    for point in CHAINS["replay"]:
        await park_a_run(on_either)
        await on_either.crash(point, "replay")
        replayed = await on_either.installation.run("replay")
        assert replayed.exit_code == 0, replayed.said()
        await on_either.require_verified()


async def test_an_erasure_that_died_is_ended_by_the_next_try(on_either: Broken) -> None:
    await lived(on_either)
    async with on_either.owner() as conn:
        row = await (await conn.execute("SELECT tenant_id FROM executions_v5 LIMIT 1")).fetchone()
        assert row is not None
        for point in CHAINS["erase"]:
            await on_either.crash(point, "erase", str(row[0]))
        ended = await on_either.installation.run("erase", str(row[0]))
        assert ended.exit_code == 0, ended.said()
        left = await (await conn.execute("SELECT count(*) FROM executions_v5")).fetchone()
    assert left == (0,)
    assert [check.name for check in await on_either.checks() if not check.ok] == []


async def test_a_rotation_that_died_goes_on_where_it_was(on_either: Broken) -> None:
    await lived(on_either)
    installation = on_either.installation
    environment = cast("dict[str, str]", installation.environment)
    old = environment["AGENTLEDGER_MASTER_KEY"]
    environment["AGENTLEDGER_MASTER_KEY"] = "the next master key, of thirty-two bytes or more"
    environment["AGENTLEDGER_MASTER_KEY_PREVIOUS"] = old
    environment["AGENTLEDGER_LOOKUP_KEY"] = old
    migrated = await installation.run("migrate")
    assert migrated.exit_code == 0, migrated.said()
    for point in CHAINS["rotate"]:
        await on_either.crash(point, "rotate")
    rotated = await installation.run("rotate")
    assert rotated.exit_code == 0, rotated.said()
    async with on_either.owner() as conn:
        cursor = await conn.execute("SELECT key_version FROM key_encryption_keys")
        assert await cursor.fetchall() == [(2,)]
    await on_either.require_verified()


async def park_a_run(broken: Broken) -> None:
    """An event cannot be read while the read models are rebuilt; then it can again."""
    (runs,) = await broken.all_runs_begun()
    async with broken.owner() as conn:
        # What is sealed while it is spoilt would not be what is there afterwards.
        async with asyncio.timeout(WAIT_S):
            while await (await conn.execute(UNSEALED)).fetchone() is not None:
                await asyncio.sleep(0.05)
        spoilt = await conn.execute(SPOIL, {"run": runs["trip"], "state": b"{"})
        (state,) = await spoilt.fetchone() or (None,)
        rebuilt = await broken.installation.run("rebuild", "executions")
        assert '"parked_count":1' in rebuilt.said()
        await conn.execute(SPOIL, {"run": runs["trip"], "state": state})
