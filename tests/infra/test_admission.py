"""Admission decides from samples of the real list of open executions."""

from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg
import pytest

from commands.admission_port import EngineBehind, TooManyOpenExecutions
from commands.ports import ClosedExecution, OpenedExecution, SideRow
from domain.envelope import Envelope
from domain.errors import OverLimit
from domain.execution_commands import cancel
from domain.execution_parts import NO_ORIGIN
from domain.executions import Execution
from domain.identifiers import TenantId
from infra.admission import BEHIND_RETRY_AFTER_S, SAMPLE_VALID_S, SampledAdmission
from infra.clock import SystemClock
from infra.metrics import Metrics
from tests.commands.fakes import FakeClock
from tests.infra.conftest import Parts
from tests.infra.log_steps import IDS

OPEN_MAX = 3
LAG_S_MAX = 30.0


class Tenants:
    """Tenants that begin executions on the real store. clock shows how old these look."""

    def __init__(self, parts: Parts, admission: Callable[..., SampledAdmission]) -> None:
        self.store = parts.store
        self.clock = FakeClock()
        self.clock.time = SystemClock().now()
        self.time_s = 0.0
        self.metrics = Metrics()
        self.admission = admission(
            clock=self.clock, metrics=self.metrics, monotonic_s=lambda: self.time_s
        )

    async def begin(self, tenant_id: TenantId, *, wake_at: datetime | None = None) -> Execution:
        execution = Execution._create(  # the library's documented way to choose the id
            Execution.Created,
            id=IDS.new(),
            workflow_id=None,
            workflow_version=None,
            agent_id=str(IDS.new()),
            definition_hash="0" * 64,
            input={},
            created_by="test",
            **NO_ORIGIN,
        )
        await self.append(execution, tenant_id, OpenedExecution(execution.id, wake_at))
        return execution

    async def start(self, execution: Execution, tenant_id: TenantId) -> None:
        execution.trigger_event(Execution.Started)
        await self.append(execution, tenant_id)

    async def append(self, execution: Execution, tenant_id: TenantId, *rows: SideRow) -> None:
        await self.store.append([execution], Envelope(tenant_id, "test"), side_rows=rows)

    async def asks(self, *tenant_ids: TenantId) -> list[str]:
        """Each asks, a sample is taken, each asks again: what the second question is answered."""
        for tenant_id in tenant_ids:
            self._answer(tenant_id)
        await self.admission.sample()
        return [self._answer(tenant_id) for tenant_id in tenant_ids]

    def _answer(self, tenant_id: TenantId) -> str:
        try:
            self.admission.require_admitted(tenant_id)
        except OverLimit as refusal:
            return refusal.code
        return "admitted"

    def metric(self, name: str, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(name, labels)


@pytest.fixture
async def tenants(parts: Parts) -> Tenants:
    database = await parts.database("api")

    def admission(**given: Any) -> SampledAdmission:
        return SampledAdmission(
            database, open_executions_max=OPEN_MAX, lag_s_max=LAG_S_MAX, **given
        )

    return Tenants(parts, admission)


def a_tenant() -> TenantId:
    return TenantId(IDS.new())


async def test_a_tenant_may_have_as_many_open_executions_as_the_limit_says(
    tenants: Tenants,
) -> None:
    full, other = a_tenant(), a_tenant()
    begun = [await tenants.begin(full) for _ in range(OPEN_MAX)]
    await tenants.begin(other)
    assert await tenants.asks(full, other) == ["too_many_open_executions", "admitted"]
    cancel(begun[0], None)
    await tenants.append(begun[0], full, ClosedExecution(begun[0].id))
    assert await tenants.asks(full) == ["admitted"]


async def test_what_was_admitted_since_the_sample_counts(tenants: Tenants) -> None:
    tenant_id = a_tenant()
    await tenants.begin(tenant_id)
    assert await tenants.asks(tenant_id) == ["admitted"]
    tenants.admission.require_admitted(tenant_id)
    with pytest.raises(TooManyOpenExecutions) as refusal:
        tenants.admission.require_room(tenant_id)
    assert refusal.value.retry_after_s > 0
    code = "too_many_open_executions"
    assert tenants.metric("agentledger_admission_refusals_total", code=code) == 1


async def test_a_tenant_whose_executions_wait_too_long_to_begin_is_refused(
    tenants: Tenants,
) -> None:
    waiting, prompt, calm = a_tenant(), a_tenant(), a_tenant()
    execution = await tenants.begin(waiting)
    await tenants.start(await tenants.begin(prompt), prompt)
    assert await tenants.asks(waiting, prompt, calm) == ["admitted"] * 3
    tenants.clock.pass_time(seconds=LAG_S_MAX + 5)
    assert await tenants.asks(waiting, prompt, calm) == ["engine_behind", "admitted", "admitted"]
    lag_s = tenants.metric("agentledger_open_executions_lag_seconds")
    assert lag_s == LAG_S_MAX
    tenants.admission.require_room(waiting)  # Of a run that was accepted.
    with pytest.raises(EngineBehind) as refusal:
        tenants.admission.require_admitted(waiting)
    assert refusal.value.retry_after_s == BEHIND_RETRY_AFTER_S
    await tenants.start(execution, waiting)
    assert await tenants.asks(waiting) == ["admitted"]


async def test_everybody_is_refused_when_most_tenants_wait_too_long(tenants: Tenants) -> None:
    first, second, third = a_tenant(), a_tenant(), a_tenant()
    await tenants.begin(first)
    await tenants.begin(second)
    tenants.clock.pass_time(seconds=LAG_S_MAX + 5)
    assert await tenants.asks(first, second, third) == ["engine_behind"] * 3


async def test_an_execution_that_sleeps_counts_as_open_but_waits_for_nobody(
    tenants: Tenants,
) -> None:
    tenant_id = a_tenant()
    await tenants.begin(tenant_id, wake_at=tenants.clock.now())
    tenants.clock.pass_time(seconds=LAG_S_MAX + 5)
    assert await tenants.asks(tenant_id) == ["admitted"]
    for _ in range(OPEN_MAX - 1):
        await tenants.begin(tenant_id, wake_at=tenants.clock.now())
    assert await tenants.asks(tenant_id) == ["too_many_open_executions"]


async def test_without_a_fresh_sample_everybody_is_admitted(tenants: Tenants) -> None:
    tenant_id = a_tenant()
    for _ in range(OPEN_MAX):
        await tenants.begin(tenant_id)
    tenants.clock.pass_time(seconds=LAG_S_MAX + 5)
    assert await tenants.asks(tenant_id) == ["engine_behind"]
    tenants.time_s += SAMPLE_VALID_S + 1
    tenants.admission.require_admitted(tenant_id)


async def test_a_large_tenant_is_counted_from_a_sample_of_its_rows(
    parts: Parts, database_url: str
) -> None:
    tenant_id = a_tenant()
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as conn:
        await fill(conn, tenant_id, 60_000)
    database = await parts.database("api")
    counts = []
    for open_max in (50_000, 70_000):
        admission = SampledAdmission(
            database,
            SystemClock(),
            Metrics(),
            open_executions_max=open_max,
            lag_s_max=1e9,
            monotonic_s=lambda: 0.0,
        )
        admission.require_admitted(tenant_id)
        await admission.sample()
        counts.append(admission._tenants[tenant_id].open_count)
    assert 50_000 < counts[0] < 55_000, "counted not much beyond the limit"
    assert counts[1] == pytest.approx(60_000, rel=0.12)


async def test_a_sample_looks_at_few_rows_however_many_are_open(database_url: str) -> None:
    """The primary key has the order of ages as well, and would be read to its end."""
    many, none = a_tenant(), a_tenant()
    read = "SELECT coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0)"
    async with await psycopg.AsyncConnection.connect(database_url) as conn:
        await fill(conn, many, 30_000)
        await conn.execute("ANALYZE agentledger.open_executions")
        await conn.commit()
        youngest = UUID(int=(1 << 128) - 1)
        await conn.execute(
            "SELECT * FROM agentledger.admission_sample(%s::uuid[], 100, 3200, '{1}', %s::uuid[])",
            ([none, many], [youngest]),
        )
        cursor = await conn.execute(
            read + " FROM pg_stat_xact_user_tables WHERE relname = 'open_executions'"
        )
        (rows_read,) = await cursor.fetchone() or (0,)
        await conn.rollback()
    assert 8 <= rows_read <= 400


async def fill(conn: psycopg.AsyncConnection, tenant_id: TenantId, count: int) -> None:
    await conn.execute(
        "INSERT INTO agentledger.open_executions (tenant_id, execution_id, shard)"
        " SELECT %s, id, agentledger.shard_of(id)"
        " FROM (SELECT gen_random_uuid() AS id FROM generate_series(1, %s)) AS ids",
        (tenant_id, count),
    )


async def test_the_sample_tells_the_api_numbers_of_every_tenant_and_nothing_else(
    parts: Parts, tenants: Tenants
) -> None:
    await tenants.begin(a_tenant())
    database = await parts.database("api")
    async with database.connection() as conn:
        cursor = await conn.execute("SELECT count(*) FROM agentledger.open_executions")
        assert await cursor.fetchone() == (0,)
        cursor = await conn.execute(
            "SELECT * FROM agentledger.admission_sample(%s::uuid[], 9, 9, '{}', '{}')",
            ([UUID(int=1)],),
        )
        assert await cursor.fetchall() == [(UUID(int=1), 0, 0.0)]
