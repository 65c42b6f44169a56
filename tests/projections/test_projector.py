"""The projector: whatever the log does, each event counts once."""

import asyncio
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from commands.ports import Batch, LoggedEvent, Position, Start, partition_of
from domain.executions import Execution
from infra.postgres import DatabaseUnavailable
from projections.catalogue import PROJECTIONS
from projections.executions import EXECUTIONS
from projections.node_runs import NODE_RUNS
from projections.projector import Fenced, Projector
from projections.steps import STEP_EVENTS_MAX, Mark, steps
from tests.projections.histories import (
    Stream,
    a_finished_run,
    a_tenant,
    an_agent,
    an_execution,
    interleaved,
    placed,
    started,
)
from tests.projections.ledger import ALL_PARTITIONS, PARTITIONS, Ledger, batches, folded_once
from tests.projections.tenant_histories import random_streams


@dataclass
class Unreliable:
    """A log that repeats itself, and loses events that others of the same stream follow.

    A cursor is the number of deliveries made.
    """

    draw: random.Random
    deliveries: dict[int, list[LoggedEvent]] = field(default_factory=dict)

    def carry(self, events: Sequence[LoggedEvent]) -> None:
        last = {event.stream_id: event.version for event in events}
        for partition in ALL_PARTITIONS:
            own = [e for e in events if partition_of(e.shard, PARTITIONS) == partition]
            self.deliveries[partition] = list(self._delivered(own, last))

    def _delivered(self, own: list[LoggedEvent], last: dict) -> Iterator[LoggedEvent]:
        place, repeats = 0, 3
        while place < len(own):
            event = own[place]
            if event.version == last[event.stream_id] or self.draw.random() < 0.9:
                yield event
            place += 1
            if repeats and self.draw.random() < 0.1:
                place, repeats = self.draw.randrange(place + 1), repeats - 1

    async def deliver(self, projector: Projector) -> bool:
        """Some polls, from where the projector wants to begin; whether all is delivered."""
        starts = await projector.assigned(ALL_PARTITIONS)
        places = {partition: int(start.cursor or 0) for partition, start in starts.items()}
        for _ in range(self.draw.randrange(1, 6)):
            polled = self.draw.sample(ALL_PARTITIONS, self.draw.randrange(1, PARTITIONS + 1))
            poll: list[Batch] = []
            for partition in polled:
                end = places[partition] + self.draw.choice([1, 3, 20, 100])
                events = self.deliveries[partition][places[partition] : end]
                places[partition] += len(events)
                poll.append(Batch(partition, events, str(places[partition])))
            await projector.handle(poll)
        return all(places[p] == len(self.deliveries[p]) for p in ALL_PARTITIONS)


@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(seed=st.integers(0, 2**32))
async def test_any_delivery_of_any_history_equals_folding_it_once(
    ledger: Ledger, seed: int
) -> None:
    draw = random.Random(seed)
    await ledger.fetch("TRUNCATE events, projection_positions")
    for projection in PROJECTIONS:
        await ledger.fetch(f"TRUNCATE {projection.table}, {projection.table}_streams")
    streams = random_streams(draw, a_tenant(), 6) + random_streams(draw, a_tenant(), 3)
    for part in thirds(interleaved(draw, streams)):
        await ledger.append(part)
    log = Unreliable(draw)
    log.carry(await ledger.log())

    is_done = False
    while not is_done:
        is_done = await log.deliver(await ledger.projector())

    for projection in PROJECTIONS:
        assert await ledger.rows(projection) == folded_once(projection, streams)
    assert await ledger.violations() == []


def thirds(events: list[LoggedEvent]) -> list[list[LoggedEvent]]:
    size = len(events) // 3 + 1
    return [events[start : start + size] for start in range(0, len(events), size)]


