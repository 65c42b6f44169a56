"""What a newcomer does with `agentledger up`, through HTTP, GraphQL and WebSocket."""

import asyncio
from typing import Any

import httpx
import orjson
import websockets
from websockets.typing import Subprotocol

from tests.end_to_end.stack import Api, Stack, new_tenant, operator_key_of
from tests.end_to_end.stories import question_workflow, scripted_workflow
from tests.plain_http import NO_AUTHORITIES, PATIENCE_S

LONG = "What is durable execution, and who needs it?"


async def updates(api: Api, execution_id: str, after: int = 0) -> list[dict[str, Any]]:
    """Everything the subscription says about one run, until it completes."""
    address = api.url.replace("http", "ws", 1) + "/graphql"
    query = (
        "subscription($id: ID!, $after: Int) { executionUpdates(id: $id, after: $after)"
        " { executionId version topic nodeId status recordedAt data } }"
    )
    seen: list[dict[str, Any]] = []
    async with websockets.connect(
        address, subprotocols=[Subprotocol("graphql-transport-ws")]
    ) as socket:
        hello = {"type": "connection_init", "payload": {"Authorization": f"Bearer {api.api_key}"}}
        await socket.send(orjson.dumps(hello).decode())
        assert orjson.loads(await socket.recv())["type"] == "connection_ack"
        payload = {"query": query, "variables": {"id": execution_id, "after": after}}
        subscribe = {"type": "subscribe", "id": "1", "payload": payload}
        await socket.send(orjson.dumps(subscribe).decode())
        async with asyncio.timeout(60):
            async for text in socket:
                message = orjson.loads(text)
                if message["type"] == "complete":
                    return seen
                assert message["type"] == "next", message
                seen.append(message["payload"]["data"]["executionUpdates"])
    raise AssertionError("the socket closed before the run was over")


async def test_a_workflow_is_registered_run_followed_live_and_read_back(api: Api) -> None:
    workflow = await api.post("/workflows", question_workflow())
    started = await api.http.post(
        f"/api/v1/workflows/{workflow['workflow_id']}/execute", json={"input": {"question": LONG}}
    )
    assert started.status_code == 202
    execution_id = started.json()["data"]["execution_id"]

    seen = await updates(api, execution_id)
    assert [update["version"] for update in seen] == list(range(1, len(seen) + 1))
    assert seen[0]["topic"] == "execution.created"
    assert seen[-1]["topic"] == "execution.completed"
    assert await updates(api, execution_id, after=3) == seen[3:]

    execution = await api.execution_at_end(execution_id)
    assert execution["status"] == "COMPLETED"
    assert execution["output"] == {"answer": f"Answer: {LONG}"}
    words = len(f"Answer: {LONG}".split())
    assert (execution["tokensIn"], execution["tokensOut"]) == (words, words)
    assert execution["costUsd"] == f"{3 * words / 1_000_000:.6f}".rstrip("0")
    nodes = {node["id"]: node["status"] for node in execution["nodes"]}
    assert nodes == {
        "start": "COMPLETED",
        "draft": "COMPLETED",
        "long": "COMPLETED",
        "short": "SKIPPED",
        "end": "COMPLETED",
    }


async def test_a_run_calls_the_agent_as_it_was_revised_last(api: Api) -> None:
    agent = {"name": "Writer", "model": "offline/echo", "instructions": "Answer."}
    agent_id = (await api.post("/agents", agent))["agent_id"]
    nodes = [
        {"id": "start", "type": "start"},
        {"id": "ask", "type": "agent", "config": {"agent_id": agent_id, "input": "Hello"}},
        {"id": "end", "type": "end"},
    ]
    edges = [{"from": "start", "to": "ask"}, {"from": "ask", "to": "end"}]
    workflow = {"name": "Ask", "definition": {"nodes": nodes, "edges": edges}}
    workflow_id = (await api.post("/workflows", workflow))["workflow_id"]

    for version in (1, 2):
        begun = await api.post(f"/workflows/{workflow_id}/execute", {"input": {}})
        ended = await api.execution_at_end(begun["execution_id"])
        assert ended["output"]["agent_version"] == version
        changes = {"instructions": f"Answer after {version}."}
        revised = await api.http.patch(f"/api/v1/agents/{agent_id}", json=changes)
        assert revised.status_code == 200


