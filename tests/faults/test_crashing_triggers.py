"""Triggers whose worker is killed at every crash point and goes on: no fire is lost, and none is
made twice.
"""

import asyncio
import signal
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from infra.clock import SystemClock
from tests.faults.broken import Broken
from tests.faults.conftest import WAIT_S
from tests.faults.crash_chains import OF_TRIGGERS
from tests.faults.load import POLL_S, Client, workflows_of

pytestmark = pytest.mark.timeout(600)

TRIGGER = "query($id: ID!) { trigger(id: $id) { firedCount missedCount pauseReason last } }"
BEGUN = "SELECT count(*) FROM events WHERE topic = 'execution.created' AND actor = %s"
FIRES = 3


async def test_a_fire_is_neither_lost_nor_made_twice_whatever_dies_meanwhile(
    on_either: Broken,
) -> None:
    client = on_either.client
    claimed, fired, missed = sorted(OF_TRIGGERS)
    process = on_either.installation.start("all", AGENTLEDGER_CRASH_AT=claimed)
    ordering = asyncio.create_task(ordered(client))
    assert await process.ended(wait_s=WAIT_S) == -signal.SIGKILL, process.said()
    process = on_either.installation.start("all", AGENTLEDGER_CRASH_AT=fired)
    assert await process.ended(wait_s=WAIT_S) == -signal.SIGKILL, process.said()
    process = on_either.installation.start("all", AGENTLEDGER_CRASH_AT=missed)
    refusing = asyncio.create_task(ordered(client, is_gone=True))
    assert await process.ended(wait_s=WAIT_S) == -signal.SIGKILL, process.said()
    on_either.installation.start("all")
    whole, broken = await ordering, await refusing
    told = await until(client, whole, lambda one: int(one["firedCount"]) >= FIRES)
    assert (int(told["firedCount"]), int(told["missedCount"])) == (FIRES, 0)
    assert len({fire["nominal_at"] for fire in told["last"]}) == FIRES
    async with on_either.owner() as conn:
        row = await (await conn.execute(BEGUN, (f"trigger:{whole}",))).fetchone()
    assert row == (FIRES,)
    told = await until(client, broken, lambda one: one["pauseReason"] is not None)
    assert (int(told["firedCount"]), int(told["missedCount"])) == (0, 1)
    assert [check.name for check in await on_either.checks() if not check.ok] == []


async def ordered(client: Client, *, is_gone: bool = False) -> str:
    """A trigger with a period to make up for. is_gone: the workflow."""
    trigger_id, workflow_id = await a_trigger(client)
    if is_gone:
        headers = {"Idempotency-Key": uuid4().hex, **client._credentials()}
        await client._until_answered("DELETE", f"/api/v1/workflows/{workflow_id}", {}, headers)
    now = SystemClock().now().replace(minute=30)
    period = {"from": now - timedelta(hours=FIRES + 1), "to": now - timedelta(hours=1)}
    body = {name: instant.isoformat() for name, instant in period.items()}
    await client.post(f"/triggers/{trigger_id}/backfill", body)
    return trigger_id


async def a_trigger(client: Client) -> tuple[str, str]:
    """Hourly, at the hour, until now; and its workflow."""
    schedule = {"every_s": 3600, "end_at": SystemClock().now().isoformat()}
    definition = workflows_of(1)["held"]
    made = await client.post("/workflows", {"name": "held", "definition": definition})
    body = {"name": "Hourly", "schedule": schedule, "policy": {"overlap": "allow_all"}}
    path = f"/workflows/{made['workflow_id']}/triggers"
    trigger = await client.post(path, body)
    return str(trigger["trigger_id"]), str(made["workflow_id"])


async def until(client: Client, trigger_id: str, is_done: Any) -> dict[str, Any]:
    async with asyncio.timeout(WAIT_S):
        while True:
            told = (await client.query(TRIGGER, id=trigger_id))["trigger"]
            if told is not None and is_done(told):
                return told
            await asyncio.sleep(POLL_S)