async def test_a_partition_goes_on_where_it_was_left(ledger: Ledger) -> None:
    run = a_finished_run()
    await ledger.append(run.events)
    (batch,) = batches(await ledger.log(), cursor="offset 17")
    projector = await ledger.projector()
    await projector.handle([batch])
    starts = await projector.assigned(ALL_PARTITIONS)
    others = {p: Start() for p in ALL_PARTITIONS if p != batch.partition}
    assert starts == others | {batch.partition: Start(cursor="offset 17")}


async def test_missing_events_are_fetched_from_the_store(ledger: Ledger) -> None:
    run = a_finished_run()
    await ledger.append(run.events)
    log = await ledger.log()
    projector = await ledger.projector()
    await projector.handle(batches([log[0], log[3], log[6]]))
    assert await ledger.rows(EXECUTIONS) == folded_once(EXECUTIONS, [run])
    assert await ledger.rows(NODE_RUNS) == folded_once(NODE_RUNS, [run])
    assert await ledger.scalar("SELECT count(*) FROM dead_letters") == 0


async def test_a_stream_whose_events_nobody_has_is_parked(ledger: Ledger) -> None:
    run, other = a_finished_run(), a_finished_run()
    await ledger.append([*run.events[:2], *run.events[3:], *other.events])
    await (await ledger.projector()).handle(batches(await ledger.log()))
    letters = await ledger.fetch("SELECT projection, stream_id, version, error FROM dead_letters")
    assert sorted(letters) == [
        ("executions_v5", run.stream_id, 4, "EventsMissing: versions 3 to 3"),
        ("node_runs_v4", run.stream_id, 4, "EventsMissing: versions 3 to 3"),
        ("usage_facts_v2", run.stream_id, 4, "EventsMissing: versions 3 to 3"),
    ]
    assert (await ledger.rows(EXECUTIONS)).items() >= folded_once(EXECUTIONS, [other]).items()


async def test_a_new_projection_begins_at_the_beginning_and_disturbs_no_other(
    ledger: Ledger,
) -> None:
    runs = [a_finished_run() for _ in range(4)]
    await ledger.append([event for run in runs for event in run.events])
    log = await ledger.log()
    await (await ledger.projector([EXECUTIONS])).handle(batches(log, cursor="end"))
    before = await positions(ledger, "executions_v5")

    grown = await ledger.projector([EXECUTIONS, NODE_RUNS])
    starts = await grown.assigned(ALL_PARTITIONS)
    assert set(starts.values()) == {Start()}
    await grown.handle(batches([event for event in log if event.version < 4], cursor="middle"))
    assert await positions(ledger, "executions_v5") == before
    await grown.handle(batches([event for event in log if event.version >= 4], cursor="end"))
    assert await ledger.rows(NODE_RUNS) == folded_once(NODE_RUNS, runs)
    assert await ledger.rows(EXECUTIONS) == folded_once(EXECUTIONS, runs)
    assert await positions(ledger, "node_runs_v4") == before


async def positions(ledger: Ledger, projection: str) -> dict[int, tuple[object, ...]]:
    rows = await ledger.fetch(
        "SELECT partition, era, tx_id, notification_id, cursor FROM projection_positions"
        " WHERE projection = %s AND cursor <> ''",
        projection,
    )
    return {row[0]: row[1:] for row in rows}


# What cannot be applied.


def broken(run: Stream):
    """node_runs with a bug that one run meets."""

    def evolve(row, event, key):
        if event.logged.stream_id == run.stream_id and event.logged.version == 5:
            raise ZeroDivisionError("a bug")
        return NODE_RUNS.evolve(row, event, key)

    return replace(NODE_RUNS, evolve=evolve)


async def test_an_event_that_cannot_be_applied_parks_its_stream_in_that_projection_only(
    ledger: Ledger,
) -> None:
    bad, good = a_finished_run(), a_finished_run()
    await ledger.append(interleaved(random.Random(1), [bad, good]))
    projector = await ledger.projector([EXECUTIONS, broken(bad)])
    await projector.handle(batches(await ledger.log()))
    assert await ledger.rows(EXECUTIONS) == folded_once(EXECUTIONS, [bad, good])
    before = Stream(bad.aggregate, bad.tenant_id, bad.stream_id, bad.events[:4])
    assert await ledger.rows(NODE_RUNS) == folded_once(NODE_RUNS, [before, good])
    (letter,) = await ledger.fetch("SELECT * FROM dead_letters")
    assert letter[:7] == (
        "node_runs_v4",
        bad.stream_id,
        bad.tenant_id,
        5,
        "execution.node_completed",
        "ZeroDivisionError: a bug",
        1,
    )


