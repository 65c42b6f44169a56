"""Group commit: callers share transactions; only the caller whose append is wrong hears of it."""

import asyncio
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime

import psycopg
import pytest

from commands.ports import CommandRecord, DuplicateCommand, OpenedExecution
from domain.credentials import ApiKey
from domain.envelope import Envelope
from domain.errors import Stale, Unavailable
from domain.identifiers import TenantId, shard_of
from infra.append_statement import FEW_EVENTS_MAX
from infra.group_commit import AppendQueueFull, GroupCommit
from tests.infra.conftest import Conninfo, Parts
from tests.infra.log_steps import IDS, KILL_WRITERS, a_key, an_append, until


async def test_appends_that_wait_together_are_stored_in_few_transactions(parts: Parts) -> None:
    tenant_id = TenantId(IDS.new())
    before = parts.group_commit.batches_count
    tokens = await asyncio.gather(
        *(parts.store.append([a_key()], Envelope(tenant_id, "test")) for _ in range(400))
    )
    assert all(tokens)
    assert parts.group_commit.batches_count - before < 100
    assert len({token.tx_id for token in tokens if token}) < 100


async def test_appends_that_wait_together_are_divided_among_the_writers_that_are_idle(
    parts: Parts,
) -> None:
    tokens = await asyncio.gather(
        *(parts.group_commit.append(an_append()) for _ in range(100)),
    )
    transactions = Counter(token.tx_id for token in tokens if token)
    assert sorted(transactions.values()) == [50, 50]


async def test_only_the_conflicting_append_of_a_batch_is_refused(parts: Parts) -> None:
    tenant_id = TenantId(IDS.new())
    taken = IDS.new()
    await parts.store.append([a_key(taken)], Envelope(tenant_id, "test"))
    answers = await asyncio.gather(
        *(
            parts.store.append(
                [a_key(taken if number == 70 else None)], Envelope(tenant_id, "test")
            )
            for number in range(100)
        ),
        return_exceptions=True,
    )
    refused = [number for number, answer in enumerate(answers) if isinstance(answer, Exception)]
    assert refused == [70]
    assert isinstance(answers[70], Stale)


async def test_of_two_appends_at_one_version_exactly_one_wins(parts: Parts) -> None:
    tenant_id = TenantId(IDS.new())
    key = a_key()
    await parts.store.append([key], Envelope(tenant_id, "test"))
    copies = []
    for _ in range(2):
        parts.store.forget(key.id, 10**9)
        copies.append(await parts.store.load(ApiKey, key.id, tenant_id))
    for copy in copies:
        copy.revoke()
    answers = await asyncio.gather(
        *(parts.store.append([copy], Envelope(tenant_id, "test")) for copy in copies),
        return_exceptions=True,
    )
    assert sorted(isinstance(answer, Stale) for answer in answers) == [False, True]


async def test_a_command_id_is_stored_once_and_the_second_append_stores_nothing(
    parts: Parts,
) -> None:
    tenant_id = TenantId(IDS.new())
    command = CommandRecord(IDS.new(), b"print", {"answer": 1})
    envelope = Envelope(tenant_id, "test", command_id=command.command_id)
    first, second = a_key(), a_key()
    token = await parts.store.append([first], envelope, command=command)
    with pytest.raises(DuplicateCommand):
        await parts.store.append([second], envelope, command=command)
    assert await parts.store.load(ApiKey, second.id, tenant_id) is None
    answer = await parts.store.recorded_answer(tenant_id, command.command_id)
    assert answer is not None
    assert (answer.result, answer.fingerprint, answer.position) == ({"answer": 1}, b"print", token)


async def test_side_rows_of_a_refused_append_are_not_stored(
    parts: Parts, database_url: str
) -> None:
    tenant_id = TenantId(IDS.new())
    taken = IDS.new()
    await parts.store.append([a_key(taken)], Envelope(tenant_id, "test"))
    with pytest.raises(Stale):
        await parts.store.append(
            [a_key(taken)], Envelope(tenant_id, "test"), side_rows=[OpenedExecution(taken)]
        )
    async with await psycopg.AsyncConnection.connect(database_url) as conn:
        cursor = await conn.execute(
            "SELECT count(*) FROM agentledger.open_executions WHERE execution_id = %s", (taken,)
        )
        assert await cursor.fetchone() == (0,)


