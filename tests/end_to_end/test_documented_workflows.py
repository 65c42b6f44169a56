"""Every example of docs/workflows.md, and with them every node type: registered, run and answered
through REST, read through GraphQL. How they go with each answer that an attempt may get is shown in
tests/domain/test_documented_workflows.py.
"""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from domain.nodes.catalogue import NODE_TYPES
from tests.domain.test_documented_workflows import examples
from tests.end_to_end.stack import Api, Stack

WAIT_S = 60.0
UNDER_WAY = {"PENDING", "RUNNING", "WAITING", "COMPENSATING"}
FAILURES = ("rate_limited", "timeout", "unavailable", "invalid")
# A script cannot tell one iteration from another, so here every attempt in a body is an echo.
OF_ECHOES = {"loop": {"rounds": 5}, "map": ["Hello Ada", "Hello Bob", "Hello Cy"]}
QUERY = """query($id: ID!) { execution(id: $id) {
  status output error nodes { path type status } } }"""


@dataclass
class OtherSide:
    """The server that the examples send requests to. answers: by the path of the request."""

    url: str
    answers: dict[str, tuple[int, Any]] = field(default_factory=dict)
    callbacks: asyncio.Queue[str] = field(default_factory=asyncio.Queue)

    async def answer(self, request: web.Request) -> web.Response:
        told = await request.json() if request.can_read_body else {}
        if "callback" in told:
            self.callbacks.put_nowait(told["callback"])
        status, document = self.answers[request.path]
        return web.json_response(document, status=status)


@asynccontextmanager
async def other_side(port: int) -> AsyncIterator[OtherSide]:
    server, app = OtherSide(f"http://127.0.0.1:{port}"), web.Application()
    app.router.add_route("*", "/{path:.*}", server.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port).start()
        yield server
    finally:
        await runner.cleanup()


@dataclass
class Example:
    """One of the document, fitted to a real installation: models follow scripts, and the servers of
    the world are one of ours.
    """

    title: str
    raw: dict[str, Any]
    course: dict[str, Any]

    def fit(self, server: OtherSide) -> None:
        for node in self.raw["nodes"]:
            answers = self.course.get("answers", {}).get(node["id"], [])
            config = node.get("config", {})
            if "initial_backoff_s" in node.get("retry", {}):
                node["retry"]["initial_backoff_s"] = 0.05
            if node["type"] == "llm" and answers:
                config |= {"model": "offline/script", "parameters": {"script": script(answers)}}
            if node["type"] == "http":
                path = re.sub(r"https://[^/]+", "", config["url"])
                config["url"] = server.url + path
                told = answers[0].get("output") or answers[0]
                server.answers[path] = told["status"], told.get("json")
            if node["type"] == "approval" and node["id"] not in self.course["decisions"]:
                config["deadline_s"] = 0.2
            if node["type"] == "delay":
                self.course["input"] = {"hours": 0}

    async def begin(self, api: Api) -> str:
        for node in self.raw["nodes"]:
            if node["type"] == "agent":
                node["config"]["agent_id"] = await self._agent(api, node["id"])
            if node["type"] == "sub_workflow":
                node["config"]["workflow_id"] = await self._child(api, node["id"])
        made = await api.post("/workflows", {"name": self.title, "definition": self.raw})
        run = {"input": self.course.get("input")}
        begun = await api.post(f"/workflows/{made['workflow_id']}/execute", run)
        return begun["execution_id"]

    async def _agent(self, api: Api, node_id: str) -> str:
        (answer,) = self.course["answers"][node_id]
        parameters = {"script": [{"text": answer["output"]["text"]}]}
        agent = {"name": "Helper", "model": "offline/script", "instructions": "Help."}
        return (await api.post("/agents", {**agent, "parameters": parameters}))["agent_id"]

    async def _child(self, api: Api, node_id: str) -> str:
        end = {"id": "end", "type": "end", "config": {"output": self.course["children"][node_id]}}
        definition = {
            "nodes": [{"id": "start", "type": "start"}, end],
            "edges": [{"from": "start", "to": "end"}],
        }
        made = await api.post("/workflows", {"name": "Child", "definition": definition})
        return made["workflow_id"]

    async def answer(self, api: Api, run: str, server: OtherSide) -> None:
        """What comes from outside."""
        for name, payload in self.course.get("signals", []):
            await api.post(f"/executions/{run}/signals/{name}", {"payload": payload})
        for _, body in self.course.get("webhooks", []):
            callback = await asyncio.wait_for(server.callbacks.get(), WAIT_S)
            path = re.sub(r"https://[^/]+", "", callback)
            assert (await api.http.post(path, json=body)).status_code == 202
        for node_id, (decision, edits) in self.course.get("decisions", {}).items():
            await _seen(api, run, _waits_at(node_id))
            decided = {"decision": decision, "edits": edits}
            await api.post(f"/executions/{run}/approvals/{node_id}", decided)

    def require(self, run: dict[str, Any]) -> None:
        expected = OF_ECHOES.get(self.title, self.course.get("output"))
        output = run["output"]
        if isinstance(expected, dict) and isinstance(output, dict):
            output = {name: value for name, value in output.items() if name in expected}
        told = run["status"], output, (run["error"] or {}).get("code")
        code = _scripted_code(self.course.get("error"))
        if expected == {"why": "content_refused"}:
            expected = {"why": _scripted_code("content_refused")}
        assert told == (self.course["status"], expected, code), self.title


def script(answers: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same answers as entries of offline/script."""
    entries: list[dict[str, Any]] = []
    for answer in answers:
        if "fail" in answer:
            entries.append({"fail": _scripted_code(answer["fail"])})
        elif "wait_s" in answer:
            entries.append({"text": "late", "delay_s": answer["wait_s"]})
        else:
            entries.append({"text": answer["output"]["text"]})
    return entries


def _scripted_code(code: str | None) -> str | None:
    """A script fails with few codes."""
    return code if code is None or code in FAILURES else "invalid"


def _waits_at(node_id: str) -> Callable[[dict[str, Any]], bool]:
    return lambda run: any(
        node["path"] == node_id and node["status"] == "WAITING" for node in run["nodes"]
    )


async def _seen(api: Api, run: str, condition: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    async with asyncio.timeout(WAIT_S):
        while True:
            seen = (await api.query(QUERY, id=run))["execution"]
            if seen and condition(seen):
                return seen
            await asyncio.sleep(0.05)


async def test_every_example_of_the_document_goes_as_it_says(api: Api, one_process: Stack) -> None:
    given = [json.loads(json.dumps(one.values)) for one in examples()]
    titles = [one.id for one in examples()]
    every = [Example(title, *one) for title, one in zip(titles, given, strict=True)]
    types: set[str | None] = set()
    port = one_process.reachable_port
    await api.put(
        "/secrets/github", {"value": "a token", "allowed_hosts": [f"http://127.0.0.1:{port}"]}
    )
    async with other_side(port) as server:

        async def live(example: Example) -> None:
            example.fit(server)
            run = await example.begin(api)
            await example.answer(api, run, server)
            ended = await _seen(api, run, lambda run: run["status"] not in UNDER_WAY)
            example.require(ended)
            types.update(node["type"] for node in ended["nodes"])

        await asyncio.gather(*(live(example) for example in every))
    assert types >= NODE_TYPES.keys()
