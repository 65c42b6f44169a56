"""`agentledger demo`: the main job on real input, as a client of the public surface and nothing
else.

Two agents and a workflow with a branch; the run is followed live over the GraphQL subscription.
"""

import asyncio
import contextlib
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import orjson
import websockets
from rich.console import Console
from rich.table import Table
from websockets.typing import Subprotocol

from cli.complaints import complain
from cli.installation import DEMO_FILE, SERVER_FILE, read_json
from cli.session import run, settings_or_complain
from domain.execution_status import ENDED
from domain.identifiers import Json, JsonObject

START_WAIT_S = 60
RUN_WAIT_S = 60
READ_POLL_S = 0.05
WIDTH_MIN = 110
NODE_COLUMNS = (
    "id",
    "type",
    "status",
    "attempt",
    "durationMs",
    "tokensIn",
    "tokensOut",
    "costUsd",
)
QUESTION = (
    "Our invoices of October show twelve percent more tokens than our own logs. "
    "Which three checks would you run first, and why?"
)

DEFINITION: JsonObject = {
    "nodes": [
        {"id": "start", "type": "start"},
        {
            "id": "research",
            "type": "agent",
            "config": {"agent_id": "", "input": "{{ input.question }}"},
            "timeout_s": 30,
            "retry": {"max_attempts": 3, "initial_backoff_s": 0.2},
        },
        {
            "id": "is_long",
            "type": "condition",
            "config": {"expression": "size(nodes.research.output.text) > input.long_over"},
        },
        {
            "id": "review",
            "type": "agent",
            "config": {"agent_id": "", "input": "{{ nodes.research.output.text }}"},
            "timeout_s": 30,
            "retry": {"max_attempts": 3, "initial_backoff_s": 0.2},
        },
        {"id": "as_is", "type": "set", "config": {"values": {"note": "short enough as it is"}}},
        {
            "id": "end",
            "type": "end",
            "config": {
                "output": {
                    "question": "{{ input.question }}",
                    "answer": "{{ nodes.research.output.text }}",
                }
            },
        },
    ],
    "edges": [
        {"from": "start", "to": "research"},
        {"from": "research", "to": "is_long"},
        {"from": "is_long", "port": "true", "to": "review"},
        {"from": "is_long", "port": "false", "to": "as_is"},
        {"from": "review", "to": "end"},
        {"from": "as_is", "to": "end"},
    ],
}
RESEARCHER: JsonObject = {
    "name": "Researcher",
    "role": "finds what to check",
    "model": "offline/echo",
    "instructions": "Answer with the checks you would run, most telling first.",
}
REVIEWER: JsonObject = {
    "name": "Reviewer",
    "role": "tightens an answer; its first attempt fails, so that a retry can be seen",
    "model": "offline/script",
    "instructions": "Shorten the answer to its core.",
    "parameters": {
        "script": [
            {"delay_s": 0.3, "fail": "rate_limited"},
            {
                "text": "Compare per attempt, not per call: billed retries are the usual gap.",
                "delay_s": 0.6,
                "usage": {"input_tokens": 31, "output_tokens": 14},
            },
        ]
    },
}
SUBSCRIPTION = """
subscription($id: ID!) {
  executionUpdates(id: $id, after: 0) { version topic nodeId status recordedAt data } }
"""
RESULT = """
query($id: ID!) { execution(id: $id) {
  status durationMs costUsd tokensIn tokensOut output error
  nodes { id type status attempt durationMs costUsd tokensIn tokensOut } } }
"""


def demo() -> int:
    settings = settings_or_complain()
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = max(console.width, WIDTH_MIN)

    async def work() -> int:
        async with _server(settings.data_dir, console) as (url, api_key):
            return await _story(url, api_key, console)

    return run(work)


@asynccontextmanager
async def _server(data_dir: Path, console: Console) -> AsyncGenerator[tuple[str, str]]:
    """The URL and the demo tenant's key of a running `up`, or of one started for the story and
    ended after it.
    """
    running = await _running(data_dir)
    if running is not None:
        yield running
        return
    console.print("No server is running here; starting one for this demo ...")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "cli", "up", "--port", "0", stdout=asyncio.subprocess.DEVNULL
    )
    try:
        yield await _started(data_dir, process)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


async def _started(data_dir: Path, process: asyncio.subprocess.Process) -> tuple[str, str]:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(START_WAIT_S):
            while process.returncode is None:
                running = await _running(data_dir)
                if running is not None:
                    return running
                await asyncio.sleep(0.1)
    return complain("the server did not start; run `make up` to see why.")


async def _running(data_dir: Path) -> tuple[str, str] | None:
    server = read_json(data_dir / SERVER_FILE)
    tenant = read_json(data_dir / DEMO_FILE)
    if server is None or tenant is None:
        return None
    url = str(server["url"])
    try:
        async with httpx.AsyncClient(base_url=url, timeout=2) as client:
            (await client.get("/healthz")).raise_for_status()
    except httpx.HTTPError:
        return None
    return url, str(tenant["api_key"])