async def test_connections_cut_in_the_middle_of_load_lose_nothing_and_store_nothing_twice(
    parts: Parts, database_url: str
) -> None:
    tenant_id = TenantId(IDS.new())
    keys = [a_key() for _ in range(3000)]
    done = asyncio.Event()

    async def append(own: list[ApiKey]) -> None:
        for key in own:
            await parts.store.append([key], Envelope(tenant_id, "test"))

    async def cut() -> None:
        async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as conn:
            cut_at = -1
            while not done.is_set():
                # Only after progress: on a slow machine a connection takes longer to make than to
                # cut.
                if parts.group_commit.batches_count != cut_at:
                    cut_at = parts.group_commit.batches_count
                    await conn.execute(KILL_WRITERS)
                await asyncio.sleep(0.03)

    cutting = asyncio.create_task(cut())
    await asyncio.gather(*(append(keys[place::32]) for place in range(32)))
    done.set()
    await cutting
    async with await psycopg.AsyncConnection.connect(database_url) as conn:
        cursor = await conn.execute(
            "SELECT count(*), count(DISTINCT originator_id) FROM agentledger.events"
            " WHERE tenant_id = %s",
            (tenant_id,),
        )
        assert await cursor.fetchone() == (len(keys), len(keys))


@pytest.mark.parametrize("others", [0, FEW_EVENTS_MAX], ids=["few at once", "many at once"])
async def test_events_of_one_append_are_in_its_order_in_the_log(
    parts: Parts, database_url: str, others: int
) -> None:
    tenant_id = TenantId(IDS.new())
    key = a_key()
    for _ in range(2):
        key.trigger_event(ApiKey.Revoked)
    stored, *_ = await asyncio.gather(
        parts.store.append([key], Envelope(tenant_id, "test")),
        *(parts.group_commit.append(an_append()) for _ in range(others)),
    )
    async with await psycopg.AsyncConnection.connect(database_url) as conn:
        cursor = await conn.execute(
            "SELECT originator_version, notification_id FROM agentledger.events"
            " WHERE tenant_id = %s ORDER BY era, tx_id, notification_id",
            (tenant_id,),
        )
        rows = await cursor.fetchall()
    assert [version for version, _ in rows] == [1, 2, 3]
    assert stored is not None
    assert stored.notification_ids == {shard_of(key.id): rows[-1][1]}


async def test_a_long_stream_is_loaded_in_pages(parts: Parts) -> None:
    tenant_id = TenantId(IDS.new())
    key = a_key()
    for _ in range(10):
        key.trigger_event(ApiKey.Revoked)
    await parts.store.append([key], Envelope(tenant_id, "test"))
    parts.store.forget(key.id, 10**9)
    loaded = await parts.store.load(ApiKey, key.id, tenant_id)
    assert loaded is not None
    assert (loaded.version, loaded.is_revoked) == (11, True)


async def test_another_tenants_stream_is_none(parts: Parts) -> None:
    key = a_key()
    await parts.store.append([key], Envelope(TenantId(IDS.new()), "test"))
    assert await parts.store.load(ApiKey, key.id, TenantId(IDS.new())) is None


@pytest.mark.parametrize("others", [0, FEW_EVENTS_MAX], ids=["few at once", "many at once"])
async def test_every_column_comes_back_as_it_was_stored(
    parts: Parts, database_url: str, others: int
) -> None:
    tenant_id = TenantId(IDS.new())
    full = Envelope(tenant_id, "käufer", IDS.new(), IDS.new(), IDS.new(), "00-trace-01")
    bare = Envelope(tenant_id, "käufer")
    first, second = a_key(), a_key()
    wake_at = datetime(2026, 11, 21, 12, 30, 0, 123456, tzinfo=UTC)
    await asyncio.gather(
        parts.store.append([first], full, side_rows=[OpenedExecution(first.id, wake_at)]),
        parts.store.append([second], bare, side_rows=[OpenedExecution(second.id)]),
        *(parts.group_commit.append(an_append()) for _ in range(others)),
    )
    async with await psycopg.AsyncConnection.connect(database_url) as conn:
        cursor = await conn.execute(
            "SELECT originator_id, originator_version, topic, events.tenant_id, actor, command_id,"
            " causation_id, correlation_id, traceparent, wake_at"
            " FROM agentledger.events LEFT JOIN agentledger.open_executions"
            " ON execution_id = originator_id"
            " WHERE events.tenant_id = %s ORDER BY notification_id",
            (tenant_id,),
        )
        rows = await cursor.fetchall()
    about = (1, "api_key.created", tenant_id, "käufer")
    causes = (full.command_id, full.causation_id, full.correlation_id, full.traceparent)
    assert rows == [
        (first.id, *about, *causes, wake_at),
        (second.id, *about, None, None, None, None, None),
    ]


