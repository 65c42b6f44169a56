"""A rebuild: beside the old table, then in its place, while everything goes on."""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import replace

import pytest

import projections.long_fold
import projections.rebuild
from commands.ports import LoggedEvent, partition_of
from infra.event_log import BEGINNING, read_commit_order
from infra.prepared_statements import PreparedStatements
from projections.agents import AGENTS
from projections.catalogue import PROJECTIONS
from projections.executions import EXECUTIONS
from projections.node_runs import NODE_RUNS
from projections.positions import take_positions
from projections.rebuild import Progress, RebuildRunning, rebuild
from projections.table import AnyProjection
from tests.projections.histories import (
    Stream,
    a_finished_run,
    a_tenant,
    an_agent,
    an_execution,
    completed,
    interleaved,
    random_run,
    started,
)
from tests.projections.ledger import ALL_PARTITIONS, PARTITIONS, Ledger, batches, folded_once
from tests.projections.tenant_histories import random_streams


async def applied(
    ledger: Ledger, streams: Sequence[Stream], projections: Sequence[AnyProjection] = PROJECTIONS
) -> None:
    await ledger.append(interleaved(random.Random(4), streams))
    await (await ledger.projector(projections)).handle(batches(await ledger.log(), cursor="end"))


async def test_a_rebuild_mends_whatever_was_wrong(ledger: Ledger) -> None:
    streams = random_streams(random.Random(6), a_tenant(), 20)
    await applied(ledger, streams)
    await ledger.fetch("UPDATE executions_v5 SET status = 'LOST', tokens_in = 99")
    await ledger.fetch("DELETE FROM executions_v5 WHERE version %% 2 = 0")
    await rebuild(EXECUTIONS, ledger.connect, ledger.opened)
    assert await ledger.rows(EXECUTIONS) == folded_once(EXECUTIONS, streams)
    assert await ledger.violations() == []


@pytest.mark.parametrize("projection", PROJECTIONS, ids=lambda p: p.table)
async def test_every_projection_can_be_rebuilt_alone(
    ledger: Ledger, projection: AnyProjection
) -> None:
    streams = random_streams(random.Random(7), a_tenant(), 5)
    await applied(ledger, streams)
    await rebuild(projection, ledger.connect, ledger.opened)
    assert await ledger.rows(projection) == folded_once(projection, streams)
    assert await ledger.violations() == []