async def test_a_parked_stream_stays_as_it_was_though_more_arrives(ledger: Ledger) -> None:
    bad = a_finished_run()
    await ledger.append(bad.events)
    log = await ledger.log()
    projector = await ledger.projector([broken(bad)])
    for event in log:
        await projector.handle(batches([event]))
    assert await ledger.scalar("SELECT version FROM node_runs_v4_streams") == 4
    assert await ledger.scalar("SELECT attempts FROM dead_letters") == 1


@pytest.mark.parametrize("others", [0, 40])
async def test_an_event_that_the_database_refuses_parks_its_stream_only(
    ledger: Ledger, others: int
) -> None:
    bad = an_execution(definition_hash="\x00")
    runs = [a_finished_run() for _ in range(others)]
    await ledger.append(interleaved(random.Random(2), [*runs, bad.happens(Execution.Started)]))
    projector = await ledger.projector()
    await projector.handle(batches(await ledger.log()))
    assert await ledger.rows(EXECUTIONS) == folded_once(EXECUTIONS, runs)
    assert await ledger.rows(NODE_RUNS) == folded_once(NODE_RUNS, runs)
    letters = await ledger.fetch("SELECT projection, stream_id, version FROM dead_letters")
    assert letters == [("executions_v5", bad.stream_id, 1)]
    assert await positions(ledger, "executions_v5")


async def test_an_event_that_cannot_be_read_parks_its_stream(ledger: Ledger) -> None:
    run = an_execution().logs("execution.started", b"no JSON at all")
    await ledger.append(run.events)
    await (await ledger.projector()).handle(batches(await ledger.log()))
    assert await ledger.scalar("SELECT count(*) FROM dead_letters WHERE version = 2") == 3


async def test_a_topic_of_a_newer_program_parks_the_streams_it_occurs_in(ledger: Ledger) -> None:
    run = an_execution().logs("execution.polished", b"{}")
    foreign = an_agent().logs("agent.polished", b"{}")
    foreign.events.pop(0)
    await ledger.append(run.events)
    (event,) = foreign.events
    await ledger.append([event._replace(version=1)])
    await (await ledger.projector()).handle(batches(await ledger.log()))
    letters = await ledger.fetch("SELECT projection, stream_id, error FROM dead_letters")
    assert sorted(letters) == [
        ("executions_v5", run.stream_id, "UnknownTopic: execution.polished"),
        ("node_runs_v4", run.stream_id, "UnknownTopic: execution.polished"),
        ("usage_facts_v2", run.stream_id, "UnknownTopic: execution.polished"),
    ]


async def test_a_database_that_is_not_well_parks_nothing(ledger: Ledger) -> None:
    run = a_finished_run()
    await ledger.append(run.events)
    log = await ledger.log()
    projector = await ledger.projector()
    database = await ledger.database("projector")
    async with database.connection() as conn:
        await conn.execute("SELECT 1")
    async with ledger.connect() as other, other.transaction():
        await other.execute("LOCK TABLE executions_v5 IN ACCESS EXCLUSIVE MODE")
        handling = asyncio.create_task(projector.handle(batches(log)))
        await until(ledger, "SELECT count(*) > 0 FROM pg_locks WHERE NOT granted")
        await ledger.fetch("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE NOT granted")
        with pytest.raises(DatabaseUnavailable):
            await handling
    assert await ledger.scalar("SELECT count(*) FROM dead_letters") == 0
    await projector.handle(batches(log))
    assert await ledger.rows(EXECUTIONS) == folded_once(EXECUTIONS, [run])


