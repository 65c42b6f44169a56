"""A secret on its way: from the request that brings it to the server that it is for, and nowhere
else. The word it is made of is looked for in everything that the installation keeps and says.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import web

from tests.end_to_end.stack import Api, Stack, contents, new_tenant, operator_key_of

CANARY = "canary-7f3a91c2d8"
EVERYTHING = (
    "{ secrets { edges { node { name version lastUsedAt } } }"
    " events(first: 100) { edges { node { topic data } } }"
    " executions { edges { node { output error nodes { path output error } } } } }"
)


@asynccontextmanager
async def echo_server(port: int) -> AsyncIterator[list[dict[str, Any]]]:
    """Answers with all that it was sent, and keeps it."""
    received: list[dict[str, Any]] = []

    async def echo(request: web.Request) -> web.Response:
        told = {
            "headers": dict(request.headers),
            "query": request.query_string,
            "body": (await request.read()).decode(),
        }
        received.append(told)
        status = int(request.query.get("status", 200))
        headers = {"X-Echo": request.headers.get("Authorization", "")}
        return web.json_response(told, status=status, headers=headers)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", echo)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port).start()
        yield received
    finally:
        await runner.cleanup()


def call(port: int, **config: Any) -> dict[str, Any]:
    bearer = {"$secret": "partner", "prefix": "Bearer "}
    asked = {"method": "POST", "url": f"http://127.0.0.1:{port}/", "query": {"k": "v"}, **config}
    return {
        "name": "Call",
        "definition": {
            "nodes": [
                {"id": "start", "type": "start"},
                {
                    "id": "call",
                    "type": "http",
                    "config": {
                        "headers": {"Authorization": bearer},
                        "json": {"deep": [{"$secret": "partner"}, "{{ input }}"]},
                        **asked,
                    },
                },
                {"id": "end", "type": "end"},
            ],
            "edges": [{"from": "start", "to": "call"}, {"from": "call", "to": "end"}],
        },
    }


async def ended(api: Api, workflow: dict[str, Any], given: Any = None) -> dict[str, Any]:
    created = await api.post("/workflows", workflow)
    begun = await api.post(f"/workflows/{created['workflow_id']}/execute", {"input": given})
    return await api.execution_at_end(begun["execution_id"])


def places_of(word: str, *directories: Path) -> list[Path]:
    """The files that have the word in them, whatever they are: tables, WAL, logs, keys."""
    return [
        path for one in directories for path, content in contents(one) if word.encode() in content
    ]


async def test_a_secret_reaches_its_server_and_nothing_else(api: Api, one_process: Stack) -> None:
    port = one_process.reachable_port
    here = [f"http://127.0.0.1:{port}"]
    stored = await api.put("/secrets/partner", {"value": CANARY, "allowed_hosts": here})
    async with echo_server(port) as received:
        good = await ended(api, call(port), {"$secret": "partner"})
        bad = await ended(api, call(port, query={"status": "403"}))
    assert (good["status"], bad["status"]) == ("COMPLETED", "FAILED")
    assert received[0]["headers"]["Authorization"] == f"Bearer {CANARY}"
    assert received[0]["body"] == f'{{"deep":["{CANARY}",{{"$secret":"partner"}}]}}'
    output = good["output"]
    assert output["headers"]["x-echo"] == "Bearer [secret partner]"
    assert output["json"]["headers"]["Authorization"] == "Bearer [secret partner]"
    told = await api.query(EVERYTHING)
    (listed,) = [edge["node"] for edge in told["secrets"]["edges"]]
    assert (listed["name"], listed["version"]) == ("partner", 1)
    assert listed["lastUsedAt"] is not None
    assert "secret.stored" in str(told)
    assert [text for text in (str(told), str(stored), str(good), str(bad)) if CANARY in text] == []
    assert places_of("partner", one_process.directory), "the events are looked at"
    assert places_of(CANARY, one_process.directory) == []
    one_process.verify()


async def test_who_may_write_workflows_cannot_send_a_secret_to_a_server_of_their_own(
    api: Api, one_process: Stack
) -> None:
    port = one_process.reachable_port
    await api.put("/secrets/partner", {"value": CANARY, "allowed_hosts": ["api.example.com"]})
    async with echo_server(port) as received:
        execution = await ended(api, call(port))
    assert execution["error"]["code"] == "secret_not_allowed"
    assert received == []


async def test_the_secret_of_another_tenant_is_missing(api: Api, one_process: Stack) -> None:
    port = one_process.reachable_port
    here = [f"http://127.0.0.1:{port}"]
    await api.put("/secrets/partner", {"value": CANARY, "allowed_hosts": here})
    other = Api(one_process.url, new_tenant(one_process.url, operator_key_of(one_process), "B"))
    try:
        async with echo_server(port) as received:
            execution = await ended(other, call(port))
        listed = await other.query("{ secrets { edges { node { name } } } }")
    finally:
        await other.http.aclose()
    assert execution["error"]["code"] == "secret_missing"
    assert (received, listed["secrets"]["edges"]) == ([], [])
