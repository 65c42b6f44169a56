"""Attacks on the commands, each test named after one. What fuzzing finds is in tests/end_to_end;
what is wrong by mistake in test_bad_input.py.
"""

import re
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import httpx
import pytest
from pydantic import TypeAdapter

from commands.authorization import Caller
from domain.identifiers import JsonObject, TenantId
from tests.write_api.api import KEY, Api, problem
from tests.write_api.bodies import AGENT, API_KEY, WORKFLOW
from write_api.app import BODIES, ROUTES
from write_api.routes import Route


def _schemas(adapter: TypeAdapter[Any]) -> Iterator[tuple[str, JsonObject]]:
    schema = adapter.json_schema()
    yield str(schema.get("title")), schema
    yield from schema.get("$defs", {}).items()


SCHEMAS = {name: schema for adapter in BODIES for name, schema in _schemas(adapter)}
OURS = [route for route in ROUTES if "_id}" in route.path]
OTHERS_KEY = "Bearer al_other"


def _named(route: Route) -> str:
    return f"{route.method} {route.path}"


def _example(route: Route) -> JsonObject | None:
    body = route.documentation["openapi_extra"].get("requestBody")
    return None if body is None else body["content"]["application/json"].get("example", {})


# Mass assignment.

# Whose standard lets everybody add attributes; none but the named ones is looked at.
EXTENSIBLE = {"CloudEvent"}


@pytest.mark.parametrize("name", sorted(SCHEMAS))
def test_mass_assignment_every_object_of_every_body_names_its_members(name: str) -> None:
    schema = SCHEMAS[name]
    if schema.get("type") == "object" and "properties" in schema:
        assert (schema.get("additionalProperties") is False) is (name not in EXTENSIBLE)


@pytest.mark.parametrize(
    "smuggled",
    [
        {"tenant_id": "019a0000-0000-7000-8000-000000000000"},
        {"user_id": "019a0000-0000-7000-8000-000000000000"},
        {"is_operator": True},
        {"version": 1},
        {"__proto__": {"is_operator": True}},
        {"constructor": {}},
        {"Name": "another"},
    ],
    ids=lambda smuggled: next(iter(smuggled)),
)
async def test_mass_assignment_a_member_that_is_not_the_callers_to_set(
    api: Api, smuggled: JsonObject
) -> None:
    for path, body in (("/agents", AGENT), ("/workflows", WORKFLOW), ("/api-keys", API_KEY)):
        response = await api.send("POST", path, {**body, **smuggled})
        ((place, code),) = problem(response, 422, "invalid")
        assert (place, code) == (f"/{next(iter(smuggled))}", "unknown_field")
    assert api.store.events == []


# Enumeration of ids.


@pytest.mark.parametrize("route", OURS, ids=_named)
async def test_id_enumeration_another_tenants_thing_is_answered_like_nothing(route: Route) -> None:
    """Generated from the table of routes: a new one is tried without being listed here."""
    api = Api()
    async with api.client:
        made = await _one_of_everything(api)
        stranger = Caller("api_key:other", TenantId(UUID(int=99)), frozenset({"*"}))
        api.authentication.callers[OTHERS_KEY] = stranger
        events_before = len(api.store.events)
        answers = [await _answer(api, route, ids) for ids in (made, _nothing(made))]
        assert answers[0] == answers[1]
        assert len(api.store.events) == events_before


async def _one_of_everything(api: Api) -> dict[str, str]:
    wanted = [("agent_id", "/agents", AGENT), ("workflow_id", "/workflows", WORKFLOW)]
    wanted.append(("api_key_id", "/api-keys", API_KEY))
    ids = {name: str((await api.created(path, body))[name]) for name, path, body in wanted}
    begun = await api.created(f"/workflows/{ids['workflow_id']}/execute", {"input": {}})
    return {**ids, "execution_id": str(begun["execution_id"])}


def _nothing(made: dict[str, str]) -> dict[str, str]:
    return {name: f"019a0000-0000-7000-8000-00000000000{n}" for n, name in enumerate(made)}


async def _answer(api: Api, route: Route, ids: dict[str, str]) -> tuple[int, JsonObject]:
    names = re.findall(r"\{(\w+)(?::path)?\}", route.path)
    path = re.sub(r":path\}", "}", route.path).removeprefix("/api/v1")
    path = path.format(
        **{name: ids.get(name, "019a0000-0000-7000-8000-0000000000ff") for name in names}
    )
    headers = {"Authorization": OTHERS_KEY}
    response = await api.send(route.method, path, _example(route), headers=headers)
    document = response.json()
    for varying in ("request_id", "meta"):
        document.pop(varying, None)
    return response.status_code, document


