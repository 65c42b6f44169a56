"""Triggers that are due are shared by workers: each is looked at by one at a time, tenants in
turn.
"""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from psycopg import AsyncConnection

from commands.plan_port import CountedPart
from commands.standing_port import ChangedStanding, RegisteredTenant
from commands.trigger_port import DueTrigger, StoredDueTrigger
from domain.envelope import Envelope
from domain.identifiers import TenantId
from domain.quotas import QuotaReached
from domain.triggers import Trigger
from infra.due_triggers import PostgresDueTriggers
from infra.metrics import Metrics
from infra.platform_numbers import tell_platform_numbers
from tests.infra.conftest import Parts
from tests.infra.log_steps import IDS

LEASE_S = 60.0
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
async def _only_ours(database_url: str) -> None:
    """The tests of a session share a database, and a worker sees all that is due."""
    async with await AsyncConnection.connect(database_url, autocommit=True) as owner:
        await owner.execute("DELETE FROM agentledger.due_triggers")


async def a_trigger(parts: Parts, tenant_id: TenantId, due_at: datetime, *rows: object) -> Trigger:
    trigger = Trigger(
        id=IDS.new(),
        workflow_id=str(UUID(int=1)),
        name="Hourly",
        workflow_version=None,
        schedule={"every_s": 3600},
        webhook=None,
        input=None,
        policy={},
        decided_until=NOON.isoformat(),
        created_by="user:ada",
    )
    stored = [StoredDueTrigger(trigger.id, due_at), *rows]
    await parts.store.append([trigger], Envelope(tenant_id, "user:ada"), side_rows=stored)  # pyright: ignore[reportArgumentType] # rows of ours
    return trigger


async def put_off(parts: Parts, tenant_id: TenantId, trigger: Trigger, to: datetime | None) -> None:
    trigger.pause("by_hand") if not trigger.is_paused else trigger.resume(None, NOON)
    rows = [StoredDueTrigger(trigger.id, to)]
    await parts.store.append([trigger], Envelope(tenant_id, "user:ada"), side_rows=rows)


async def test_what_is_due_is_claimed_once_until_its_lease_ends(parts: Parts) -> None:
    due = PostgresDueTriggers(await parts.database("worker"))
    tenant_id = TenantId(IDS.new())
    trigger = await a_trigger(parts, tenant_id, NOON)
    assert await due.claim(LEASE_S, now=NOON - timedelta(seconds=1), limit=9) == []
    assert await due.claim(0, now=NOON, limit=9) == [DueTrigger(tenant_id, trigger.id, NOON)]
    (claimed,) = await due.claim(LEASE_S, now=NOON, limit=9)
    assert await due.claim(LEASE_S, now=NOON, limit=9) == []
    await due.release(claimed, pause_s=LEASE_S, refused_with="engine_behind")
    assert await due.claim(LEASE_S, now=NOON, limit=9) == []
    await due.release(claimed, pause_s=0)
    (again,) = await due.claim(LEASE_S, now=NOON, limit=9)
    assert again.refused_with == "engine_behind"


async def test_another_time_takes_the_lease_away_and_is_not_put_off_by_it(parts: Parts) -> None:
    due = PostgresDueTriggers(await parts.database("worker"))
    tenant_id, later = TenantId(IDS.new()), NOON + timedelta(hours=1)
    trigger = await a_trigger(parts, tenant_id, NOON)
    (claimed,) = await due.claim(LEASE_S, now=NOON, limit=9)
    await due.release(claimed, pause_s=0, refused_with="engine_behind")
    await put_off(parts, tenant_id, trigger, later)
    await due.release(claimed, pause_s=LEASE_S)
    assert await due.claim(LEASE_S, now=NOON, limit=9) == []
    assert await due.claim(LEASE_S, now=later, limit=9) == [
        DueTrigger(tenant_id, trigger.id, later)
    ]
    await put_off(parts, tenant_id, trigger, None)
    assert await due.claim(LEASE_S, now=later + timedelta(days=9), limit=9) == []


async def test_tenants_take_turns(parts: Parts) -> None:
    due = PostgresDueTriggers(await parts.database("worker"))
    hog, other = TenantId(IDS.new()), TenantId(IDS.new())
    for seconds in range(3):
        await a_trigger(parts, hog, NOON - timedelta(seconds=10 - seconds))
    await a_trigger(parts, other, NOON)
    claimed = await due.claim(LEASE_S, now=NOON, limit=2)
    assert {one.tenant_id for one in claimed} == {hog, other}


async def test_those_of_a_suspended_tenant_wait(parts: Parts) -> None:
    due = PostgresDueTriggers(await parts.database("worker"))
    tenant_id = TenantId(IDS.new())
    trigger = await a_trigger(
        parts, tenant_id, NOON, RegisteredTenant(None), ChangedStanding("suspended")
    )
    assert await due.claim(LEASE_S, now=NOON, limit=9) == []
    trigger.pause("by_hand")
    await parts.store.append(
        [trigger], Envelope(tenant_id, "operator"), side_rows=[ChangedStanding("active")]
    )
    assert len(await due.claim(LEASE_S, now=NOON, limit=9)) == 1


async def test_operators_see_how_long_what_is_due_has_waited_for_a_worker(parts: Parts) -> None:
    metrics, now = Metrics(), datetime.now(UTC)
    told, due = (
        metrics.registry.get_sample_value,
        PostgresDueTriggers(await parts.database("worker")),
    )

    async def lag_s() -> float:
        async with (await parts.database("api")).connection() as conn:
            await tell_platform_numbers(conn, metrics)
        return told("trigger_lag_seconds") or 0.0

    await a_trigger(parts, TenantId(IDS.new()), now + timedelta(days=9))
    suspended = [RegisteredTenant(None), ChangedStanding("suspended")]
    await a_trigger(parts, TenantId(IDS.new()), now - timedelta(days=9), *suspended)
    assert await lag_s() == 0
    await a_trigger(parts, TenantId(IDS.new()), now - timedelta(hours=1))
    assert await lag_s() >= 3600
    assert told("saga_active", {"type": "trigger"}) == 3
    await due.claim(LEASE_S, now=now, limit=9)
    assert await lag_s() == 0


async def test_a_tenant_has_a_thousand_where_its_plan_says_nothing(
    parts: Parts, database_url: str
) -> None:
    tenant_id = TenantId(IDS.new())
    async with await AsyncConnection.connect(database_url, autocommit=True) as owner:
        await owner.execute("SET ROLE agentledger_writer")
        await owner.execute(
            "INSERT INTO agentledger.counted_parts (tenant_id, kind, part_id)"
            " SELECT %s, 'triggers', gen_random_uuid() FROM generate_series(1, 1000)",
            (tenant_id,),
        )
    with pytest.raises(QuotaReached, match="triggers of 1000"):
        await a_trigger(parts, tenant_id, NOON, CountedPart("triggers", IDS.new()))