async def until(ledger: Ledger, query: str) -> None:
    async with asyncio.timeout(60):
        while not await ledger.scalar(query):
            await asyncio.sleep(0.005)


# Two owners.


async def test_an_owner_that_was_overtaken_writes_nothing(ledger: Ledger) -> None:
    run = a_finished_run()
    await ledger.append(run.events)
    log = await ledger.log()
    old, new = await ledger.projector(), await ledger.projector()
    await new.handle(batches(log[:5]))
    with pytest.raises(Fenced):
        await old.handle(batches(log))
    assert (await ledger.rows(EXECUTIONS)).popitem()[1]["version"] == 5


async def test_two_that_think_they_own_a_partition_apply_everything_once(ledger: Ledger) -> None:
    draw = random.Random(3)
    streams = random_streams(draw, a_tenant(), 30)
    await ledger.append(interleaved(draw, streams))
    log = await ledger.log()
    fenced: list[int] = []

    async def own(name: int) -> None:
        projector = await ledger.projector()
        place = 0
        while place < len(log):
            try:
                await projector.handle(batches(log[place : place + 10], cursor=str(place)))
                place += 10
            except Fenced:
                fenced.append(name)
                await projector.assigned(ALL_PARTITIONS)

    async with asyncio.timeout(60):
        await asyncio.gather(own(1), own(2))
    assert fenced
    for projection in PROJECTIONS:
        assert await ledger.rows(projection) == folded_once(projection, streams)
    assert await ledger.violations() == []


async def test_a_partition_that_was_revoked_is_left_alone(ledger: Ledger) -> None:
    await ledger.append(a_finished_run().events)
    log = await ledger.log()
    projector = await ledger.projector()
    await projector.revoked([partition_of(log[0].shard, PARTITIONS)])
    await projector.handle(batches(log))
    assert await ledger.rows(EXECUTIONS) == {}


# Positions.


async def test_whoever_waits_is_told_how_far_every_projection_is(ledger: Ledger) -> None:
    await ledger.append(a_finished_run().events)
    log = await ledger.log()
    told: list[dict[int, Position]] = []
    projector = await ledger.projector(on_applied=told.append)
    await projector.handle(batches(log))
    assert told == [{partition_of(log[0].shard, PARTITIONS): log[-1].position}]


async def test_positions_never_go_back_when_the_log_repeats_itself(ledger: Ledger) -> None:
    await ledger.append(a_finished_run().events)
    log = await ledger.log()
    projector = await ledger.projector()
    await projector.handle(batches(log, cursor="10"))
    before = await positions(ledger, "executions_v5")
    await projector.handle(batches(log[:3], cursor="13"))
    after = await positions(ledger, "executions_v5")
    assert {p: row[:3] for p, row in after.items()} == {p: row[:3] for p, row in before.items()}
    assert {row[3] for row in after.values()} == {"13"}


async def test_a_big_poll_is_applied_in_several_transactions(ledger: Ledger) -> None:
    runs = [a_finished_run() for _ in range(STEP_EVENTS_MAX // 7 + 5)]
    await ledger.append([event for run in runs for event in run.events])
    told: list[dict[int, Position]] = []
    projector = await ledger.projector(on_applied=told.append)
    await projector.handle(batches(await ledger.log()))
    assert len(told) == 2
    assert await ledger.rows(NODE_RUNS) == folded_once(NODE_RUNS, runs)


def test_a_batch_that_was_cut_is_begun_again_after_a_crash() -> None:
    run = an_execution()
    for number in range(STEP_EVENTS_MAX):
        started(run, f"n{number}")
    events = placed(run.events)
    first, second = steps([Batch(2, events, "end")])
    assert [len(first.events), len(second.events)] == [STEP_EVENTS_MAX, 1]
    assert first.marks == {2: Mark(events[-2].position, None, events[-2].recorded_at)}
    assert second.marks == {2: Mark(events[-1].position, "end", events[-1].recorded_at)}