# Verbs.


def _paths() -> dict[str, set[str]]:
    paths: dict[str, set[str]] = {}
    for route in ROUTES:
        paths.setdefault(route.path, set()).add(route.method)
    return paths


@pytest.mark.parametrize("path", sorted(_paths()))
async def test_verb_tampering_a_method_that_a_route_does_not_have(api: Api, path: str) -> None:
    concrete = re.sub(r"\{[^}]+\}", "019a0000-0000-7000-8000-000000000000", path)
    for method in ("GET", "HEAD", "PUT", "PATCH", "DELETE", "TRACE", "CONNECT", "DEBUG"):
        if method in _paths()[path]:
            continue
        response = await api.client.request(
            method, f"http://ledger{concrete}", headers={"Authorization": KEY}
        )
        # 422: the last part was taken for the id that a neighbouring route has in its place.
        assert response.status_code in {404, 405, 422}, (method, response.text)
    assert api.store.events == []


@pytest.mark.parametrize(
    "header", ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override", "_method"]
)
async def test_method_override_headers_are_ignored(api: Api, header: str) -> None:
    made = await api.created("/agents", AGENT)
    path = f"/agents/{made['agent_id']}"
    response = await api.send("POST", f"{path}?_method=DELETE", AGENT, headers={header: "DELETE"})
    problem(response, 405, "method_not_allowed")
    assert api.store.topics == ["agent.created"]


# Headers.


@pytest.mark.parametrize(
    "value",
    [b"k\r\nSet-Cookie: a=b", b"k\nX: y", b"k\x00", b"k\x85", b"\xff", b"k k", b"k\t", b""],
)
async def test_header_injection_through_the_idempotency_key(api: Api, value: bytes) -> None:
    response = await _with_raw_header(api, b"idempotency-key", value)
    assert response.status_code == 422
    assert "set-cookie" not in response.headers
    assert api.store.events == []


async def test_header_injection_through_the_trace(api: Api) -> None:
    forged = b"00-" + b"0" * 32 + b"-" + b"0" * 16 + b"-01\r\nX: y"
    response = await _with_raw_header(api, b"traceparent", forged)
    assert response.status_code == 201
    assert api.store.envelopes[0].traceparent is None


async def _with_raw_header(api: Api, name: bytes, value: bytes) -> httpx.Response:
    """As an application server might let it through that does not check."""

    class Raw(httpx.ASGITransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            request.headers = httpx.Headers([*request.headers.raw, (name, value)])
            return await super().handle_async_request(request)

    async with httpx.AsyncClient(transport=Raw(api.app), base_url="http://ledger/api/v1") as client:
        return await client.post("/agents", json=AGENT, headers={"Authorization": KEY})


@pytest.mark.parametrize(
    "header", ["X-Original-URL", "X-Rewrite-URL", "X-Forwarded-Prefix", "X-Forwarded-Host"]
)
async def test_routing_headers_are_ignored(api: Api, header: str) -> None:
    response = await api.send("POST", "/agents", AGENT, headers={header: "/api/v1/tenants"})
    assert response.status_code == 201
    assert "ledger" not in str(response.headers)


@pytest.mark.parametrize(
    "header", ["X-User-ID", "X-Tenant-ID", "X-Forwarded-User", "X-Operator", "X-Remote-User"]
)
async def test_identity_headers_are_ignored(api: Api, header: str) -> None:
    response = await api.send(
        "POST", "/agents", AGENT, headers={"Authorization": "Bearer al_no", header: "operator"}
    )
    problem(response, 401, "unauthenticated")


# Bodies.


@pytest.mark.parametrize(
    "body",
    [
        b'{"name": "\xc0\xaf", "model": "m"}',
        b'{"name": "\xed\xa0\x80", "model": "m"}',
        b'{"name": "\\ud800", "model": "m"}',
        b'{"name": "\\udc00\\ud800", "model": "m"}',
        b'{"name": "\xf5\x80\x80\x80", "model": "m"}',
        b'\xef\xbb\xbf{"name": "bom"}',
        '{"name": "utf-16"}'.encode("utf-16"),
    ],
    ids=["overlong", "surrogate", "escaped surrogate", "swapped pair", "beyond", "bom", "utf-16"],
)
async def test_unicode_tricks_that_are_no_text(api: Api, body: bytes) -> None:
    response = await api.send("POST", "/agents", body)
    assert response.status_code in {400, 422}, response.text
    assert api.store.events == []


@pytest.mark.parametrize(
    "name",
    [
        "pay\u202egpj.exe",
        "a\u2066b",
        "a\u200bb",
        "a\u0007b",
        "a\r\nX-Evil: 1",
        "a\x1b[31m",
        "a\u0000b",
        "\ufeffa",
        "a\u2028b",
    ],
    ids=["bidi", "isolate", "zero width", "bell", "crlf", "escape", "nul", "bom", "separator"],
)
async def test_unicode_tricks_in_names(api: Api, name: str) -> None:
    for path, body in (("/agents", AGENT), ("/workflows", WORKFLOW), ("/api-keys", API_KEY)):
        response = await api.send("POST", path, {**body, "name": name})
        ((place, _),) = problem(response, 422, "invalid")
        assert place == "/name"
    assert api.store.events == []


@pytest.mark.parametrize("name", ["Café", "東京", "مرحبا", "👩\u200d💻 crew", "naïve “name”"])
async def test_names_of_the_world_are_names(api: Api, name: str) -> None:
    assert (await api.send("POST", "/agents", {**AGENT, "name": name})).status_code == 201


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/json, text/plain",
        "application/jsonp",
        "application/xml",
        "text/json",
        "application/json; charset=utf-7",
    ],
)
async def test_content_type_confusion(api: Api, content_type: str) -> None:
    response = await api.send("POST", "/agents", AGENT, headers={"Content-Type": content_type})
    problem(response, 415, "unsupported_media_type")


