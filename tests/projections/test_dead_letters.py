"""Parked streams: listed, and released by a replay once their projection is mended."""

import asyncio
from dataclasses import replace

import pytest

from domain.executions import Execution
from projections.dead_letters import NotParked, parked_streams, replay
from projections.executions import EXECUTIONS
from projections.node_runs import NODE_RUNS
from projections.positions import take_positions
from projections.table import AnyProjection
from tests.projections.histories import Stream, a_finished_run, an_execution, completed, started
from tests.projections.ledger import Ledger, batches, folded_once


def refuse(row, event, key):
    if event.logged.version >= 3:
        raise ValueError("a \x00 that PostgreSQL cannot store")
    return NODE_RUNS.evolve(row, event, key)


def rename_nodes(event):
    return [(*key[:2], f"old {key[2]}") for key in NODE_RUNS.keys(event)]


BROKEN = replace(NODE_RUNS, evolve=refuse)
MISNAMED = replace(NODE_RUNS, evolve=refuse, keys=rename_nodes)


async def parked(ledger: Ledger, *runs: Stream, projection: AnyProjection = BROKEN) -> None:
    for run in runs:
        await ledger.append(run.events)
    await (await ledger.projector([projection])).handle(batches(await ledger.log()))


async def test_parked_streams_are_listed_with_the_first_event_that_was_not_applied(
    ledger: Ledger,
) -> None:
    run = a_finished_run()
    await parked(ledger, run)
    (letter,) = [letter async for letter in parked_streams(ledger.owner, NODE_RUNS)]
    assert (letter.projection, letter.stream_id) == ("node_runs_v4", run.stream_id)
    assert (letter.version, letter.topic, letter.attempts) == (3, "execution.node_completed", 1)
    assert letter.error == "ValueError: a \\x00 that PostgreSQL cannot store"
    assert [one async for one in parked_streams(ledger.owner, EXECUTIONS)] == []


async def test_a_replay_after_the_fix_brings_the_stream_up_to_date(ledger: Ledger) -> None:
    runs = [a_finished_run(), a_finished_run()]
    await parked(ledger, *runs)
    for run in runs:
        replayed = await replay(ledger.owner, NODE_RUNS, ledger.opened, run.stream_id)
        assert (replayed.version, replayed.error) == (7, None)
    assert await ledger.rows(NODE_RUNS) == folded_once(NODE_RUNS, runs)
    assert await ledger.violations([NODE_RUNS]) == []


async def test_the_projector_itself_may_replay(ledger: Ledger) -> None:
    run = a_finished_run()
    await parked(ledger, run)
    database = await ledger.database("projector")
    async with database.connection() as conn:
        assert (await replay(conn, NODE_RUNS, ledger.opened, run.stream_id)).error is None
    assert await ledger.rows(NODE_RUNS) == folded_once(NODE_RUNS, [run])


async def test_rows_that_the_mended_projection_does_not_make_any_more_are_gone(
    ledger: Ledger,
) -> None:
    run = completed(started(an_execution(), "draft"), "draft")
    await parked(ledger, run, projection=MISNAMED)
    assert [key[2] for key in await ledger.rows(NODE_RUNS)] == ["old draft"]
    await replay(ledger.owner, NODE_RUNS, ledger.opened, run.stream_id)
    assert [key[2] for key in await ledger.rows(NODE_RUNS)] == ["draft"]


async def test_a_running_projector_goes_on_with_the_stream_after_the_replay(
    ledger: Ledger,
) -> None:
    run = completed(started(an_execution(), "draft"), "draft")
    await parked(ledger, run)
    projector = await ledger.projector([NODE_RUNS])
    await replay(ledger.owner, NODE_RUNS, ledger.opened, run.stream_id)
    completed(started(run, "review"), "review")
    await ledger.append(run.events[3:])
    await projector.handle(batches((await ledger.log())[3:]))
    assert await ledger.rows(NODE_RUNS) == folded_once(NODE_RUNS, [run])


async def test_what_arrives_while_a_replay_waits_for_its_positions_is_applied_too(
    ledger: Ledger,
) -> None:
    run = completed(started(an_execution(), "draft"), "draft")
    await parked(ledger, run)
    async with ledger.connect() as other, ledger.connect() as conn:
        async with other.transaction():
            await take_positions(other, NODE_RUNS.table)
            replaying = asyncio.create_task(replay(conn, NODE_RUNS, ledger.opened, run.stream_id))
            async with asyncio.timeout(60):
                while not await ledger.scalar("SELECT count(*) FROM pg_locks WHERE NOT granted"):
                    await asyncio.sleep(0.005)
            completed(started(run, "review"), "review")
            await ledger.append(run.events[3:])
        assert (await replaying).version == 5
    assert await ledger.rows(NODE_RUNS) == folded_once(NODE_RUNS, [run])


async def test_a_replay_that_fails_again_changes_nothing_but_the_letter(ledger: Ledger) -> None:
    run = completed(started(an_execution(), "draft"), "draft")
    await parked(ledger, run)
    before = await ledger.rows(NODE_RUNS)
    replayed = await replay(ledger.owner, BROKEN, ledger.opened, run.stream_id)
    assert (replayed.version, replayed.error is None) == (2, False)
    assert await ledger.rows(NODE_RUNS) == before
    (letter,) = [letter async for letter in parked_streams(ledger.owner, NODE_RUNS)]
    assert letter.attempts == 2
    assert "is parked at version 2" in (await ledger.violations([NODE_RUNS]))[0]


async def test_a_replay_of_what_the_database_refuses_stays_parked(ledger: Ledger) -> None:
    run = an_execution(definition_hash="\x00").happens(Execution.Started)
    await parked(ledger, run, projection=EXECUTIONS)
    replayed = await replay(ledger.owner, EXECUTIONS, ledger.opened, run.stream_id)
    assert replayed.error is not None
    assert await ledger.scalar("SELECT attempts FROM dead_letters") == 2
    assert await ledger.rows(EXECUTIONS) == {}


async def test_only_a_parked_stream_can_be_replayed(ledger: Ledger) -> None:
    run = a_finished_run()
    await ledger.append(run.events)
    await (await ledger.projector()).handle(batches(await ledger.log()))
    for stream_id in (run.stream_id, a_finished_run().stream_id):
        with pytest.raises(NotParked):
            await replay(ledger.owner, NODE_RUNS, ledger.opened, stream_id)
