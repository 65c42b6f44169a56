"""Payloads of finished runs go when their tenant said so; the facts stay, and all reads on."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

import orjson
import pytest
from psycopg import AsyncConnection

from commands.retention_port import StoredRetention
from domain.envelope import Envelope
from domain.execution_commands import PayloadsGone, cancel, require_payloads, signal
from domain.executions import Execution
from domain.identifiers import Json, TenantId
from domain.payloads import INLINE_BYTES_MAX
from domain.tenants import Tenant
from infra.event_log import read_stream
from infra.retention import REMOVABLE_FROM_BYTES, PostgresRetentions, first_id_of
from sagas.retention import RetentionSaga
from tests.commands.event_store_contract import an_execution
from tests.commands.fakes import FakeClock
from tests.infra.conftest import SNAPSHOT_EVERY, Parts
from tests.infra.log_steps import IDS

DAYS = 30
TEXT = "a word of somebody's " * (REMOVABLE_FROM_BYTES // 10)


class Tenancy:
    """A tenant that keeps payloads for DAYS; its clock is that of the saga."""

    def __init__(self, parts: Parts, owner: AsyncConnection) -> None:
        self.parts = parts
        self.owner = owner
        self.tenant_id = TenantId(IDS.new())
        self.clock = FakeClock()
        self.clock.time = datetime.now(UTC)
        self.tenant = Tenant._create(
            Tenant.Created,
            id=self.tenant_id,
            name="t",
            region="us",
            time_zone="UTC",
            reseller_id=None,
        )

    async def set(self, days: int | None) -> None:
        self.tenant.keep_payloads(days)
        envelope = Envelope(self.tenant_id, "test")
        await self.parts.store.append([self.tenant], envelope, side_rows=[StoredRetention(days)])
        # As if it had been so for a while.
        await self.owner.execute(
            "UPDATE agentledger.retention SET since = since - interval '1 hour'"
            " WHERE tenant_id = %s",
            (self.tenant_id,),
        )
        self.parts.forget_retention()

    async def run_of(self, *payloads: Json, is_ended: bool = True) -> Execution:
        execution = an_execution(payloads[0])
        for payload in payloads[1:]:
            signal(execution, "news", payload)
        if is_ended:
            cancel(execution, None)
        await self.parts.store.append([execution], Envelope(self.tenant_id, "test"))
        await self.parts.snapshots.written()
        return execution

    async def pass_days(self, days: int) -> None:
        self.clock.pass_time(days=days)
        database = await self.parts.database("worker")
        saga = RetentionSaga(
            PostgresRetentions(database), self.parts.store, self.clock, "worker:test", poll_s=0.0
        )
        for _ in range(10):  # Other tenants of this database have their turns too.
            await saga.work_once()

    async def loaded(self, execution: Execution) -> Execution:
        again = await self.parts.store.load(Execution, execution.id, self.tenant_id)
        assert again is not None
        return again

    async def rows(self, table: str) -> int:
        query = f"SELECT count(*) FROM agentledger.{table} WHERE tenant_id = %s"
        row = await (await self.owner.execute(query.encode(), (self.tenant_id,))).fetchone()
        assert row is not None
        return row[0]

    async def log_of(self, stream_id: UUID) -> bytes:
        database = await self.parts.database("api")
        stored = await read_stream(database, self.tenant_id, stream_id, after_version=0, limit=100)
        page = await self.parts.seals.opened(stored)
        return b"".join(event.state for event in page)


@pytest.fixture
async def tenancy(parts: Parts, database_url: str) -> AsyncIterator[Tenancy]:
    async with await AsyncConnection.connect(database_url, autocommit=True) as owner:
        yield Tenancy(parts, owner)


async def test_with_a_retention_no_payload_lies_in_an_event(tenancy: Tenancy) -> None:
    before = await tenancy.run_of(TEXT)
    await tenancy.set(DAYS)
    after = await tenancy.run_of(TEXT, "tiny")
    assert TEXT.encode() in await tenancy.log_of(before.id)
    assert TEXT.encode() not in await tenancy.log_of(after.id)
    assert (await tenancy.loaded(after)) == after


async def test_payloads_go_after_their_days_and_the_facts_stay(tenancy: Tenancy) -> None:
    await tenancy.set(DAYS)
    execution = await tenancy.run_of(TEXT, [TEXT])
    await tenancy.pass_days(DAYS - 1)
    assert (await tenancy.loaded(execution)).input == TEXT
    await tenancy.pass_days(2)
    left = await tenancy.loaded(execution)
    assert (left.status, left.has_payloads) == ("CANCELLED", False)
    assert left.input == {"$blob": {**told(left.input), "removed": True}}
    assert left.version == execution.version + 1
    with pytest.raises(PayloadsGone):
        require_payloads(left)
    for table in ("blobs", "blob_uses", "snapshots"):
        assert await tenancy.rows(table) == 0
    row = await (
        await tenancy.owner.execute(
            "SELECT bytes FROM agentledger.blob_totals WHERE tenant_id = %s", (tenancy.tenant_id,)
        )
    ).fetchone()
    assert row == (0,)


async def test_they_go_once(tenancy: Tenancy) -> None:
    await tenancy.set(DAYS)
    execution = await tenancy.run_of(TEXT)
    await tenancy.pass_days(DAYS + 1)
    await tenancy.pass_days(1)
    assert (await tenancy.loaded(execution)).version == execution.version + 1


async def test_a_payload_that_another_run_has_too_stays_until_that_goes(tenancy: Tenancy) -> None:
    await tenancy.set(DAYS)
    ended = await tenancy.run_of(TEXT)
    running = await tenancy.run_of(TEXT, is_ended=False)
    await tenancy.pass_days(DAYS + 1)
    assert not (await tenancy.loaded(ended)).has_payloads
    assert (await tenancy.loaded(running)).input == TEXT
    assert await tenancy.rows("blobs") == 1


async def test_a_snapshot_that_holds_payloads_goes_with_them(tenancy: Tenancy) -> None:
    await tenancy.set(DAYS)
    execution = await tenancy.run_of(*([TEXT] * SNAPSHOT_EVERY))
    assert await tenancy.rows("snapshots") == 1
    await tenancy.pass_days(DAYS + 1)
    assert await tenancy.rows("snapshots") == 0
    assert not (await tenancy.loaded(execution)).has_payloads


async def test_a_run_from_before_the_retention_keeps_what_lies_in_its_events(
    tenancy: Tenancy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has a blob too, but could not lose all that it has."""
    execution = await tenancy.run_of(TEXT, TEXT * (INLINE_BYTES_MAX // len(TEXT) + 1))
    tenancy.tenant.keep_payloads(DAYS)
    await tenancy.parts.store.append(
        [tenancy.tenant],
        Envelope(tenancy.tenant_id, "test"),
        side_rows=[StoredRetention(DAYS)],
    )
    await tenancy.pass_days(DAYS + 1)
    assert (await tenancy.loaded(execution)).has_payloads


async def test_without_a_retention_nothing_goes(tenancy: Tenancy) -> None:
    await tenancy.set(DAYS)
    execution = await tenancy.run_of(TEXT)
    await tenancy.set(None)
    await tenancy.pass_days(1000)
    assert (await tenancy.loaded(execution)).input == TEXT


def test_ids_that_are_made_now_lie_between_two_moments() -> None:
    now = datetime.now(UTC)
    made = IDS.new()
    assert first_id_of(now - timedelta(seconds=1)) < made < first_id_of(now + timedelta(seconds=1))


def told(removed: Json) -> dict[str, Json]:
    assert isinstance(removed, dict)
    content = orjson.dumps(removed["$blob"])
    blob: dict[str, Json] = orjson.loads(content)
    assert blob.pop("removed") is True
    assert set(blob) == {"sha256", "bytes"}
    return blob
