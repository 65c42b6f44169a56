"""A long run is loaded from its newest snapshot and the events after it, and is the same run."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from psycopg import AsyncConnection

import infra.snapshots
from domain.envelope import Envelope
from domain.execution_commands import signal
from domain.executions import Execution
from domain.identifiers import Json, TenantId
from domain.payloads import INLINE_BYTES_MAX
from infra.event_log import read_from_snapshot
from infra.event_sealing import version_bytes
from infra.snapshots import FORMS, Snapshots
from tests.commands.event_store_contract import an_execution
from tests.infra.conftest import SNAPSHOT_EVERY, Parts
from tests.infra.log_steps import IDS


@pytest.fixture
async def owner(database_url: str) -> AsyncIterator[AsyncConnection]:
    async with await AsyncConnection.connect(database_url, autocommit=True) as conn:
        yield conn


@pytest.fixture
def tenant_id() -> TenantId:
    return TenantId(IDS.new())


async def run_of(
    parts: Parts, tenant_id: TenantId, events: int, *, at_once: int = 1, payload: Json = "text"
) -> Execution:
    """A run of that many events, appended by `at_once` of them."""
    execution = an_execution(payload)
    await parts.store.append([execution], Envelope(tenant_id, "test"))
    while execution.version < events:
        for _ in range(min(at_once, events - execution.version)):
            signal(execution, "news", [execution.version, payload])
        await parts.store.append([execution], Envelope(tenant_id, "test"))
    await parts.snapshots.written()
    return execution


async def snapshot_version(parts: Parts, tenant_id: TenantId, execution: Execution) -> int | None:
    snapshot, _ = await read_from_snapshot(
        await parts.database("api"),
        tenant_id,
        execution.id,
        schema_version=FORMS[Execution].version,
        limit=1,
    )
    return None if snapshot is None else snapshot.version


@pytest.mark.parametrize(
    ("events", "expected"), [(9, None), (10, 10), (19, 10), (25, 20), (43, 40)]
)
async def test_every_so_many_events_there_is_a_snapshot(
    parts: Parts, tenant_id: TenantId, events: int, expected: int | None
) -> None:
    execution = await run_of(parts, tenant_id, events)
    assert await snapshot_version(parts, tenant_id, execution) == expected
    assert await parts.store.load(Execution, execution.id, tenant_id) == execution


async def test_an_append_that_goes_past_the_mark_takes_one_where_it_ends(
    parts: Parts, tenant_id: TenantId
) -> None:
    execution = await run_of(parts, tenant_id, 25, at_once=8)
    assert await snapshot_version(parts, tenant_id, execution) == 25
    assert await parts.store.load(Execution, execution.id, tenant_id) == execution


async def test_large_payloads_are_in_the_snapshot_whole(parts: Parts, tenant_id: TenantId) -> None:
    large = "x" * INLINE_BYTES_MAX
    execution = await run_of(parts, tenant_id, SNAPSHOT_EVERY + 3, payload=large)
    assert await snapshot_version(parts, tenant_id, execution) == SNAPSHOT_EVERY
    assert await parts.store.load(Execution, execution.id, tenant_id) == execution


async def test_the_events_that_a_snapshot_stands_for_are_not_read(
    parts: Parts, tenant_id: TenantId
) -> None:
    execution = await run_of(parts, tenant_id, 23)
    _, page = await read_from_snapshot(
        await parts.database("api"),
        tenant_id,
        execution.id,
        schema_version=FORMS[Execution].version,
        limit=100,
    )
    assert [event.version for event in page] == [21, 22, 23]


async def test_a_snapshot_of_another_form_is_ignored_and_replaced(
    parts: Parts, tenant_id: TenantId, owner: AsyncConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    execution = await run_of(parts, tenant_id, 15)
    await owner.execute(
        "UPDATE agentledger.snapshots SET state = 'what nobody can read' WHERE originator_id = %s",
        (execution.id,),
    )
    newer = replace(FORMS[Execution], version=FORMS[Execution].version + 1)
    monkeypatch.setattr(infra.snapshots, "FORMS", {Execution: newer})
    monkeypatch.setattr("infra.event_store.FORMS", {Execution: newer})
    assert await parts.store.load(Execution, execution.id, tenant_id) == execution
    parts.snapshots.take(tenant_id, execution)
    await parts.snapshots.written()
    assert await parts.store.load(Execution, execution.id, tenant_id) == execution


async def test_an_older_snapshot_does_not_replace_a_newer_one(
    parts: Parts, tenant_id: TenantId
) -> None:
    execution = await run_of(parts, tenant_id, 9)
    older = await parts.store.load(Execution, execution.id, tenant_id)
    assert older is not None
    signal(execution, "news", None)
    await parts.store.append([execution], Envelope(tenant_id, "test"))
    await parts.snapshots.written()
    parts.snapshots.take(tenant_id, older)
    await parts.snapshots.written()
    assert await snapshot_version(parts, tenant_id, execution) == 10


async def test_another_tenant_has_no_part_in_it(parts: Parts, tenant_id: TenantId) -> None:
    execution = await run_of(parts, tenant_id, 12)
    stranger = TenantId(IDS.new())
    assert await snapshot_version(parts, stranger, execution) is None
    assert await parts.store.load(Execution, execution.id, stranger) is None


async def test_what_is_changed_and_not_stored_is_in_no_snapshot(
    parts: Parts, tenant_id: TenantId
) -> None:
    execution = await run_of(parts, tenant_id, 9)
    signal(execution, "news", None)
    stream, version = execution.id.bytes, version_bytes(10)
    row = (stream, version, "execution.signalled", b"{}", IDS.new_bytes(), None)
    assert not parts.snapshots.is_due(execution, [row])


async def test_none_are_taken_where_none_are_wanted(parts: Parts, tenant_id: TenantId) -> None:
    execution = await run_of(parts, tenant_id, 10)
    snapshots = Snapshots(await parts.database("api"), parts.keys, every=0)
    assert not snapshots.is_due(execution, [])