async def test_a_public_workflow_is_found_by_what_it_is_about_and_copied(api: Api) -> None:
    public = {**question_workflow(), "name": "Chase unpaid invoices", "is_public": True}
    workflow = await api.post("/workflows", public)
    query = '{ similarWorkflows(text: "unpaid invoice") { score template { id owner } } }'
    async with asyncio.timeout(60):
        while not (found := (await api.query(query))["similarWorkflows"]):
            await asyncio.sleep(0.05)
    assert found[0]["template"] == {"id": workflow["workflow_id"], "owner": "TENANT"}
    assert 0 < found[0]["score"] < 1
    copy = await api.post(f"/workflows/{workflow['workflow_id']}/copy", {"name": "Mine"})
    assert copy["definition_hash"] == workflow["definition_hash"]


async def test_the_event_stream_resumes_after_the_last_event_id(api: Api) -> None:
    workflow = await api.post("/workflows", question_workflow())
    ended = await api.post(
        f"/workflows/{workflow['workflow_id']}/execute?wait_s=30", {"input": {"question": LONG}}
    )
    path = f"/api/v1/executions/{ended['execution_id']}/events"
    whole = (await api.http.get(path)).text
    ids = [int(line[4:]) for line in whole.splitlines() if line.startswith("id: ")]
    assert ids == list(range(1, len(ids) + 1))
    rest = (await api.http.get(path, headers={"Last-Event-ID": "2"})).text
    assert [int(line[4:]) for line in rest.splitlines() if line.startswith("id: ")] == ids[2:]


async def test_a_short_run_is_answered_in_the_same_request_and_readable_at_its_position(
    api: Api,
) -> None:
    agent = {"name": "Echo", "model": "offline/echo", "instructions": "Repeat."}
    agent_id = (await api.post("/agents", agent))["agent_id"]
    answer = await api.http.post(
        f"/api/v1/agents/{agent_id}/execute?wait_s=30", json={"input": "hello there"}
    )
    assert answer.status_code == 200
    document = answer.json()
    assert document["data"]["status"] == "COMPLETED"
    assert document["data"]["output"]["text"] == "hello there"
    data = await api.query(
        "query($id: ID!) { agent(id: $id) { id name version } execution(id: $run) { id } }".replace(
            "$id: ID!", "$id: ID!, $run: ID!"
        ),
        position=document["meta"]["position"],
        id=agent_id,
        run=document["data"]["execution_id"],
    )
    assert data["agent"] == {"id": agent_id, "name": "Echo", "version": 1}
    assert data["execution"] == {"id": document["data"]["execution_id"]}


async def test_a_node_that_fails_for_good_ends_the_run_with_node_attempt_and_reason(
    api: Api,
) -> None:
    retry = {"max_attempts": 2, "initial_backoff_s": 0.05}
    workflow = await api.post(
        "/workflows", scripted_workflow([{"fail": "rate_limited"}], retry=retry)
    )
    ended = await api.post(f"/workflows/{workflow['workflow_id']}/execute?wait_s=30", {"input": {}})
    assert ended["status"] == "FAILED"
    error = ended["error"]
    assert isinstance(error, dict)
    assert (error["path"], error["attempt"], error["code"]) == ("draft", 2, "rate_limited")
    execution = await api.execution_at_end(str(ended["execution_id"]))
    (draft,) = [node for node in execution["nodes"] if node["id"] == "draft"]
    assert (draft["status"], draft["attempt"]) == ("FAILED", 2)


async def test_a_running_execution_is_cancelled_and_its_node_is_stopped(api: Api) -> None:
    workflow = await api.post("/workflows", scripted_workflow([{"delay_s": 20, "text": "late"}]))
    run = await api.post(f"/workflows/{workflow['workflow_id']}/execute", {"input": {}})
    async with asyncio.timeout(60):
        while True:
            found = await api.query(
                "query($id: ID!) { execution(id: $id) { nodes { id status } } }",
                id=run["execution_id"],
            )
            nodes = (found["execution"] or {}).get("nodes", [])
            if {"id": "draft", "status": "RUNNING"} in nodes:
                break
            await asyncio.sleep(0.02)
    cancelled = await api.post(f"/executions/{run['execution_id']}/cancel", {"reason": "enough"})
    assert cancelled["status"] == "CANCELLED"
    execution = await api.execution_at_end(str(run["execution_id"]))
    assert execution["status"] == "CANCELLED"
    statuses = {node["id"]: node["status"] for node in execution["nodes"]}
    assert statuses["draft"] == "CANCELLED"


