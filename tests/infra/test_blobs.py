"""Payloads beside the log: once per tenant, readable by nobody else, and counted."""

from collections.abc import AsyncIterator
from uuid import UUID

import pytest
from psycopg import AsyncConnection

from commands.plan_port import NobodyLimited
from domain.envelope import Envelope
from domain.execution_commands import signal
from domain.executions import Execution
from domain.identifiers import Json, TenantId
from domain.payloads import INLINE_BYTES_MAX
from infra.blobs import TOTAL_FRESH_S, BlobQuotaUsedUp, Blobs
from infra.event_log import read_stream
from infra.payload_offloading import MARKER
from infra.sealing import OVERHEAD_BYTES
from tests.commands.event_store_contract import an_execution
from tests.infra.conftest import TENANT_BLOB_BYTES_MAX, Parts
from tests.infra.log_steps import IDS

LARGE = "x" * INLINE_BYTES_MAX
LARGE_BYTES = INLINE_BYTES_MAX + len('""')


@pytest.fixture
async def owner(database_url: str) -> AsyncIterator[AsyncConnection]:
    async with await AsyncConnection.connect(database_url, autocommit=True) as conn:
        yield conn


@pytest.fixture
def tenant_id() -> TenantId:
    return TenantId(IDS.new())


async def begun(parts: Parts, tenant_id: TenantId, given: Json) -> Execution:
    execution = an_execution(given)
    await parts.store.append([execution], Envelope(tenant_id, "test"))
    return execution


async def counted(owner: AsyncConnection, query: str, *values: object) -> list[tuple[object, ...]]:
    return await (await owner.execute(query, values)).fetchall()  # pyright: ignore[reportArgumentType] # literals of this file


async def hashes(parts: Parts, tenant_id: TenantId, stream_id: UUID) -> list[bytes]:
    database = await parts.database("api")
    events = await parts.seals.opened(
        await read_stream(database, tenant_id, stream_id, after_version=0, limit=100)
    )
    assert all(MARKER in event.state and len(event.state) < 2000 for event in events)
    async with database.tenant_transaction(tenant_id) as conn:
        query = "SELECT sha256 FROM blob_uses WHERE stream_id = %s"
        rows = await (await conn.execute(query, (stream_id,))).fetchall()
    return [row[0] for row in rows]


async def test_equal_payloads_of_a_tenant_are_stored_once_and_used_by_each(
    parts: Parts, tenant_id: TenantId, owner: AsyncConnection
) -> None:
    first = await begun(parts, tenant_id, LARGE)
    second = await begun(parts, tenant_id, LARGE)
    signal(second, "news", LARGE)
    await parts.store.append([second], Envelope(tenant_id, "test"))
    assert await hashes(parts, tenant_id, first.id) == await hashes(parts, tenant_id, second.id)
    query = "SELECT sha256 FROM agentledger.blobs WHERE tenant_id = %s"
    assert len(await counted(owner, query, tenant_id)) == 1
    query = "SELECT bytes FROM agentledger.blob_totals WHERE tenant_id = %s"
    assert await counted(owner, query, tenant_id) == [(LARGE_BYTES + OVERHEAD_BYTES,)]


async def test_a_blob_is_read_by_its_tenant_only(parts: Parts, tenant_id: TenantId) -> None:
    execution = await begun(parts, tenant_id, LARGE)
    (sha256,) = await hashes(parts, tenant_id, execution.id)
    assert await parts.blobs.content(tenant_id, sha256) == f'"{LARGE}"'.encode()
    stranger = TenantId(IDS.new())
    assert await parts.blobs.content(stranger, sha256) is None
    assert await parts.store.load(Execution, execution.id, stranger) is None


async def test_what_was_refused_leaves_no_blob(
    parts: Parts, tenant_id: TenantId, owner: AsyncConnection
) -> None:
    execution = await begun(parts, tenant_id, "small")
    loaded = await parts.store.load(Execution, execution.id, tenant_id)
    assert loaded is not None
    signal(execution, "news", None)
    await parts.store.append([execution], Envelope(tenant_id, "test"))
    signal(loaded, "news", LARGE)
    with pytest.raises(Exception, match="changed"):
        await parts.store.append([loaded], Envelope(tenant_id, "test"))
    query = "SELECT sha256 FROM agentledger.blobs WHERE tenant_id = %s"
    assert await counted(owner, query, tenant_id) == []


async def test_a_command_over_the_quota_is_refused_and_a_small_one_is_not(
    parts: Parts, tenant_id: TenantId
) -> None:
    command = Envelope(tenant_id, "test", command_id=IDS.new())
    for number in range(TENANT_BLOB_BYTES_MAX // LARGE_BYTES):
        await parts.store.append([an_execution([number, LARGE])], command)
    with pytest.raises(BlobQuotaUsedUp):
        await parts.store.append([an_execution(["one more", LARGE])], command)
    await parts.store.append([an_execution("small")], command)


async def test_what_a_run_brings_is_stored_over_the_quota_and_then_there_is_no_room(
    parts: Parts, tenant_id: TenantId
) -> None:
    assert parts.store.has_room(tenant_id)
    execution = await begun(parts, tenant_id, None)
    for number in range(TENANT_BLOB_BYTES_MAX // LARGE_BYTES + 1):
        signal(execution, "news", [number, LARGE])
    await parts.store.append([execution], Envelope(tenant_id, "worker"))
    assert not parts.store.has_room(tenant_id)


async def test_a_total_is_read_again_after_a_while(parts: Parts, tenant_id: TenantId) -> None:
    time_s = 0.0
    blobs = Blobs(
        await parts.database("api"),
        parts.keys,
        cache_bytes_max=0,
        tenant_bytes_max=LARGE_BYTES,
        plans=NobodyLimited(),
        monotonic_s=lambda: time_s,
    )
    await blobs.require_room(tenant_id, 1)
    await begun(parts, tenant_id, LARGE)  # As another process does.
    await blobs.require_room(tenant_id, 1)
    time_s = TOTAL_FRESH_S
    with pytest.raises(BlobQuotaUsedUp):
        await blobs.require_room(tenant_id, 1)


async def test_the_cache_holds_no_more_bytes_than_it_may(parts: Parts, tenant_id: TenantId) -> None:
    blobs = Blobs(
        await parts.database("api"),
        parts.keys,
        cache_bytes_max=2 * LARGE_BYTES,
        tenant_bytes_max=0,
        plans=NobodyLimited(),
        monotonic_s=lambda: 0.0,
    )
    for number in range(10):
        blobs.keep(tenant_id, bytes([number]), LARGE.encode())
        assert blobs.cache.bytes_count <= 2 * LARGE_BYTES
    kept = await blobs.read(tenant_id, [bytes([number]) for number in range(10)])
    assert kept == {bytes([8]): LARGE.encode(), bytes([9]): LARGE.encode()}