async def test_a_history_larger_than_memory_is_folded_in_parts(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(projections.rebuild, "PAGE_EVENTS", 7)
    monkeypatch.setattr(projections.long_fold, "PART_ROWS_MAX", 5)
    monkeypatch.setattr(projections.long_fold, "WRITE_ROWS_MAX", 2)
    draw = random.Random(8)
    runs = [random_run(draw, a_tenant()) for _ in range(40)]
    await applied(ledger, runs)
    for projection in (EXECUTIONS, NODE_RUNS):
        await rebuild(projection, ledger.connect, ledger.opened)
        assert await ledger.rows(projection) == folded_once(projection, runs)
    assert await ledger.violations() == []


async def test_a_rebuilt_table_is_as_closed_as_the_old_one(ledger: Ledger) -> None:
    description = (
        "SELECT c.relname, c.relrowsecurity, c.relforcerowsecurity, c.relowner, c.relacl::text,"
        " array(SELECT polname::text FROM pg_policy WHERE polrelid = c.oid ORDER BY 1),"
        " array(SELECT regexp_replace(indexdef, ' INDEX .* ON', '') FROM pg_indexes"
        "        WHERE tablename = c.relname ORDER BY 1)"
        " FROM pg_class AS c WHERE c.relname LIKE 'executions%%' AND c.relkind = 'r' ORDER BY 1"
    )
    before = await ledger.fetch(description)
    await rebuild(EXECUTIONS, ledger.connect, ledger.opened)
    assert len(before) == 4  # With its two sums.
    assert await ledger.fetch(description) == before


async def test_a_new_projection_goes_on_where_the_others_stand(ledger: Ledger) -> None:
    runs = [a_finished_run() for _ in range(8)]
    await applied(ledger, runs, [EXECUTIONS])
    await ledger.fetch("DROP TABLE node_runs_v4, node_runs_v4_streams")
    await rebuild(NODE_RUNS, ledger.connect, ledger.opened)
    assert await ledger.rows(NODE_RUNS) == folded_once(NODE_RUNS, runs)
    starts = await (await ledger.projector([EXECUTIONS, NODE_RUNS])).assigned(ALL_PARTITIONS)
    begun = {partition_of(run.events[0].shard, PARTITIONS) for run in runs}
    assert {partition for partition, start in starts.items() if start.cursor == "end"} == begun


async def test_what_was_rebuilt_before_any_projector_ran_is_not_applied_twice(
    ledger: Ledger,
) -> None:
    streams = random_streams(random.Random(9), a_tenant(), 10)
    await ledger.append(interleaved(random.Random(9), streams))
    for projection in PROJECTIONS:
        await rebuild(projection, ledger.connect, ledger.opened)
    await (await ledger.projector()).handle(batches(await ledger.log()))
    for projection in PROJECTIONS:
        assert await ledger.rows(projection) == folded_once(projection, streams)
    assert await ledger.violations() == []


async def test_a_rebuild_may_come_out_ahead_of_a_projector_that_lags(ledger: Ledger) -> None:
    runs = [a_finished_run() for _ in range(6)]
    await ledger.append(interleaved(random.Random(1), runs))
    log = await ledger.log()
    projector = await ledger.projector()
    await projector.handle(batches(log[:10]))
    await rebuild(EXECUTIONS, ledger.connect, ledger.opened)
    assert await ledger.rows(EXECUTIONS) == folded_once(EXECUTIONS, runs)
    await projector.handle(batches(log[10:]))
    for projection in (EXECUTIONS, NODE_RUNS):
        assert await ledger.rows(projection) == folded_once(projection, runs)


async def test_parked_streams_get_another_chance(ledger: Ledger) -> None:
    healed, hopeless = a_finished_run(), an_execution(definition_hash="ok")
    hopeless.logs("execution.started", b"no JSON at all")
    broken = replace(EXECUTIONS, evolve=lambda *_: 1 / 0)
    await applied(ledger, [healed, hopeless], [broken])
    assert await ledger.scalar("SELECT count(*) FROM dead_letters") == 2
    rebuilt = await rebuild(EXECUTIONS, ledger.connect, ledger.opened)
    assert rebuilt.parked_count == 1
    assert await ledger.scalar("SELECT array_agg(stream_id) FROM dead_letters") == [
        hopeless.stream_id
    ]
    assert await ledger.scalar("SELECT count(*) FROM executions_v5 WHERE status = 'COMPLETED'") == 1


@pytest.mark.parametrize("part_rows", [3, 1000])
async def test_a_stream_that_the_database_refuses_is_parked_where_the_projector_parks_it(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, part_rows: int
) -> None:
    monkeypatch.setattr(projections.rebuild, "PAGE_EVENTS", 5)
    monkeypatch.setattr(projections.long_fold, "PART_ROWS_MAX", part_rows)
    runs = [a_finished_run() for _ in range(10)]
    bad = completed(started(an_execution(), "draft"), "draft")
    for path in ("\x00", *(f"more {number}" for number in range(20))):
        completed(started(bad, path), path)
    streams = [*runs[:5], bad, an_execution(definition_hash="\x00"), *runs[5:]]
    await ledger.append([event for stream in streams for event in stream.events])
    await (await ledger.projector()).handle(batches(await ledger.log()))
    state = "SELECT stream_id, version, is_parked FROM {}_streams"
    letters = "SELECT projection, stream_id, version, topic, error FROM dead_letters ORDER BY 1"
    for projection in (NODE_RUNS, EXECUTIONS):
        before = (
            await ledger.rows(projection),
            sorted(await ledger.fetch(state.format(projection.table))),
            await ledger.fetch(letters),
        )
        assert (await rebuild(projection, ledger.connect, ledger.opened)).parked_count == 1
        after = (
            await ledger.rows(projection),
            sorted(await ledger.fetch(state.format(projection.table))),
            await ledger.fetch(letters),
        )
        assert after == before


async def test_events_of_other_aggregates_are_not_even_read(ledger: Ledger) -> None:
    streams = [an_agent(), *(a_finished_run() for _ in range(3))]
    await applied(ledger, streams)
    assert (await rebuild(AGENTS, ledger.connect, ledger.opened)).events_count == 1


async def test_progress_is_told_from_the_first_event_to_the_last(ledger: Ledger) -> None:
    runs = [a_finished_run() for _ in range(3)]
    await applied(ledger, runs)
    told: list[Progress] = []
    await rebuild(EXECUTIONS, ledger.connect, ledger.opened, on_progress=told.append)
    assert (told[0].events_done, told[0].events_total, told[0].remaining_s) == (0, 21, None)
    assert (told[-1].events_done, told[-1].remaining_s) == (21, 0)


async def test_one_projection_is_rebuilt_once_at_a_time(ledger: Ledger) -> None:
    async def again() -> None:
        with pytest.raises(RebuildRunning):
            await rebuild(EXECUTIONS, ledger.connect, ledger.opened)
        await rebuild(NODE_RUNS, ledger.connect, ledger.opened)

    during: list[asyncio.Task[None]] = []

    def begin(progress: Progress) -> None:
        if not during:
            during.append(asyncio.create_task(again()))

    async with ledger.connect() as blocker, blocker.transaction():
        await blocker.execute("LOCK TABLE executions_v5 IN ACCESS EXCLUSIVE MODE")
        rebuilding = asyncio.create_task(
            rebuild(EXECUTIONS, ledger.connect, ledger.opened, on_progress=begin)
        )
        while not during:
            await asyncio.sleep(0.01)
        await during[0]
    await rebuilding


async def test_a_batch_read_from_the_old_table_is_not_written_to_the_new_one(
    ledger: Ledger,
) -> None:
    """It was read and waits for the positions while the swap happens, so it is read again."""
    run = started(an_execution(), "draft")
    await applied(ledger, [run])
    await ledger.fetch("UPDATE executions_v5 SET tokens_in = 1000")
    completed(run, "draft")
    await ledger.append(run.events[2:])
    projector = await ledger.projector()
    async with ledger.connect() as swap, swap.transaction():
        await take_positions(swap, EXECUTIONS.table)
        handling = asyncio.create_task(projector.handle(batches((await ledger.log())[2:])))
        async with asyncio.timeout(60):
            while not await ledger.scalar("SELECT count(*) FROM pg_locks WHERE NOT granted"):
                await asyncio.sleep(0.005)
        await swap.execute("UPDATE executions_v5 SET tokens_in = 0")
    await handling
    assert await ledger.rows(EXECUTIONS) == folded_once(EXECUTIONS, [run])


async def test_a_swap_that_has_to_step_back_loses_nothing(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before each try there is news that only the swap itself can fold."""
    runs = [a_finished_run()]
    await applied(ledger, runs)
    projector = await ledger.projector()

    async def more_happens(_: object) -> None:
        runs.append(a_finished_run())
        await ledger.append(runs[-1].events)
        await projector.handle(batches(await ledger.log(runs[-1])))

    monkeypatch.setattr(projections.rebuild._Rebuild, "_catch_up", more_happens)
    async with ledger.connect() as reader, asyncio.timeout(60):
        async with reader.transaction():
            await reader.execute("SELECT * FROM executions_v5")
            rebuilding = asyncio.create_task(rebuild(EXECUTIONS, ledger.connect, ledger.opened))
            while len(runs) < 4:
                await asyncio.sleep(0.01)
        await rebuilding
    assert await ledger.rows(EXECUTIONS) == folded_once(EXECUTIONS, runs)
    assert await ledger.violations() == []


class Traffic:
    """A writer, a projector that follows it, and two readers that watch one tenant.

    The slow reader keeps its locks longer than a swap will wait for them.
    """

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.tenant_id = a_tenant()
        self.streams: list[Stream] = []
        self.seen: list[int] = []
        self.is_over = False

    async def write(self) -> None:
        draw = random.Random(10)
        while not self.is_over:
            streams = [*random_streams(draw, a_tenant(), 4), a_finished_run(self.tenant_id)]
            self.streams.extend(streams)
            events = interleaved(draw, streams)
            async with self.ledger.connect() as conn:
                writer = replace(self.ledger, owner=conn)
                for start in range(0, len(events), 9):
                    await writer.append(events[start : start + 9])

    async def project(self) -> None:
        projector, position = await self.ledger.projector(), BEGINNING
        async with self.ledger.connect() as conn:
            statements = PreparedStatements(conn)
            while True:
                was_over = self.is_over
                events: list[LoggedEvent] = await read_commit_order(statements, position, limit=100)
                await projector.handle(batches(events))
                if events:
                    position = events[-1].position
                elif was_over:
                    return

    async def read(self) -> None:
        api = await self.ledger.database("api")
        query = "SELECT count(*)::text FROM executions_v5 WHERE status = 'COMPLETED'"
        while not self.is_over:
            count = await api.tenant_json(self.tenant_id, query, {})
            self.seen.append(int(count or 0))
            await asyncio.sleep(0)

    async def read_slowly(self) -> None:
        api = await self.ledger.database("api")
        query = "SELECT count(*)::text FROM executions_v5, (SELECT pg_sleep(0.3)) AS nap"
        while not self.is_over:
            await api.tenant_json(self.tenant_id, query, {})
            await asyncio.sleep(0.2)


async def test_readers_and_the_projector_go_on_during_rebuilds(ledger: Ledger) -> None:
    traffic = Traffic(ledger)
    traffic.streams.append(a_finished_run(traffic.tenant_id))
    await applied(ledger, traffic.streams)
    async with asyncio.timeout(90), asyncio.TaskGroup() as tasks:
        writing = tasks.create_task(traffic.write())
        tasks.create_task(traffic.project())
        tasks.create_task(traffic.read())
        tasks.create_task(traffic.read_slowly())
        for projection in (EXECUTIONS, NODE_RUNS, EXECUTIONS):
            seen = len(traffic.seen)
            await rebuild(projection, ledger.connect, ledger.opened)
            assert len(traffic.seen) > seen
        traffic.is_over = True
        await writing
    assert traffic.seen[0] == 1
    assert traffic.seen == sorted(traffic.seen)
    assert traffic.seen[-1] > 1
    assert await ledger.violations() == []
    for projection in PROJECTIONS:
        assert await ledger.rows(projection) == folded_once(projection, traffic.streams)
