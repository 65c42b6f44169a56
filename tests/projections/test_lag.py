"""How far behind, counted within bounds."""

import random

from commands.ports import Batch, partition_of
from domain.executions import Execution
from projections.catalogue import PROJECTIONS
from projections.executions import EXECUTIONS
from projections.lag import ProjectionStatus, RebuildStatus, projection_statuses
from projections.node_runs import NODE_RUNS
from tests.projections.histories import Stream, a_finished_run, an_execution, interleaved
from tests.projections.ledger import PARTITIONS, Ledger, batches


async def status(ledger: Ledger) -> ProjectionStatus:
    (status,) = await projection_statuses(ledger.owner, [EXECUTIONS])
    return status


async def counted(ledger: Ledger, *, window_events: int) -> tuple[int, bool]:
    query = "SELECT events_behind, is_exact FROM projection_lag(ARRAY['executions_v5'], %s)"
    (row,) = await ledger.fetch(query, window_events)
    return row


def runs_of_partition(partition: int, count: int) -> list[Stream]:
    runs: list[Stream] = []
    while len(runs) < count:
        run = a_finished_run()
        if partition_of(run.events[0].shard, PARTITIONS) == partition:
            runs.append(run)
    return runs


async def test_nothing_is_behind_in_an_empty_log(ledger: Ledger) -> None:
    statuses = await projection_statuses(ledger.owner, PROJECTIONS)
    assert [s.name for s in statuses] == [p.name for p in PROJECTIONS]
    assert {(s.events_behind, s.is_exact, s.seconds_behind) for s in statuses} == {(0, True, 0)}


async def test_what_is_stored_and_not_applied_is_behind(ledger: Ledger) -> None:
    runs = [a_finished_run() for _ in range(3)]
    await ledger.append(interleaved(random.Random(1), runs))
    log = await ledger.log()
    assert ((await status(ledger)).events_behind, (await status(ledger)).is_exact) == (21, True)
    projector = await ledger.projector()
    await projector.handle(batches(log[:15]))
    behind = await status(ledger)
    assert (behind.events_behind, behind.is_exact) == (6, True)
    assert behind.seconds_behind > 60
    await projector.handle(batches(log[15:]))
    assert (await status(ledger)).events_behind == (await status(ledger)).seconds_behind == 0


async def test_a_projection_that_never_ran_is_behind_by_everything(ledger: Ledger) -> None:
    run = a_finished_run()
    await ledger.append(run.events)
    await (await ledger.projector([EXECUTIONS])).handle(batches(await ledger.log()))
    executions, node_runs = await projection_statuses(ledger.owner, [EXECUTIONS, NODE_RUNS])
    assert (executions.events_behind, node_runs.events_behind) == (0, 7)


async def test_a_long_lag_is_counted_only_so_far(ledger: Ledger) -> None:
    await ledger.append([event for run in runs_of_partition(0, 3) for event in run.events])
    await ledger.projector()
    assert await counted(ledger, window_events=10) == (10, False)
    assert await counted(ledger, window_events=100) == (21, True)


async def test_a_partition_that_is_stuck_is_seen_though_others_have_moved_on(
    ledger: Ledger,
) -> None:
    """Its events are older than all that the window of newest events shows."""
    await ledger.append(runs_of_partition(1, 1)[0].events)
    busy = [event for run in runs_of_partition(0, 4) for event in run.events]
    await ledger.append(busy)
    log = await ledger.log()
    await (await ledger.projector()).handle([b for b in batches(log) if b.partition == 0])
    assert await counted(ledger, window_events=10) == (7, False)
    assert await counted(ledger, window_events=100) == (7, True)


async def test_a_partition_without_news_is_not_behind(ledger: Ledger) -> None:
    quiet, busy = runs_of_partition(1, 1), runs_of_partition(0, 4)
    await ledger.append([event for run in [*quiet, *busy] for event in run.events])
    await (await ledger.projector()).handle(batches(await ledger.log()))
    assert (await counted(ledger, window_events=10))[0] == 0


async def test_only_the_partitions_in_use_count(ledger: Ledger) -> None:
    """With another number of partitions positions begin anew; the old ones never move again."""
    await ledger.append([event for _ in range(6) for event in a_finished_run().events])
    log = await ledger.log()
    await (await ledger.projector()).handle(batches(log[:20]))
    await (await ledger.projector(partitions_count=1)).handle([Batch(0, log, "end")])
    assert (await status(ledger)).events_behind == 0


async def test_parked_streams_are_counted(ledger: Ledger) -> None:
    await ledger.append(an_execution(definition_hash="\x00").happens(Execution.Started).events)
    await (await ledger.projector()).handle(batches(await ledger.log()))
    statuses = {s.name: s for s in await projection_statuses(ledger.owner, PROJECTIONS)}
    assert (statuses["executions"].parked_count, statuses["node_runs"].parked_count) == (1, 0)


async def test_a_rebuild_shows_how_far_it_is_unless_it_was_killed(ledger: Ledger) -> None:
    await ledger.fetch(
        "INSERT INTO projection_rebuilds"
        " VALUES ('executions_v5', 25, 100, now() - interval '10 s', now())"
    )
    assert (await status(ledger)).rebuild == RebuildStatus(25, 100, 30.0)
    await ledger.fetch("UPDATE projection_rebuilds SET updated_at = now() - interval '1 h'")
    assert (await status(ledger)).rebuild is None


async def test_a_reader_may_ask_and_learns_no_more_than_numbers(ledger: Ledger) -> None:
    await ledger.append(a_finished_run().events)
    api = await ledger.database("api")
    async with api.connection() as conn:
        (status,) = await projection_statuses(conn, [EXECUTIONS])
    assert status.events_behind == 7
