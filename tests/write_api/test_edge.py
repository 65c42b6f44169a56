"""What holds for every route: idempotency keys, headers, and errors that nobody foresaw."""

import logging
from uuid import UUID

import pytest

from domain.agents import Agent
from domain.errors import Unavailable
from tests.commands.fakes import FakeEventStore
from tests.write_api.api import Api, problem
from tests.write_api.bodies import AGENT, WORKFLOW

TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
KEYED = {"Idempotency-Key": "one"}


class DownEventStore(FakeEventStore):
    async def append(self, *args, **kwargs):  # noqa: ARG002 # It is down whatever it is given.
        raise Unavailable


class BrokenEventStore(FakeEventStore):
    async def append(self, *args, **kwargs):  # noqa: ARG002 # It breaks whatever it is given.
        raise RuntimeError("the secret reason")


async def test_the_same_key_and_body_get_the_first_answer_again(api: Api) -> None:
    first = await api.send("POST", "/agents", AGENT, headers=KEYED)
    again = await api.send("POST", "/agents", AGENT, headers=KEYED)
    assert again.status_code == first.status_code == 201
    assert again.json()["data"] == first.json()["data"]
    assert again.json()["meta"]["position"] == first.json()["meta"]["position"]
    assert again.headers["Idempotency-Replayed"] == "true"
    assert "Idempotency-Replayed" not in first.headers
    assert api.store.topics == ["agent.created"]


async def test_the_same_key_with_another_body_or_route_is_refused(api: Api) -> None:
    await api.send("POST", "/agents", AGENT, headers=KEYED)
    for path, body in (("/agents", {**AGENT, "name": "Other"}), ("/workflows", WORKFLOW)):
        response = await api.send("POST", path, body, headers=KEYED)
        problem(response, 422, "idempotency_key_reused")
    assert api.store.topics == ["agent.created"]


async def test_every_method_honours_the_key(api: Api) -> None:
    agent = await api.created("/agents", AGENT)
    path = f"/agents/{agent['agent_id']}"
    for method, body in (("PATCH", {"name": "Poet"}), ("DELETE", None)):
        headers = {"Idempotency-Key": method}
        first = await api.send(method, path, body, headers=headers)
        again = await api.send(method, path, body, headers=headers)
        assert (first.status_code, again.status_code) == (200, 200)
        assert again.headers["Idempotency-Replayed"] == "true"
    assert api.store.topics == ["agent.created", "agent.revised", "agent.deleted"]


async def test_a_replayed_execution_can_be_waited_for(api: Api) -> None:
    workflow = await api.created("/workflows", WORKFLOW)
    path = f"/workflows/{workflow['workflow_id']}/execute"
    first = await api.send("POST", path, {"input": {}}, headers=KEYED)
    api.waiter.ended = {"status": "COMPLETED", "output": 42, "error": None}
    again = await api.send("POST", f"{path}?wait_s=1", {"input": {}}, headers=KEYED)
    assert (first.status_code, again.status_code) == (202, 200)
    assert again.json()["data"]["execution_id"] == first.json()["data"]["execution_id"]
    assert again.headers["Idempotency-Replayed"] == "true"


async def test_the_trace_and_the_request_reach_the_events(api: Api) -> None:
    response = await api.send("POST", "/agents", AGENT, headers={"traceparent": TRACEPARENT})
    await api.send("POST", "/agents", AGENT, headers={"traceparent": "nonsense"})
    traced, untraced = api.store.envelopes
    assert (traced.traceparent, untraced.traceparent) == (TRACEPARENT, None)
    assert str(traced.correlation_id) == response.json()["meta"]["request_id"]


@pytest.mark.parametrize("method", ["POST", "GET", "PUT"])
async def test_every_answer_has_the_guarding_headers(api: Api, method: str) -> None:
    headers = (await api.send(method, "/agents", AGENT)).headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cache-Control"] == "no-store"
    assert headers["Strict-Transport-Security"].startswith("max-age=")


async def test_another_origin_is_not_let_in(api: Api) -> None:
    for method in ("OPTIONS", "POST"):
        response = await api.send(method, "/agents", headers={"Origin": "https://evil.example"})
        assert not [name for name in response.headers if name.startswith("access-control")]


async def test_a_dependency_that_is_down_says_when_to_try_again() -> None:
    api = Api(DownEventStore())
    response = await api.send("POST", "/agents", AGENT)
    problem(response, 503, "unavailable")
    assert int(response.headers["Retry-After"]) >= 1


async def test_what_nobody_foresaw_is_logged_and_not_told(caplog: pytest.LogCaptureFixture) -> None:
    api = Api(BrokenEventStore())
    with caplog.at_level(logging.ERROR):
        response = await api.send("POST", "/agents", AGENT)
    problem(response, 500, "internal")
    assert "secret reason" not in response.text
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.json()["request_id"] in caplog.text
    assert "the secret reason" in caplog.text


async def test_an_agent_made_through_http_is_the_one_in_the_store(api: Api) -> None:
    made = await api.created("/agents", AGENT)
    agent = await api.store.load(Agent, UUID(str(made["agent_id"])), api.world.tenant_id)
    assert agent is not None
    assert agent.profile()[1]["name"] == "Writer"
