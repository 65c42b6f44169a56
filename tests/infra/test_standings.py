"""Who may act: asked by the API for every command, and by a worker for every run."""

import asyncio
from datetime import UTC, datetime
from uuid import UUID

import pytest

from commands.ports import OpenedExecution
from commands.standing_port import ChangedStanding, RegisteredTenant, StoredResellerQuota
from domain.envelope import Envelope
from domain.executions import Execution
from domain.identifiers import SHARDS_COUNT, TenantId
from domain.quotas import QuotaReached
from domain.tenants import Tenant
from infra.managed_tenants import managed_tenants
from infra.open_executions import FIRST_ID, PostgresOpenExecutions
from infra.standings import REMEMBERED_S, HeldTenants, PostgresStandings
from tests.infra.conftest import Parts
from tests.infra.log_steps import IDS

ALL_SHARDS = range(SHARDS_COUNT)
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


async def a_tenant(parts: Parts, reseller_id: TenantId | None = None) -> Tenant:
    tenant = Tenant._create(
        Tenant.Created,
        id=IDS.new(),
        name="t",
        region="eu",
        time_zone="UTC",
        reseller_id=None if reseller_id is None else str(reseller_id),
    )
    await parts.store.append(
        [tenant],
        Envelope(TenantId(tenant.id), "operator"),
        side_rows=[RegisteredTenant(reseller_id)],
    )
    return tenant


async def suspend(parts: Parts, tenant: Tenant) -> None:
    tenant.suspend("unpaid", is_by_operator=True)
    envelope = Envelope(TenantId(tenant.id), "operator")
    await parts.store.append([tenant], envelope, side_rows=[ChangedStanding("suspended")])


async def resume(parts: Parts, tenant: Tenant) -> None:
    tenant.resume(is_by_operator=True)
    envelope = Envelope(TenantId(tenant.id), "operator")
    await parts.store.append([tenant], envelope, side_rows=[ChangedStanding("active")])


async def an_open_execution(parts: Parts, tenant: Tenant, wake_at: datetime | None) -> Execution:
    execution = Execution._create(
        Execution.Created,
        id=IDS.new(),
        workflow_id=None,
        workflow_version=None,
        agent_id=None,
        definition_hash="h",
        input=None,
        created_by="user:ada",
        parent_id=None,
        parent_path=None,
        depth=0,
        forked_from_id=None,
        forked_from_node=None,
        subject_id=None,
        data_subject=None,
    )
    rows = [OpenedExecution(execution.id, wake_at)]
    await parts.store.append([execution], Envelope(TenantId(tenant.id), "user:ada"), side_rows=rows)
    return execution


async def test_a_suspended_tenant_is_known_once_the_log_told_or_seconds_have_passed(
    parts: Parts,
) -> None:
    time_s = [0.0]
    standings = PostgresStandings(await parts.database("api"), monotonic_s=lambda: time_s[0])
    tenant = await a_tenant(parts)
    tenant_id = TenantId(tenant.id)
    assert await standings.of(tenant_id) == "active"
    await suspend(parts, tenant)
    assert await standings.of(tenant_id) == "active"
    standings.forget(tenant.id)
    assert await standings.of(tenant_id) == "suspended"
    await resume(parts, tenant)
    time_s[0] += REMEMBERED_S
    assert await standings.of(tenant_id) == "active"


async def test_an_answer_that_was_on_its_way_when_the_log_told_is_not_remembered(
    parts: Parts,
) -> None:
    standings = PostgresStandings(await parts.database("api"), monotonic_s=lambda: 0.0)
    tenant = await a_tenant(parts)
    asked = asyncio.ensure_future(standings.of(TenantId(tenant.id)))
    await asyncio.sleep(0)
    standings.forget(tenant.id)
    await asked
    await suspend(parts, tenant)
    assert await standings.of(TenantId(tenant.id)) == "suspended"


async def test_a_tenant_that_waits_for_nobody_is_asked_for_once(parts: Parts) -> None:
    standings = PostgresStandings(await parts.database("api"), monotonic_s=lambda: 0.0)
    tenant_id = TenantId((await a_tenant(parts)).id)
    answers = await asyncio.gather(*(standings.of(tenant_id) for _ in range(20)))
    assert answers == ["active"] * 20


async def test_a_worker_finds_no_run_of_a_suspended_tenant_until_it_is_resumed(
    parts: Parts,
) -> None:
    worker = await parts.database("worker")
    held, open_executions = HeldTenants(worker), PostgresOpenExecutions(worker)
    tenant, other = await a_tenant(parts), await a_tenant(parts)
    ready = await an_open_execution(parts, tenant, None)
    due = await an_open_execution(parts, tenant, LONG_AGO)
    others = await an_open_execution(parts, other, None)

    async def found() -> set[UUID]:
        now = datetime.now(UTC)
        pages = [
            await open_executions.ready(ALL_SHARDS, after=None, limit=1000),
            await open_executions.due(ALL_SHARDS, until=now, limit=1000),
        ]
        return {one.execution_id for page in pages for one in page} & {
            ready.id, due.id, others.id,
        }  # fmt: skip

    await suspend(parts, tenant)
    assert not await held.refresh()
    assert held.is_held(TenantId(tenant.id))
    assert not held.is_held(TenantId(other.id))
    assert await found() == {others.id}
    await resume(parts, tenant)
    assert await held.refresh()
    assert not held.is_held(TenantId(tenant.id))
    assert await found() == {ready.id, due.id, others.id}


async def test_a_reseller_has_as_many_customers_as_it_may_however_many_begin_at_once(
    parts: Parts,
) -> None:
    reseller = await a_tenant(parts)
    reseller_id = TenantId(reseller.id)
    with pytest.raises(QuotaReached):
        await a_tenant(parts, reseller_id)
    reseller.allow_customers(3)
    await parts.store.append(
        [reseller], Envelope(reseller_id, "operator"), side_rows=[StoredResellerQuota(3)]
    )
    begun = [a_tenant(parts, reseller_id) for _ in range(12)]
    results = await asyncio.gather(*begun, return_exceptions=True)
    made = {result.id for result in results if isinstance(result, Tenant)}
    refusals = [result for result in results if isinstance(result, QuotaReached)]
    assert (len(made), len(refusals)) == (3, 9)
    assert refusals[0].data == {"quota": "customers"}
    database = await parts.database("api")
    customers = await managed_tenants(database, reseller_id, after=FIRST_ID, limit=100)
    assert set(customers) == made


async def test_a_reseller_is_shown_nobody_elses_tenants_and_the_operator_all(parts: Parts) -> None:
    database = await parts.database("api")
    reseller, other = await a_tenant(parts), await a_tenant(parts)
    assert await managed_tenants(database, TenantId(other.id), after=FIRST_ID, limit=10) == []
    found = await managed_tenants(database, None, after=FIRST_ID, limit=1000)
    assert {reseller.id, other.id} <= set(found)
    assert await managed_tenants(database, None, after=FIRST_ID, limit=1) == found[:1]
    assert await managed_tenants(database, None, after=found[0], limit=1) == found[1:2]