async def _story(url: str, api_key: str, console: Console) -> int:
    headers = {"Authorization": f"Bearer {api_key}"}
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=RUN_WAIT_S) as client:
        researcher = await _post(client, "/api/v1/agents", RESEARCHER)
        reviewer = await _post(client, "/api/v1/agents", REVIEWER)
        console.print(
            f"agents     {researcher['agent_id']} Researcher, {reviewer['agent_id']} Reviewer"
        )
        definition = _definition(str(researcher["agent_id"]), str(reviewer["agent_id"]))
        workflow = await _post(
            client, "/api/v1/workflows", {"name": "Answer and review", "definition": definition}
        )
        console.print(f"workflow   {workflow['workflow_id']} Answer and review")
        execution = await _post(
            client,
            f"/api/v1/workflows/{workflow['workflow_id']}/execute",
            {"input": {"question": QUESTION, "long_over": 80}},
        )
        execution_id = str(execution["execution_id"])
        console.print(f"execution  {execution_id}\n\n[bold]input[/bold]  {QUESTION}\n")
        last = await _follow(url, api_key, execution_id, console)
        ended = await _ended_execution(client, execution_id)
    _print_result(ended, console)
    console.print(
        f"history   {last} events: agentledger replay --stream {execution_id}"
        f"\n          {url}/dashboard/executions/{execution_id}"
        f"\n          {url}/api/v1/executions/{execution_id}/events"
    )
    return 0 if ended["status"] == "COMPLETED" else 1


def _definition(researcher_id: str, reviewer_id: str) -> JsonObject:
    definition: JsonObject = orjson.loads(orjson.dumps(DEFINITION))
    nodes = definition["nodes"]
    assert isinstance(nodes, list)
    for node in nodes:
        assert isinstance(node, dict)
        config = node.get("config")
        if isinstance(config, dict) and "agent_id" in config:
            config["agent_id"] = researcher_id if node["id"] == "research" else reviewer_id
    return definition


async def _post(client: httpx.AsyncClient, path: str, body: JsonObject) -> JsonObject:
    answer = await client.post(path, json=body)
    if answer.is_error:
        complain(f"{path} answered {answer.status_code}: {answer.text}")
    data: JsonObject = answer.json()["data"]
    return data


async def _follow(url: str, api_key: str, execution_id: str, console: Console) -> int:
    """Prints every event as it happens; returns the last version."""
    version = 0
    address = url.replace("http", "ws", 1) + "/graphql"
    async with websockets.connect(
        address, subprotocols=[Subprotocol("graphql-transport-ws")]
    ) as socket:
        await socket.send(_frame("connection_init", payload={"Authorization": f"Bearer {api_key}"}))
        await socket.recv()
        query: JsonObject = {"query": SUBSCRIPTION, "variables": {"id": execution_id}}
        await socket.send(_frame("subscribe", id="1", payload=query))
        async with asyncio.timeout(RUN_WAIT_S):
            async for text in socket:
                message = orjson.loads(text)
                if message["type"] == "complete":
                    break
                if message["type"] != "next" or "errors" in message["payload"]:
                    complain(f"the subscription failed: {message['payload']}")
                update = message["payload"]["data"]["executionUpdates"]
                version = int(update["version"])
                console.print(_line(update))
    return version


def _frame(kind: str, **fields: Json) -> str:
    return orjson.dumps({"type": kind, **fields}).decode()


def _line(update: JsonObject) -> str:
    time = str(update["recordedAt"])[11:23]
    topic = str(update["topic"])
    data = update.get("data")
    colour = "red" if "failed" in topic else "green" if "completed" in topic else "cyan"
    detail = ""
    if isinstance(data, dict):
        shown = {
            name: data[name] for name in ("attempt", "code", "ports", "retry_at") if data.get(name)
        }
        detail = "  ".join(f"{name}={value}" for name, value in shown.items())
    node = str(update.get("nodeId") or "")
    return f"  {time}  {update['version']:>3}  [{colour}]{topic:<26}[/{colour}] {node:<10} {detail}"


async def _ended_execution(client: httpx.AsyncClient, execution_id: str) -> JsonObject:
    """The execution as the read model shows it once it is ended; bounded."""
    deadline = asyncio.get_running_loop().time() + RUN_WAIT_S
    while True:
        answer = await client.post(
            "/graphql", json={"query": RESULT, "variables": {"id": execution_id}}
        )
        execution: JsonObject | None = answer.json()["data"]["execution"]
        if execution is not None and execution["status"] in ENDED:
            return execution
        if asyncio.get_running_loop().time() > deadline:
            complain("the read model did not catch up.")
        await asyncio.sleep(READ_POLL_S)


def _print_result(execution: JsonObject, console: Console) -> None:
    table = Table("node", "type", "status", "attempts", "ms", "tokens in", "tokens out", "USD")
    nodes = execution["nodes"]
    assert isinstance(nodes, list)
    for node in nodes:
        assert isinstance(node, dict)
        table.add_row(*("" if node[name] is None else str(node[name]) for name in NODE_COLUMNS))
    console.print()
    console.print(table)
    console.print(f"\n[bold]{execution['status']}[/bold] in {execution['durationMs']} ms")
    console.print("result   ", execution["output"] or execution["error"])
    console.print(
        f"tokens    {execution['tokensIn']} in, {execution['tokensOut']} out"
        f"\ncost      {execution['costUsd']} USD"
    )