def idle(
    conninfo: str,
    *,
    queue_max: int = 10,
    timeout_s: float = 0.2,
    on_appended: Callable[[], None] = lambda: None,
) -> GroupCommit:
    """Stores nothing until somebody runs it."""
    return GroupCommit(
        conninfo,
        writers=1,
        batch_events_max=10,
        batch_bytes_max=1 << 20,
        queue_max=queue_max,
        timeout_s=timeout_s,
        poll_s=0.0,
        on_appended=on_appended,
    )


async def test_who_appended_goes_on_before_anybody_reads_what_is_new(conninfo: Conninfo) -> None:
    order: list[str] = []
    told = asyncio.Event()

    def tell() -> None:
        order.append("told")
        told.set()

    group_commit = idle(conninfo("writer"), timeout_s=30, on_appended=tell)
    running = asyncio.create_task(group_commit.run())
    try:
        await group_commit.append(an_append())
        order.append("went on")
        await told.wait()
    finally:
        running.cancel()
    assert order == ["went on", "told"]


@pytest.mark.parametrize("turns", range(4))
async def test_an_append_that_comes_while_the_writers_end_is_refused_in_time(
    conninfo: Conninfo, turns: int
) -> None:
    """turns: of the event loop, since they were told to."""
    group_commit = idle(conninfo("writer"))
    running = asyncio.create_task(group_commit.run())
    await group_commit.append(an_append())
    running.cancel()
    for _ in range(turns):
        await asyncio.sleep(0)
    with pytest.raises(Unavailable):
        await group_commit.append(an_append())


async def test_an_append_that_nobody_stores_is_refused_in_time(conninfo: Conninfo) -> None:
    group_commit = idle(conninfo("writer"))
    answers = await asyncio.gather(
        *(group_commit.append(an_append()) for _ in range(3)), return_exceptions=True
    )
    assert [type(answer) for answer in answers] == [Unavailable] * 3
    assert group_commit.waiting_count() == 0


async def test_an_append_that_the_database_does_not_finish_is_refused_in_time(
    conninfo: Conninfo, database_url: str
) -> None:
    group_commit = idle(conninfo("writer"))
    async with await psycopg.AsyncConnection.connect(database_url) as conn:
        await conn.execute("LOCK TABLE agentledger.events IN EXCLUSIVE MODE")
        running = asyncio.create_task(group_commit.run())
        with pytest.raises(Unavailable):
            await group_commit.append(an_append())
        await conn.rollback()
    running.cancel()


async def test_appends_of_a_writer_that_is_stopped_are_refused(
    conninfo: Conninfo, database_url: str
) -> None:
    group_commit = idle(conninfo("writer"))
    async with await psycopg.AsyncConnection.connect(database_url) as conn:
        await conn.execute("LOCK TABLE agentledger.events IN EXCLUSIVE MODE")
        running = asyncio.create_task(group_commit.run())
        waiting = group_commit.append(an_append())
        await until(lambda: group_commit.storing_count() == 1, "the batch")
        running.cancel()
        with pytest.raises(Unavailable):
            await waiting
        await conn.rollback()


async def test_a_full_queue_refuses_at_once(conninfo: Conninfo) -> None:
    group_commit = idle(conninfo("writer"), queue_max=1)
    first = group_commit.append(an_append())
    with pytest.raises(AppendQueueFull):
        await group_commit.append(an_append())
    with pytest.raises(Unavailable):
        await first


async def test_a_caller_that_gives_up_does_not_undo_its_append_or_the_batch(parts: Parts) -> None:
    tenant_id = TenantId(IDS.new())
    given_up, other = a_key(), a_key()
    envelope = Envelope(tenant_id, "test")
    # From here on the tenant's key is in memory, so that both are queued in one turn of the loop.
    await parts.store.append([a_key()], envelope)
    leaving = asyncio.create_task(parts.store.append([given_up], envelope))
    staying = asyncio.create_task(parts.store.append([other], envelope))
    async with asyncio.timeout(60):
        # At every turn of the loop: they are stored within a millisecond.
        while parts.group_commit.waiting_count() + parts.group_commit.storing_count() < 2:
            await asyncio.sleep(0)
    leaving.cancel()
    assert await staying is not None
    with pytest.raises(asyncio.CancelledError):
        await leaving
    assert await parts.store.load(ApiKey, given_up.id, tenant_id) is not None
