"""What reading leaves on the audit trail, and how the trail is read."""

import asyncio
from typing import Any

import pytest

from commands.authorization import Caller
from domain.errors import Unavailable
from read_api.root_fields import ROOT_FIELDS
from read_api.schema import build_schema
from tests.end_to_end.surface import Fields
from tests.projections.histories import a_user, the_tenant
from tests.read_api.api import KEY, Api
from tests.read_api.sockets import WAIT_S, connected, serving

TRAIL = """query($filter: AuditFilter, $first: Int, $after: String) {
  auditEntries(filter: $filter, first: $first, after: $after) {
    edges { cursor node { id at actor credential action target outcome code requestId position times
                          address userAgent } }
    pageInfo { hasNextPage endCursor } } }"""


async def trail(api: Api, **variables: Any) -> list[dict[str, Any]]:
    """The entries, without those that reading them leaves."""
    page = (await api.read(TRAIL, **variables))["auditEntries"]
    nodes = [edge["node"] for edge in page["edges"]]
    return [node for node in nodes if node["action"] != "auditEntries"]


async def test_reading_people_is_on_record_and_reading_runs_is_not(api: Api) -> None:
    await api.happened(the_tenant(api.tenant_id), a_user(api.tenant_id))
    await api.read("{ users { edges { node { email } } } executions { edges { node { id } } } }")
    (entry,) = await trail(api)
    assert (entry["action"], entry["outcome"], entry["actor"]) == ("users", "ALLOWED", "user:ada")
    assert entry["address"] == "127.0.0.1"
    assert entry["userAgent"].startswith("python-httpx")
    assert entry["at"] < "2100"


async def test_reading_the_trail_is_on_record_itself(api: Api) -> None:
    await trail(api)
    page = await api.read(TRAIL, filter={"action": "auditEntries"})
    assert len(page["auditEntries"]["edges"]) == 2


async def test_a_field_without_the_scope_is_a_denial(api: Api) -> None:
    narrow = Caller("api_key:narrow", api.tenant_id, frozenset({"agents:write"}))
    api.callers.known["Bearer narrow"] = narrow
    await api.ask(
        "{ users { edges { node { email } } } }", headers={"Authorization": "Bearer narrow"}
    )
    (entry,) = await trail(api)
    assert (entry["action"], entry["outcome"], entry["code"]) == ("users", "DENIED", "forbidden")
    assert entry["actor"] == "api_key:narrow"


async def test_a_document_that_is_refused_is_on_record_with_its_reason(api: Api) -> None:
    await api.ask("{ nothing }")
    await api.ask("{ " + "...{ " * 50 + "__typename" + " }" * 50 + " }")
    entries = await trail(api)
    assert [(entry["action"], entry["code"]) for entry in entries] == [
        ("graphql", "too_deep"),
        ("graphql", "graphql_validation"),
    ]


@pytest.mark.parametrize(
    ("content", "headers", "code"),
    [
        (b"{", {}, "unparsable_json"),
        (b"[]", {}, "no_batching"),
        (b"{}", {}, "bad_request"),
        (b"{}", {"Content-Type": "text/plain"}, "unsupported_media_type"),
        (b'{"query": "subscription { tenantUpdates { position } }"}', {}, "needs_websocket"),
    ],
)
async def test_what_is_no_operation_is_on_record_too(
    api: Api, content: bytes, headers: dict[str, str], code: str
) -> None:
    async with api.client() as client:
        sent = {"Content-Type": "application/json", **headers}
        response = await client.post("/graphql", content=content, headers=sent)
    assert code in response.text
    entries = [entry for entry in await trail(api) if entry["outcome"] != "ALLOWED"]
    assert [(entry["action"], entry["code"]) for entry in entries] == [("graphql", code)]


async def test_a_subscription_to_the_events_of_a_tenant_is_on_record(api: Api) -> None:
    async with serving(api.app()) as address, connected(address) as socket:
        await socket.begin()
        await socket.subscribe("subscription { tenantUpdates { position } }")
        await socket.subscribe("{ nothing }", as_="2")
        assert (await socket.receive())["id"] == "2"
    actions = {entry["action"] for entry in await trail(api)}
    assert actions == {"tenantUpdates", "graphql"}