async def test_an_idempotency_key_gives_the_first_answer_again(api: Api) -> None:
    agent = {"name": "Once", "model": "offline/echo", "instructions": "Repeat."}
    headers = {"Idempotency-Key": "create-once"}
    first = await api.http.post("/api/v1/agents", json=agent, headers=headers)
    again = await api.http.post("/api/v1/agents", json=agent, headers=headers)
    other = await api.http.post("/api/v1/agents", json={**agent, "name": "X"}, headers=headers)
    assert first.json()["data"] == again.json()["data"]
    assert first.json()["meta"]["position"] == again.json()["meta"]["position"]
    assert again.headers["Idempotency-Replayed"] == "true"
    assert other.status_code == 422
    assert other.json()["code"] == "idempotency_key_reused"


async def test_a_revoked_key_and_no_key_are_refused_and_tenants_do_not_see_each_other(
    api: Api, one_process: Stack
) -> None:
    workflow = await api.post("/workflows", question_workflow())
    made = await api.post("/api-keys", {"name": "second", "scopes": ["read", "agents:write"]})
    second = Api(one_process.url, str(made["api_key"]))
    assert (await second.http.post("/graphql", json={"query": "{ tenant { id } }"})).is_success
    removed = await api.http.delete(f"/api/v1/api-keys/{made['api_key_id']}")
    assert removed.is_success
    refused = await second.http.post("/api/v1/agents", json={})
    assert (refused.status_code, refused.json()["code"]) == (401, "unauthenticated")
    nobody = httpx.post(
        f"{one_process.url}/api/v1/agents", json={}, timeout=PATIENCE_S, verify=NO_AUTHORITIES
    )
    assert nobody.status_code == 401
    assert nobody.headers["content-type"].startswith("application/problem+json")
    stranger = Api(
        one_process.url, new_tenant(one_process.url, operator_key_of(one_process), "Stranger")
    )
    theirs = await stranger.http.post(
        f"/api/v1/workflows/{workflow['workflow_id']}/execute", json={"input": {}}
    )
    unknown = await stranger.http.post(
        "/api/v1/workflows/01890000-0000-7000-8000-000000000000/execute", json={"input": {}}
    )
    assert theirs.status_code == unknown.status_code == 404
    assert theirs.json()["code"] == unknown.json()["code"]
    found = await stranger.query(
        "query($id: ID!) { workflow(id: $id) { id } }", id=workflow["workflow_id"]
    )
    assert found["workflow"] is None
    await second.http.aclose()
    await stranger.http.aclose()


async def test_verify_rebuild_replay_and_dead_letters_work_beside_the_running_server(
    api: Api, one_process: Stack
) -> None:
    workflow = await api.post("/workflows", question_workflow())
    ended = await api.post(
        f"/workflows/{workflow['workflow_id']}/execute?wait_s=30", {"input": {"question": LONG}}
    )
    before = await api.execution_at_end(str(ended["execution_id"]))
    rebuilt = one_process.run("rebuild", "all", "--json")
    assert rebuilt.returncode == 0, rebuilt.stderr
    assert await api.execution_at_end(str(ended["execution_id"])) == before
    assert one_process.verify()["ok"] is True
    replayed = one_process.run("replay", "--stream", str(ended["execution_id"]), "--json")
    history = orjson.loads(replayed.stdout)
    assert history["events"][-1]["topic"] == "execution.completed"
    assert history["state"]["version"] == len(history["events"])
    assert history["state"]["runs"]["by_path"]["draft"]["status"] == "COMPLETED"
    assert history["events"][1]["causation_id"] == history["events"][0]["event_id"]
    early = one_process.run(
        "replay", "--stream", str(ended["execution_id"]), "--as-of", "2020-01-01"
    )
    assert early.returncode != 0
    assert "as of 2020-01-01" in early.stderr
    listed = one_process.run("dead-letters", "list", "--json")
    assert orjson.loads(listed.stdout) == {"dead_letters": []}


async def test_a_large_payload_is_told_by_reference_and_read_whole(api: Api) -> None:
    workflow = await api.post("/workflows", question_workflow())
    question = LONG * 3000
    ended = await api.post(
        f"/workflows/{workflow['workflow_id']}/execute?wait_s=30",
        {"input": {"question": question}},
    )
    whole = {"answer": f"Answer: {question}"}
    assert ended["output"] == whole
    execution = await api.execution_at_end(ended["execution_id"])
    blob = execution["output"]["$blob"]
    assert blob["bytes"] == len(orjson.dumps(whole))
    content = await api.http.get(f"/api/v1/blobs/{blob['sha256']}")
    assert content.json() == whole
    seen = await updates(api, ended["execution_id"])
    assert seen[-1]["data"] == {"output": {"$blob": blob}}
    stranger = await api.http.get(f"/api/v1/blobs/{'0' * 64}")
    assert stranger.status_code == 404
