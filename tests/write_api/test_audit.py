"""What a request leaves on the audit trail, and how the trail is exported."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import orjson
import pytest

from commands.authorization import Caller
from infra.audit_trail import AuditEntry, Source
from infra.data_keys import PLATFORM
from tests.architecture.test_permissions import OPERATIONS, request_of
from tests.commands.fakes import FakeIds
from tests.write_api.api import OPERATOR_KEY, Api, problem
from tests.write_api.bodies import AGENT, TENANT
from write_api.audit import audit_cef_line

SOME_ID = "019a0000-0000-7000-8000-000000000000"
COMMANDS = [one for one in OPERATIONS if one[0] != "get"]
UNKNOWN = {"Authorization": "Bearer al_unknown"}


async def told(api: Api) -> Sequence[AuditEntry]:
    """The entries, once those that are gathered are stored too."""
    await api.audit.close()
    return api.audit_log.entries


async def test_an_accepted_command_says_who_from_where_and_which_events(api: Api) -> None:
    headers = {"User-Agent": "curl/8.1"}
    response = await api.send("POST", "/agents", AGENT, headers=headers)
    (entry,) = await told(api)
    assert (entry.action, entry.outcome, entry.code) == ("createAgent", "allowed", None)
    assert (entry.actor, entry.tenant_id) == (api.world.caller.actor, api.world.tenant_id)
    assert entry.position == response.json()["meta"]["position"]
    assert str(entry.request_id) == response.json()["meta"]["request_id"]
    assert entry.source == Source("127.0.0.1", "curl/8.1")


@pytest.mark.parametrize(
    ("method", "path", "body", "told_of_it"),
    [
        ("DELETE", f"/agents/{SOME_ID}", None, ("failed", "not_found")),
        ("POST", "/agents", {}, ("failed", "invalid")),
        ("POST", "/agents", b"{", ("failed", "unparsable_json")),
        ("POST", "/tenants", TENANT, ("denied", "forbidden")),
    ],
)
async def test_every_refusal_has_its_reason(
    api: Api, method: str, path: str, body: object, told_of_it: tuple[str, str]
) -> None:
    await api.send(method, path, body)
    assert [(entry.outcome, entry.code) for entry in await told(api)] == [told_of_it]


async def test_the_target_is_the_ids_of_the_path(api: Api) -> None:
    await api.send("DELETE", f"/agents/{SOME_ID}")
    assert [entry.target for entry in await told(api)] == [f"agent_id={SOME_ID}"]


async def test_the_key_of_a_webhook_is_not_told(api: Api) -> None:
    tenant_id, run = api.world.tenant_id, UUID(SOME_ID)
    path = api.webhook_keys.path(tenant_id, run).removeprefix("/api/v1")
    await api.send("POST", f"{path}/paid", {})
    (entry,) = await told(api)
    assert entry.target == f"execution_id={SOME_ID} name=paid"
    assert entry.tenant_id == tenant_id
    assert entry.credential == "webhook"


async def test_who_is_over_a_limit_is_on_record_of_their_tenant(api: Api) -> None:
    api.limits.narrowed(tenant_per_min=3)
    statuses = [(await api.send("GET", "/node-types")).status_code for _ in range(6)]
    assert statuses[-1] == 429
    entries = await told(api)
    assert {(entry.tenant_id, entry.actor, entry.code, entry.outcome) for entry in entries} == {
        (api.world.tenant_id, api.world.caller.actor, "too_many_requests", "denied")
    }
    assert sum(entry.times for entry in entries) == statuses.count(429)


async def test_strangers_are_on_record_of_the_platform(api: Api) -> None:
    for _ in range(2):
        await api.send("POST", "/agents", AGENT, headers=UNKNOWN)
    entries = await told(api)
    assert {(entry.tenant_id, entry.actor, entry.code) for entry in entries} == {
        (PLATFORM, "stranger", "unauthenticated")
    }
    assert sum(entry.times for entry in entries) == 2


async def test_what_the_operator_does_is_on_record_of_the_platform(api: Api) -> None:
    await api.send("POST", "/tenants", TENANT, headers={"X-Operator-Key": OPERATOR_KEY})
    assert [(entry.tenant_id, entry.actor) for entry in await told(api)] == [(PLATFORM, "operator")]


async def test_reading_node_types_leaves_nothing_and_exporting_the_trail_does(api: Api) -> None:
    await api.send("GET", "/node-types")
    assert await told(api) == []
    await api.send("GET", "/audit/export")
    assert [entry.action for entry in await told(api)] == ["exportAudit"]


async def test_the_export_is_json_lines_newest_first(api: Api) -> None:
    await api.send("DELETE", f"/agents/{SOME_ID}", headers={"User-Agent": "curl/8.1"})
    await api.send("POST", "/agents", AGENT)
    assert len(await told(api)) == 2
    response = await api.send("GET", "/audit/export?from=2026-01-01T00:00:00Z")
    assert response.headers["content-type"] == "application/x-ndjson"
    lines = [orjson.loads(line) for line in response.text.splitlines()]
    assert [line["action"] for line in lines] == ["createAgent", "deleteAgent"]
    refused = lines[1]
    assert refused["code"] == "not_found"
    assert refused["address"] == "127.0.0.1"
    assert refused["user_agent"] == "curl/8.1"


async def test_an_export_that_does_not_end_says_where_it_goes_on(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("write_api.audit.EXPORT_ENTRIES_MAX", 1)
    for _ in range(2):
        await api.send("DELETE", f"/agents/{SOME_ID}")
    first = (await api.send("GET", "/audit/export")).text.splitlines()
    assert len(first) == 2
    before = orjson.loads(first[1])["next_before"]
    rest = (await api.send("GET", f"/audit/export?before={before}")).text.splitlines()
    assert len(rest) == 1
    assert rest[0] != first[0]


async def test_the_export_speaks_cef(api: Api) -> None:
    await api.send("DELETE", f"/agents/{SOME_ID}")
    response = await api.send("GET", "/audit/export?format=cef")
    (line,) = response.text.splitlines()
    head = "CEF:0|AgentLedger|AgentLedger|1|deleteAgent|deleteAgent failed|4|"
    assert line.startswith(head)
    assert "reason=not_found" in line
    assert "src=127.0.0.1" in line


def test_nothing_a_client_sends_begins_an_entry_of_its_own() -> None:
    """Log injection: line breaks, separators and further fields in what is repeated."""
    evil = "x\nCEF:0|a|b|c|d|e|1|outcome=allowed\\"
    entry = AuditEntry(
        entry_id=FakeIds().new(),
        tenant_id=PLATFORM,
        actor=evil,
        user_id=None,
        credential="api_key",
        action="create|Agent",
        target=evil,
        outcome="denied",
        code=evil,
        request_id=FakeIds().new(),
        position=None,
        source=Source("203.0.113.1", evil),
    )
    line = audit_cef_line(entry)
    assert "\n" not in line
    assert "|create\\|Agent|" in line
    assert " outcome=allowed" not in line
    assert line.count(" outcome=") == 1


@pytest.mark.parametrize(
    "query", ["format=xml", "from=yesterday", "to=2026-01-01T00:00:00", "before=1"]
)
async def test_a_mistake_in_the_query_is_named(api: Api, query: str) -> None:
    response = await api.send("GET", f"/audit/export?{query}")
    mistakes = problem(response, 422, "invalid")
    assert mistakes == [(f"query:{query.partition('=')[0]}", "invalid_parameter")]


async def test_the_export_needs_its_scope_and_shows_the_own_tenant_only(api: Api) -> None:
    await api.send("DELETE", f"/agents/{SOME_ID}")
    narrow = {"Authorization": api.allow("narrow", api.world.caller_with("read"))}
    problem(await api.send("GET", "/audit/export", headers=narrow), 403, "forbidden")
    stranger = Caller("api_key:other", api.world.ids.new(), frozenset({"audit:read"}))  # pyright: ignore[reportArgumentType]
    other = {"Authorization": api.allow("other", stranger)}
    assert (await api.send("GET", "/audit/export", headers=other)).text == ""


async def test_what_cannot_be_put_on_record_is_not_exported(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("infra.audit_trail.KEEP_TIMEOUT_S", 0.01)
    api.audit_log.is_away = True
    problem(await api.send("GET", "/audit/export"), 503, "unavailable")


@pytest.mark.parametrize(("method", "path", "operation"), COMMANDS)
async def test_every_command_leaves_one_entry_whatever_came_of_it(
    method: str, path: str, operation: dict[str, Any]
) -> None:
    """Whoever adds a route has nothing to add here."""
    api = Api()
    is_for_operator = {"api_key": []} not in operation["security"]
    headers = {"X-Operator-Key": OPERATOR_KEY} if is_for_operator else {}
    response = await api.send(*request_of(method, path, operation), headers=headers)
    (entry,) = await told(api)
    assert entry.action == operation["operationId"]
    assert (entry.outcome == "allowed") is response.is_success
    assert (entry.code is None) is response.is_success
