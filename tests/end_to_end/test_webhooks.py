"""A run waits for somebody who has no API key, and is told of them by one node of its own."""

import asyncio
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.end_to_end.stack import Api, Stack
from tests.plain_http import NO_AUTHORITIES, PATIENCE_S

NODES = "query($id: ID!) { execution(id: $id) { status nodes { id status output } } }"
WAIT_S = 60


def callback_workflow(*, busy_s: float = 0, timeout_s: float = 600) -> dict[str, Any]:
    """It tells where it may be called back, is busy for a while, and waits."""
    script = {"script": [{"delay_s": busy_s, "text": "done"}]}
    model = {"model": "offline/script", "prompt": "go", "parameters": script}
    return {
        "name": "Callback",
        "definition": {
            "nodes": [
                {"id": "start", "type": "start"},
                {
                    "id": "tell",
                    "type": "set",
                    "config": {"values": {"callback": "{{ execution.webhook_path }}/paid"}},
                },
                {"id": "busy", "type": "llm", "config": model},
                {"id": "paid", "type": "webhook", "config": {"timeout_s": timeout_s}},
                {"id": "late", "type": "set", "config": {"values": {"body": "nobody called"}}},
                {"id": "end", "type": "end"},
            ],
            "edges": [
                {"from": "start", "to": "tell"},
                {"from": "tell", "to": "busy"},
                {"from": "busy", "to": "paid"},
                {"from": "paid", "to": "end"},
                {"from": "paid", "port": "error", "to": "late"},
                {"from": "late", "to": "end"},
            ],
        },
    }


async def begun(api: Api, **how: float) -> str:
    workflow = await api.post("/workflows", callback_workflow(**how))
    run = await api.post(f"/workflows/{workflow['workflow_id']}/execute", {"input": {}})
    return str(run["execution_id"])


async def output_of(api: Api, execution_id: str, node_id: str, status: str) -> Any:
    """Of a node once it has this status."""
    async with asyncio.timeout(WAIT_S):
        while True:
            found = (await api.query(NODES, id=execution_id))["execution"] or {"nodes": []}
            for node in found["nodes"]:
                if (node["id"], node["status"]) == (node_id, status):
                    return node["output"]
            await asyncio.sleep(0.02)


async def callback_of(api: Api, execution_id: str) -> str:
    told = await output_of(api, execution_id, "tell", "COMPLETED")
    return api.url + told["callback"]


async def test_a_stranger_posts_and_the_waiting_run_completes_with_the_request(
    api: Api, one_process: Stack
) -> None:
    execution_id = await begun(api)
    await output_of(api, execution_id, "paid", "WAITING")
    url = await callback_of(api, execution_id)
    delivery = {"Webhook-Id": "msg_1", "Authorization": "Basic c2VjcmV0"}
    async with httpx.AsyncClient(timeout=PATIENCE_S, verify=NO_AUTHORITIES) as stranger:
        first = await stranger.post(url + "?shop=1", json={"amount": 7}, headers=delivery)
        assert (first.status_code, first.json()["data"]["name"]) == (202, "paid")
        execution = await api.execution_at_end(execution_id)
        again = await stranger.post(url + "?shop=1", json={"amount": 7}, headers=delivery)
        another = await stranger.get(url)
    assert execution["status"] == "COMPLETED"
    request = execution["output"]
    assert (request["method"], request["query"], request["body"]) == (
        "POST",
        {"shop": "1"},
        {"amount": 7},
    )
    assert "authorization" not in request["headers"]
    assert (again.status_code, again.json()["data"]) == (202, first.json()["data"])
    assert (another.status_code, another.json()["code"]) == (409, "refused")
    one_process.verify()


async def test_a_request_that_comes_before_the_node_is_kept_for_it(api: Api) -> None:
    execution_id = await begun(api, busy_s=1)
    url = await callback_of(api, execution_id)
    async with httpx.AsyncClient(timeout=PATIENCE_S, verify=NO_AUTHORITIES) as stranger:
        assert (await stranger.get(url, params={"ok": "yes"})).status_code == 202
    execution = await api.execution_at_end(execution_id)
    assert execution["output"]["query"] == {"ok": "yes"}


async def test_a_request_that_never_comes_leaves_by_the_error_port(api: Api) -> None:
    execution = await api.execution_at_end(await begun(api, timeout_s=0.1))
    assert execution["output"] == {"body": "nobody called"}


@pytest.mark.parametrize("method", ["POST", "PUT", "GET"])
async def test_no_path_but_that_of_the_run_leads_to_it(api: Api, method: str) -> None:
    execution_id, other_id = await begun(api), await begun(api)
    url = await callback_of(api, execution_id)
    key = url.split("/")[-2]
    wrong = [
        url.replace(execution_id, other_id),
        url.replace(execution_id, str(uuid4())),
        url.replace(key, key[::-1]),
    ]
    async with httpx.AsyncClient(timeout=PATIENCE_S, verify=NO_AUTHORITIES) as stranger:
        answers = [(await stranger.request(method, one)) for one in wrong]
    told = [{**answer.json(), "request_id": ""} for answer in answers]
    assert [answer.status_code for answer in answers] == [404, 404, 404]
    assert told[0] == told[1] == told[2]
    for one in (execution_id, other_id):
        cancelled = await api.post(f"/executions/{one}/cancel", {})
        assert cancelled["status"] == "CANCELLED"
