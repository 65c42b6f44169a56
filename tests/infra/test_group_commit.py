"""Group commit: callers share transactions; only the caller whose append is wrong hears of it."""

import asyncio

import psycopg
import pytest

from commands.ports import CommandRecord, DuplicateCommand, OpenedExecution
from domain.credentials import ApiKey
from domain.envelope import Envelope
from domain.errors import Stale
from domain.identifiers import TenantId
from tests.infra.conftest import Parts
from tests.infra.log_steps import IDS, a_key


async def test_appends_that_wait_together_are_stored_in_few_transactions(parts: Parts) -> None:
    tenant_id = TenantId(IDS.new())
    before = parts.group_commit.batches_count
    tokens = await asyncio.gather(
        *(parts.store.append([a_key()], Envelope(tenant_id, "test")) for _ in range(400))
    )
    assert all(tokens)
    assert parts.group_commit.batches_count - before < 100
    assert len({token.tx_id for token in tokens if token}) < 100


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
            while not done.is_set():
                await conn.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE usename = 'agentledger_writer' AND datname = current_database()"
                )
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