@pytest.mark.parametrize("depth", [65, 1000, 100_000])
async def test_deep_json(api: Api, depth: int) -> None:
    body = b'{"name": ' + b"[" * depth + b"]" * depth + b"}"
    response = await api.send("POST", "/agents", body)
    assert response.status_code in {400, 422}


async def test_a_query_parameter_is_no_member(api: Api) -> None:
    response = await api.send("POST", "/agents?model=offline/echo&tenant_id=1", {"name": "n"})
    assert problem(response, 422, "invalid")


async def test_a_credential_in_the_query_is_none(api: Api) -> None:
    response = await api.send(
        "POST",
        "/agents?authorization=Bearer%20al_test&api_key=al_test&access_token=al_test",
        AGENT,
        headers={"Authorization": ""},
    )
    problem(response, 401, "unauthenticated")


# Origins.


async def test_cross_origin_requests_are_not_let_in_by_default(api: Api) -> None:
    headers = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    for response in (
        await api.send("OPTIONS", "/agents", headers=headers),
        await api.send("POST", "/agents", AGENT, headers=headers),
    ):
        assert not [name for name in response.headers if name.startswith("access-control-")]


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "https://app.example.com.evil.example",
        "https://evil-app.example.com",
        "http://app.example.com",
        "https://app.example.com:8443",
        "https://APP.example.com",
        "null",
    ],
)
async def test_an_origin_that_only_looks_like_one_that_is_allowed(origin: str) -> None:
    api = Api(cors_origins=("https://app.example.com",))
    async with api.client:
        preflight = {"Origin": origin, "Access-Control-Request-Method": "POST"}
        for response in (
            await api.send("OPTIONS", "/agents", headers=preflight),
            await api.send("POST", "/agents", AGENT, headers={"Origin": origin}),
        ):
            assert "access-control-allow-origin" not in response.headers


async def test_an_allowed_origin_may_send_what_it_needs_and_no_cookies() -> None:
    api = Api(cors_origins=("https://app.example.com",))
    async with api.client:
        asked = {
            "Origin": "https://app.example.com",
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization,content-type,idempotency-key",
        }
        preflight = await api.send("OPTIONS", "/agents", headers=asked)
        assert preflight.status_code == 200
        assert preflight.headers["access-control-allow-origin"] == "https://app.example.com"
        assert "access-control-allow-credentials" not in preflight.headers
        sent = await api.send("POST", "/agents", AGENT, headers={"Origin": asked["Origin"]})
        assert sent.headers["access-control-allow-origin"] == "https://app.example.com"
        assert "Origin" in sent.headers["vary"]
        for response in (preflight, sent):
            assert response.headers["strict-transport-security"]
