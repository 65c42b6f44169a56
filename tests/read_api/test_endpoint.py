"""GraphQL over HTTP: what is no request, who may ask, and how errors look."""

import asyncio
import logging
from typing import Any

import httpx
import pytest
from psycopg import sql

from commands.authorization import Caller
from tests.projections.histories import a_finished_run, the_tenant
from tests.read_api.api import KEY, Api

QUERY = {"query": "{ tenant { name } }"}


async def post(api: Api, **sent: Any) -> httpx.Response:
    async with api.client() as client:
        return await client.post("/graphql", **sent)


def code_of(response: httpx.Response) -> str:
    (error,) = response.json()["errors"]
    assert error["message"]
    return error["extensions"]["code"]


@pytest.mark.parametrize(("sent", "status", "code"), [
    ({"content": b"{", "headers": {"content-type": "application/json"}}, 400, "unparsable_json"),
    ({"content": b"\xff", "headers": {"content-type": "application/json"}}, 400, "unparsable_json"),
    ({"json": QUERY | {"variables": []}}, 400, "bad_request"),
    ({"json": QUERY | {"operationName": 1}}, 400, "bad_request"),
    ({"json": {"query": 1}}, 400, "bad_request"),
    ({"json": {}}, 400, "bad_request"),
    ({"json": "query"}, 400, "bad_request"),
    ({"json": [QUERY]}, 400, "no_batching"),
    ({"content": b"{", "headers": {"content-type": "text/plain"}}, 415, "unsupported_media_type"),
    ({"data": {"query": "{ tenant { name } }"}}, 415, "unsupported_media_type"),
    ({"json": {"query": " " * 300_000}}, 413, "body_too_large"),
    ({"json": {"query": "subscription { tenantUpdates { position } }"}}, 200, "needs_websocket"),
    ({"json": {"query": "{ nothing }"}}, 200, "graphql_validation"),
    ({"json": QUERY | {"operationName": "Other"}}, 200, "unknown_operation"),
])  # fmt: skip
async def test_what_is_no_request_says_why(
    api: Api, sent: dict[str, object], status: int, code: str
) -> None:
    response = await post(api, **sent)
    assert (response.status_code, code_of(response)) == (status, code)


async def test_a_body_is_counted_as_it_arrives(api: Api) -> None:
    async def chunks():
        for _ in range(400):
            yield b" " * 1000

    headers = {"content-type": "application/json"}
    assert (await post(api, content=chunks(), headers=headers)).status_code == 413


async def test_only_post_is_served(api: Api) -> None:
    async with api.client() as client:
        for method in ("GET", "PUT", "DELETE"):
            response = await client.request(method, "/graphql?query={tenant{name}}")
            assert response.status_code == 405
            assert response.headers["allow"] == "POST"
            assert code_of(response) == "post_only"


async def test_a_client_of_the_newer_media_type_is_answered_in_it(api: Api) -> None:
    accepting = {"accept": "application/graphql-response+json, application/json;q=0.9"}
    await api.happened(the_tenant(api.tenant_id))
    response = await post(api, json=QUERY, headers=accepting)
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/graphql-response+json"
    refused = await post(api, json={"query": "{ nothing }"}, headers=accepting)
    assert refused.status_code == 400
    plain = await post(api, json=QUERY)
    assert plain.headers["content-type"] == "application/json"


async def test_an_operation_may_be_named_or_called_by_nothing(api: Api) -> None:
    await api.happened(the_tenant(api.tenant_id))
    named = {"query": "query Mine { tenant { name } }"}
    for name in ({}, {"operationName": "Mine"}, {"operationName": None}, {"operationName": ""}):
        assert "errors" not in (await post(api, json=named | name)).json()


async def test_strangers_are_refused_and_soon_slowed_down(api: Api) -> None:
    for headers in ({"Authorization": ""}, {"Authorization": "Bearer al_unknown"}):
        response = await post(api, json=QUERY, headers=headers)
        assert (response.status_code, code_of(response)) == (401, "unauthenticated")
        assert response.headers["www-authenticate"] == "Bearer"
    for _ in range(4):
        response = await post(api, json=QUERY, headers={"Authorization": ""})
    assert (response.status_code, code_of(response)) == (429, "too_many_attempts")
    assert response.headers["retry-after"] == "12"


async def test_an_operation_counts_against_the_limits_of_its_caller(api: Api) -> None:
    api.limits.narrowed(tenant_per_min=2)
    for _ in range(2):
        assert (await post(api, json=QUERY)).status_code == 200
    response = await post(api, json=QUERY)
    assert (response.status_code, code_of(response)) == (429, "too_many_requests")
    assert response.headers["retry-after"] == "30"


