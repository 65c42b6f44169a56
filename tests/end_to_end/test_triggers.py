"""Runs that begin by themselves: a period is made up for by the workers, and a stranger's request
begins a run; both are seen in GraphQL.
"""

import asyncio
import hashlib
import hmac
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from tests.end_to_end.stack import Api, Stack
from tests.plain_http import NO_AUTHORITIES, PATIENCE_S

WAIT_S = 60
TRIGGER = "query($id: ID!) { trigger(id: $id) { nextAt last } }"
WORKFLOW = {
    "name": "Told",
    "definition": {
        "nodes": [
            {"id": "start", "type": "start"},
            {"id": "end", "type": "end", "config": {"output": "{{ input }}"}},
        ],
        "edges": [{"from": "start", "to": "end"}],
    },
}


async def fires_of(api: Api, trigger_id: str, kind: str, count: int) -> list[dict[str, Any]]:
    """Oldest first, once there are so many."""
    async with asyncio.timeout(WAIT_S):
        while True:
            found = (await api.query(TRIGGER, id=trigger_id))["trigger"] or {"last": []}
            fires = [fire for fire in reversed(found["last"]) if fire["kind"] == kind]
            if len(fires) >= count:
                return fires
            await asyncio.sleep(0.02)


async def test_a_period_that_has_passed_is_made_up_for_run_by_run(
    api: Api, one_process: Stack
) -> None:
    workflow = await api.post("/workflows", WORKFLOW)
    now = datetime.now(UTC)
    body = {
        "name": "Hourly",
        "schedule": {"every_s": 3600, "end_at": (now + timedelta(days=1)).isoformat()},
        "input": {"at": "{{ input.scheduled_at }}"},
        "policy": {"overlap": "allow_all"},
    }
    path = f"/workflows/{workflow['workflow_id']}/triggers"
    trigger_id = str((await api.post(path, body))["trigger_id"])
    await api.post(f"/triggers/{trigger_id}/pause", {"note": "first the past"})
    await api.post(f"/triggers/{trigger_id}/resume", {})
    hour = now.replace(minute=0, second=0, microsecond=0)
    period = {"from": hour - timedelta(hours=3, minutes=30), "to": hour - timedelta(hours=1)}
    ordered = await api.post(
        f"/triggers/{trigger_id}/backfill",
        {name: instant.isoformat() for name, instant in period.items()},
    )
    assert ordered["count"] == 3
    fires = await fires_of(api, trigger_id, "backfill", 3)
    expected = [(hour - timedelta(hours=hours)).isoformat() for hours in (3, 2, 1)]
    assert [fire["nominal_at"] for fire in fires] == expected
    outputs = [(await api.execution_at_end(fire["execution_id"]))["output"] for fire in fires]
    assert outputs == [{"at": instant} for instant in expected]
    assert (await api.query(TRIGGER, id=trigger_id))["trigger"]["nextAt"] is not None
    one_process.verify()


async def test_a_signed_request_begins_one_run(api: Api) -> None:
    workflow = await api.post("/workflows", WORKFLOW)
    await api.put("/secrets/hook", {"value": "it is known to two"})
    body = {"name": "Hook", "webhook": {"signature": {"scheme": "github", "secret": "hook"}}}
    made = await api.post(f"/workflows/{workflow['workflow_id']}/triggers", body)
    url, raw = api.url + str(made["webhook_path"]), b'{"order": 17}'
    right = "sha256=" + hmac.new(b"it is known to two", raw, hashlib.sha256).hexdigest()
    headers = {"X-Hub-Signature-256": right, "X-GitHub-Delivery": "1"}
    async with httpx.AsyncClient(timeout=PATIENCE_S, verify=NO_AUTHORITIES) as stranger:
        first = await stranger.post(url, content=raw, headers=headers)
        again = await stranger.post(url, content=raw, headers=headers)
        forged = await stranger.post(url, content=b"{}", headers=headers | {"Webhook-Id": "2"})
    assert (first.status_code, again.json()["data"]) == (202, first.json()["data"])
    assert (forged.status_code, forged.json()["code"]) == (403, "signature_invalid")
    run = await api.execution_at_end(first.json()["data"]["execution_id"])
    assert run["output"] == {"order": 17}
    (fire,) = await fires_of(api, str(made["trigger_id"]), "webhook", 1)
    assert fire["execution_id"] == run["id"]