async def test_who_follows_again_on_the_same_connection_is_on_record_once(api: Api) -> None:
    people = "{ users { edges { node { id } } } }"

    async def on_record() -> list[str]:
        return sorted(entry["action"] for entry in await trail(api))

    async with serving(api.app()) as address, connected(address) as socket:
        await socket.begin()
        for times in ("1", "2"):
            await socket.subscribe("subscription { tenantUpdates { position } }", as_=times)
            async with asyncio.timeout(WAIT_S):
                while "tenantUpdates" not in await on_record():
                    await asyncio.sleep(0.01)
            await socket.subscribe(people, as_=f"people {times}")
            assert [(await socket.receive())["type"] for _ in range(2)] == ["next", "complete"]
    assert await on_record() == ["tenantUpdates", "users", "users"]


async def test_the_stream_of_a_run_that_is_anothers_is_on_record(api: Api) -> None:
    async with api.client() as client:
        path = "/api/v1/executions/019a0000-0000-7000-8000-000000000000/events"
        assert (await client.get(path)).status_code == 404
    (entry,) = await trail(api)
    assert (entry["action"], entry["code"]) == ("followExecution", "not_found")


async def test_strangers_are_counted_on_the_platforms_record(api: Api) -> None:
    async with api.client() as client:
        for _ in range(3):
            await client.post("/graphql", json={}, headers={"Authorization": "Bearer al_unknown"})
    await api.dependencies.audit.close()
    assert await trail(api) == []
    operator = Caller("operator", None, frozenset({"operator"}), is_operator=True)
    api.callers.known["the operator's key"] = operator
    headers = {"X-Operator-Key": "the operator's key"}
    answer = await api.ask(TRAIL, headers=headers, filter={"actor": "stranger"})
    entries = [edge["node"] for edge in answer["data"]["auditEntries"]["edges"]]
    assert sum(entry["times"] for entry in entries) >= 3
    assert {entry["code"] for entry in entries} <= {"unauthenticated", "over_limit"}


async def test_pages_of_the_trail_follow_each_other(api: Api) -> None:
    for _ in range(3):
        await api.ask("{ nothing }")
    filter_ = {"action": "graphql", "outcome": "FAILED"}
    seen: list[str] = []
    after, more = None, True
    while more:
        page = (await api.read(TRAIL, filter=filter_, first=2, after=after))["auditEntries"]
        seen += [edge["node"]["id"] for edge in page["edges"]]
        more, after = page["pageInfo"]["hasNextPage"], page["pageInfo"]["endCursor"]
    assert len(seen) == len(set(seen)) == 3


@pytest.mark.parametrize("address", ["127.0.0.1", "203.0.113.9"])
async def test_the_trail_is_searched_by_address(api: Api, address: str) -> None:
    await api.ask("{ nothing }")
    filter_ = {"action": "graphql", "address": address, "from": "2026-01-01T00:00:00Z"}
    assert len(await trail(api, filter=filter_)) == (address == "127.0.0.1")


async def test_what_cannot_be_put_on_record_is_not_read(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(_entries: object) -> None:
        raise Unavailable

    monkeypatch.setattr("infra.audit_trail.KEEP_TIMEOUT_S", 0.01)
    monkeypatch.setattr(api.dependencies.audit, "_store", away)
    async with api.client() as client:
        response = await client.post("/graphql", json={"query": "{ users { edges { cursor } } }"})
    assert response.status_code == 503
    assert "data" not in response.json()
    monkeypatch.undo()
    assert api.callers.known[KEY].tenant_id == api.tenant_id


async def test_every_field_that_nobody_called_harmless_leaves_an_entry(api: Api) -> None:
    """Whoever adds a field has nothing to add here."""
    fields = Fields(build_schema().introspect()["__schema"])
    asked = dict(fields.queries([str(api.tenant_id)]))
    for query in asked.values():
        await api.ask(query)
    sensitive = {name for name in asked if ROOT_FIELDS[name].is_sensitive}
    page = await api.read(TRAIL, first=200)
    told = {edge["node"]["action"] for edge in page["auditEntries"]["edges"]}
    assert told - {"graphql"} == sensitive
    assert {"users", "apiKeys", "events", "auditEntries"} <= sensitive
