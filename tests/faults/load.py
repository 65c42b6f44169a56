"""What clients do while things break: runs of every kind, each command repeated under its key until
it is answered.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx

from domain.identifiers import JsonObject
from read_api.errors import UNAVAILABLE
from tests.domain.given import a_graph, a_node, an_llm
from tests.plain_http import NO_AUTHORITIES

POLL_S = 0.05
NAP_S = 1.0
# Answers that mean: not now.
AGAIN = frozenset({409, 429, 503})
ENDED = frozenset({"COMPLETED", "FAILED", "CANCELLED", "COMPENSATED", "NEEDS_ATTENTION"})
EXPECTED = {
    "trip": "COMPENSATED",
    "nap": "COMPLETED",
    "parent": "COMPLETED",
    "signal": "COMPLETED",
    "held": "CANCELLED",
    "asked": "COMPLETED",
}


@dataclass(eq=False)
class Client:
    """Of one tenant. Everything is tried until it succeeds or wait_s are over."""

    url: str
    wait_s: float
    api_key: str = ""
    workflows: dict[str, str] = field(default_factory=dict)
    refusals: list[int] = field(default_factory=list)

    async def post(self, path: str, body: Mapping[str, Any], **headers: str) -> dict[str, Any]:
        """The `data` of the answer."""
        given = {"Idempotency-Key": uuid4().hex, **self._credentials(), **headers}
        answer = await self._until_answered("POST", f"/api/v1{path}", body, given)
        return answer["data"]

    async def query(self, query: str, **variables: object) -> dict[str, Any]:
        body = {"query": query, "variables": variables}
        answer = await self._until_answered("POST", "/graphql", body, self._credentials())
        assert "errors" not in answer, answer
        return answer["data"]

    async def status(self, run: str) -> str | None:
        query = "query($id: ID!) { execution(id: $id) { status } }"
        found = (await self.query(query, id=run))["execution"]
        return found["status"] if isinstance(found, dict) else None

    async def until(self, run: str, statuses: frozenset[str]) -> str:
        deadline = asyncio.get_running_loop().time() + self.wait_s
        while (status := await self.status(run)) not in statuses:
            late = asyncio.get_running_loop().time() > deadline
            assert not late, f"{run} is {status} after {self.wait_s} s"
            await asyncio.sleep(POLL_S)
        return str(status)

    def _credentials(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.api_key}"} if self.api_key else {}

    async def _until_answered(
        self, method: str, path: str, body: Mapping[str, Any], headers: Mapping[str, str]
    ) -> dict[str, Any]:
        deadline = asyncio.get_running_loop().time() + self.wait_s
        # A client of its own for each command, so that a dead connection is not met twice.
        async with httpx.AsyncClient(base_url=self.url, timeout=20, verify=NO_AUTHORITIES) as http:
            while True:
                said: object
                try:
                    answer = await http.request(method, path, json=body, headers=headers)
                except httpx.HTTPError as error:
                    said = error
                else:
                    if answer.is_success and not _is_unavailable(answer):
                        return answer.json()
                    said = answer.text
                    self.refusals.append(answer.status_code)
                    assert answer.is_success or answer.status_code in AGAIN, said
                late = asyncio.get_running_loop().time() > deadline
                assert not late, f"{path}: {said!r} after {self.wait_s} s"
                await asyncio.sleep(POLL_S)


def _is_unavailable(answer: httpx.Response) -> bool:
    """GraphQL says it in the body."""
    errors = answer.json().get("errors") or []
    return any(one["extensions"]["code"] == UNAVAILABLE for one in errors)


def workflows_of(port: int) -> dict[str, JsonObject]:
    """Without `parent`, which names a workflow that has to exist before."""
    nodes = {
        step: _effect(port, step)
        for step in ("book", "hotel", "pay", "note", "woken", "child", "paid")
    }
    undone = {
        step: {**nodes[step], "compensate": _undo(port, f"undo {step}")}
        for step in ("book", "hotel")
    }
    return {
        "trip": a_graph(
            [undone["book"], undone["hotel"], nodes["pay"]],
            ["start -> book", "book -> hotel", "hotel -> pay", "pay -> end"],
        ),
        "nap": a_graph(
            [nodes["note"], a_node("delay", "nap", duration_s=NAP_S), nodes["woken"]],
            ["start -> note", "note -> nap", "nap -> woken", "woken -> end"],
        ),
        "child": a_graph([nodes["child"]], ["start -> child", "child -> end"]),
        "signal": a_graph(
            [a_node("signal", "called", name="go"), nodes["paid"]],
            ["start -> called", "called -> paid", "paid -> end"],
        ),
        "asked": a_graph([an_llm("answer")], ["start -> answer", "answer -> end"]),
        "held": a_graph(
            [a_node("signal", "never", name="never")], ["start -> never", "never -> end"]
        ),
    }


def a_parent(child_id: str) -> JsonObject:
    node = a_node("sub_workflow", "sub", workflow_id=child_id, input="{{ input }}")
    return a_graph([node], ["start -> sub", "sub -> end"])


async def one_of_each(client: Client) -> dict[str, str]:
    """Runs of every kind, by its name, each given what it waits for; then whatever is held is
    cancelled in bulk.
    """
    runs = dict(
        zip(EXPECTED, await asyncio.gather(*(_begin(client, n) for n in EXPECTED)), strict=True)
    )
    await client.post(f"/executions/{runs['signal']}/signals/go", {"payload": 1})
    # Found by what is looked for below; another round may have cancelled it already.
    await client.until(runs["held"], frozenset({"PENDING", "RUNNING", "WAITING", "CANCELLED"}))
    wanted = {"workflow_id": client.workflows["held"]}
    await client.post("/executions/bulk/cancel", {"filter": wanted, "dry_run": False})
    return runs


async def require_ended_well(client: Client, runs: Mapping[str, str]) -> None:
    ended = {name: await client.until(run, ENDED) for name, run in runs.items()}
    assert ended == EXPECTED


async def _begin(client: Client, name: str) -> str:
    path = f"/workflows/{client.workflows[name]}/execute"
    return str((await client.post(path, {"input": {"n": 1}}))["execution_id"])


def _effect(port: int, step: str) -> JsonObject:
    return {"id": step, **_request(port, step), "timeout_s": 10, "retry": {"max_attempts": 20}}


def _undo(port: int, step: str) -> JsonObject:
    return {**_request(port, step), "timeout_s": 10, "retry": {"max_attempts": 20}}


def _request(port: int, step: str) -> JsonObject:
    body: JsonObject = {"run": "{{ execution.id }}", "step": step}
    url = f"http://127.0.0.1:{port}/"
    return {"type": "http", "config": {"method": "POST", "url": url, "json": body}}