async def test_a_credential_without_the_scope_is_told_so(api: Api) -> None:
    api.callers.known[KEY] = Caller("api_key:1", api.tenant_id, frozenset({"agents:write"}))
    assert await api.refused("{ tenant { name } }") == "forbidden"
    assert await api.refused("{ __schema { description } }") == "forbidden"


async def test_the_operator_sees_the_read_models_lag_and_no_tenants_data(api: Api) -> None:
    operator = Caller("operator", None, frozenset({"operator"}), is_operator=True)
    api.callers.known["the operator's key"] = operator
    headers = {"X-Operator-Key": "the operator's key"}
    assert (await api.ask("{ projections { name } }", headers=headers))["data"]["projections"]
    assert await api.refused("{ tenant { name } }", headers=headers) == "forbidden"


async def test_what_nobody_foresaw_says_nothing_but_where_to_look(
    api: Api, caplog: pytest.LogCaptureFixture
) -> None:
    run = a_finished_run(api.tenant_id)
    run.logs("execution.unheard_of", b'{"secret": 1}')
    await api.record(run)
    with caplog.at_level(logging.ERROR):
        answer = await api.ask("{ events(first: 1) { edges { node { topic data } } } }")
    (edge,) = answer["data"]["events"]["edges"]
    assert edge["node"] == {"topic": "execution.unheard_of", "data": None}
    (error,) = answer["errors"]
    assert error["message"] == "Something went wrong here; the log has it under the request id."
    assert error["path"] == ["events", "edges", 0, "node", "data"]
    assert error["extensions"]["code"] == "internal"
    assert error["extensions"]["request_id"] in caplog.text
    assert "UnknownTopic" in caplog.text


async def test_a_database_that_is_away_is_a_503(lone_api: Api) -> None:
    refused = sql.SQL("ALTER TABLE tenants_v5 RENAME TO elsewhere")
    await lone_api.ledger.owner.execute(refused)
    broken = await post(lone_api, json=QUERY)
    assert code_of(broken) == "internal"
    await lone_api.database.close()
    response = await post(lone_api, json=QUERY)
    assert (response.status_code, code_of(response)) == (503, "unavailable")
    assert response.headers["retry-after"] == "1"


# Read your writes.


async def position_of(lone_api: Api) -> str:
    """Of the newest event, as a command would have answered it."""
    query = "{ events(first: 1) { edges { node { position } } } }"
    return (await lone_api.read(query))["events"]["edges"][0]["node"]["position"]


async def test_a_minimum_position_waits_until_the_read_model_has_it(api: Api) -> None:
    await api.happened(a_finished_run(api.tenant_id))
    await api.record(the_tenant(api.tenant_id))
    position = await position_of(api)
    by_argument = f'{{ tenant(minPosition: "{position}") {{ name }} }}'
    asked = [
        asyncio.create_task(api.ask("{ tenant { name } }", headers={"X-Min-Position": position})),
        asyncio.create_task(api.ask(by_argument)),
    ]
    done, _ = await asyncio.wait(asked, timeout=0.2)
    assert not done
    await api.project()
    for answer in await asyncio.gather(*asked):
        assert answer == {"data": {"tenant": {"name": "Ada & Co"}}}


async def test_waiting_for_a_position_is_bounded(api: Api) -> None:
    await api.record(the_tenant(api.tenant_id))
    app = api.app(min_position_wait_s=0.05)
    headers = {"X-Min-Position": await position_of(api)}
    assert (
        await api.refused("{ tenant { name } }", app=app, headers=headers) == "position_not_applied"
    )


NO_POSITIONS = [
    "",
    "1",
    "1-2-3",
    "a-b-c:d",
    "1-2-3:4:5",
    "99999-1-1:1",
    "1--5-0:1",
    "1-1-0:" + "9" * 20,
]


@pytest.mark.parametrize("text", NO_POSITIONS)
async def test_what_is_no_position_is_refused(api: Api, text: str) -> None:
    query = "query($p: String) { tenant(minPosition: $p) { name } }"
    assert await api.refused(query, p=text) == "bad_position"
    headers = {"X-Min-Position": text}
    assert await api.refused("{ tenant { name } }", headers=headers) == "bad_position"


async def test_the_time_of_requests_is_measured(api: Api) -> None:
    await post(api, json=QUERY)
    text = api.dependencies.metrics.exposition().decode()
    assert 'agentledger_graphql_request_seconds_count{outcome="answered"} 1.0' in text
