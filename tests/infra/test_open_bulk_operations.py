"""Open bulk operations are shared by workers: each is worked on by one at a time, in turns."""

from uuid import UUID

import pytest
from psycopg import AsyncConnection

from commands.bulk_port import OpenBulkOperation
from commands.ports import ClosedBulkOperation, OpenedBulkOperation
from domain.bulk_operations import BulkOperation
from domain.envelope import Envelope
from domain.identifiers import TenantId
from infra.open_bulk_operations import PostgresOpenBulkOperations
from tests.infra.conftest import Parts
from tests.infra.log_steps import IDS

LEASE_S = 60.0


@pytest.fixture(autouse=True)
async def _only_ours(database_url: str) -> None:
    """The tests of a session share a database, and a worker sees all that is open."""
    async with await AsyncConnection.connect(database_url, autocommit=True) as owner:
        await owner.execute("DELETE FROM agentledger.open_bulk_operations")


async def an_operation(parts: Parts) -> tuple[TenantId, BulkOperation]:
    tenant_id = TenantId(IDS.new())
    operation = BulkOperation(
        id=IDS.new(),
        action="cancel",
        filter={},
        parameters={},
        cursor=str(UUID(int=1)),
        executions_max=10,
        created_by="user:ada",
    )
    rows = [OpenedBulkOperation(operation.id)]
    await parts.store.append([operation], Envelope(tenant_id, "user:ada"), side_rows=rows)
    return tenant_id, operation


async def test_a_claimed_operation_is_nobody_elses_until_it_is_released(parts: Parts) -> None:
    open_operations = PostgresOpenBulkOperations(await parts.database("worker"))
    tenant_id, operation = await an_operation(parts)
    claimed = await open_operations.claim(LEASE_S)
    assert claimed is not None
    assert claimed.cause_id is not None
    assert claimed == OpenBulkOperation(tenant_id, operation.id, claimed.cause_id)
    assert await open_operations.claim(LEASE_S) is None
    await open_operations.release(operation.id)
    assert await open_operations.claim(LEASE_S) == claimed


async def test_a_lease_that_has_run_out_is_taken_over(parts: Parts) -> None:
    open_operations = PostgresOpenBulkOperations(await parts.database("worker"))
    _, operation = await an_operation(parts)
    for _ in range(2):
        claimed = await open_operations.claim(0)
        assert claimed is not None
        assert claimed.operation_id == operation.id


async def test_one_that_rests_is_taken_up_by_nobody_meanwhile(parts: Parts) -> None:
    open_operations = PostgresOpenBulkOperations(await parts.database("worker"))
    _, operation = await an_operation(parts)
    assert await open_operations.claim(LEASE_S) is not None
    await open_operations.release(operation.id, after_s=LEASE_S)
    assert await open_operations.claim(LEASE_S) is None


async def test_operations_take_turns(parts: Parts) -> None:
    open_operations = PostgresOpenBulkOperations(await parts.database("worker"))
    ids = [(await an_operation(parts))[1].id for _ in range(2)]
    turns: list[UUID] = []
    for _ in range(4):
        claimed = await open_operations.claim(LEASE_S)
        assert claimed is not None
        turns.append(claimed.operation_id)
        await open_operations.release(claimed.operation_id)
    assert turns == [*ids, *ids]


async def test_a_completed_operation_is_claimed_no_more(parts: Parts) -> None:
    open_operations = PostgresOpenBulkOperations(await parts.database("worker"))
    tenant_id, operation = await an_operation(parts)
    operation.progress([], [], has_more=False)
    rows = [ClosedBulkOperation(operation.id)]
    await parts.store.append([operation], Envelope(tenant_id, "worker:1"), side_rows=rows)
    await open_operations.release(operation.id)
    assert await open_operations.claim(LEASE_S) is None
