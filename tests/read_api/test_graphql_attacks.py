"""Attacks on GraphQL, each under its name. What they would cost or tell is refused before anything
is read.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import httpx
import orjson
import pytest
import websockets
from fastapi import FastAPI

from read_api.router import build_read_routes
from tests.projections.histories import an_execution, the_tenant
from tests.read_api.api import Api
from tests.read_api.sockets import connected, serving

FOLLOW = "subscription($id: ID!) { executionUpdates(id: $id) { version } }"
NAME = {"query": "{ tenant { name } }"}


async def post(api: Api, app: FastAPI | None = None, **sent: Any) -> httpx.Response:
    async with api.client(app) as client:
        return await client.post("/graphql", **sent)


async def codes(api: Api, query: str, app: FastAPI | None = None, **variables: Any) -> set[str]:
    """The reasons of a refusal; nothing was read."""
    before = api.database.checkouts
    answer = (await post(api, app, json={"query": query, "variables": variables})).json()
    assert answer.get("data") is None, answer
    assert api.database.checkouts == before
    return {error["extensions"]["code"] for error in answer["errors"]}


def closed_app(api: Api) -> FastAPI:
    """With introspection turned off, as in production."""
    app = FastAPI(redirect_slashes=False)
    build_read_routes(app, replace(api.dependencies, is_introspection_allowed=False))
    return app


async def test_batching_operations_in_an_array(api: Api) -> None:
    response = await post(api, json=[NAME] * 100)
    assert response.status_code == 400
    assert response.json()["errors"][0]["extensions"]["code"] == "no_batching"


async def test_batching_operations_in_a_document(api: Api) -> None:
    query = " ".join(f"query Q{n} {{ tenant {{ name }} }}" for n in range(50))
    assert await codes(api, query) == {"one_operation"}


async def test_batching_by_aliases(api: Api) -> None:
    """The same expensive field, or the same guess, a thousand times in one request."""
    query = "{ tenant { " + " ".join(f"a{n}: name" for n in range(400)) + " } }"
    assert await codes(api, query) == {"too_many_aliases"}
    roots = "{ " + " ".join(f"a{n}: tenant {{ name }}" for n in range(11)) + " }"
    assert await codes(api, roots) == {"too_many_root_fields"}


async def test_ten_thousand_aliases_cost_a_parse_that_is_cut_off(api: Api) -> None:
    query = "{ tenant { " + " ".join(f"a{n}: name" for n in range(10_000)) + " } }"
    assert await codes(api, query) == {"graphql_syntax"}


async def test_depth_hidden_in_inline_fragments(api: Api) -> None:
    query = "{ " + "... { " * 60 + "__typename" + " }" * 60 + " }"
    assert await codes(api, query) == {"too_deep"}


async def test_depth_hidden_in_named_fragments(api: Api) -> None:
    chain = " ".join(
        f"fragment F{n} on Execution {{ workflow {{ ...G{n} }} }}"
        f" fragment G{n} on Workflow {{ executions(first: 1) {{ edges {{ node {{ id }} }} }} }}"
        for n in range(24)
    )
    found = await codes(api, "{ execution(id: 1) { ...F0 } } " + chain)
    assert found <= {"too_deep", "graphql_validation", "too_many_fragments"}


async def test_a_cycle_of_fragments(api: Api) -> None:
    query = """{ execution(id: 1) { ...A } } fragment A on Execution { ...B }
      fragment B on Execution { ...A }"""
    assert await codes(api, query) == {"graphql_validation"}


async def test_fragments_that_double_each_other(api: Api) -> None:
    """A billion laughs: twenty lines that stand for a million fields."""
    chain = " ".join(
        f"fragment F{n} on Execution {{ workflow {{ name }} ...F{n + 1} ...F{n + 1} }}"
        for n in range(30)
    )
    query = "{ execution(id: 1) { ...F0 } } " + chain + " fragment F30 on Execution { id }"
    assert await codes(api, query) == {"too_complex"}


@pytest.mark.parametrize("directive", ["@include(if: true)", "@skip(if: false)", "@nothing"])
async def test_directive_overload(api: Api, directive: str) -> None:
    query = "{ tenant { name " + directive * 150 + " } }"
    assert await codes(api, query) <= {"graphql_validation", "graphql_syntax"}
    query = "{ tenant { name " + directive * 2000 + " } }"
    assert await codes(api, query) == {"graphql_syntax"}


async def test_field_duplication(api: Api) -> None:
    """Merging equal fields is quadratic."""
    assert await codes(api, "{ tenant { " + "name " * 900 + "} }") == {"too_many_repeats"}


async def test_a_page_of_a_million(api: Api) -> None:
    query = "{ executions(first: 1000000) { edges { node { id } } } }"
    assert await codes(api, query) == {"bad_page_size"}


@pytest.mark.parametrize(
    "query",
    [
        "{ __schema { types { name fields { name } } } }",
        '{ __type(name: "User") { fields { name } } }',
        'query Innocent { tenant { name } __type(name: "User") { name } }',
        "{ ...F } fragment F on Query { __schema { queryType { name } } }",
    ],
)
async def test_introspection_where_it_is_off(api: Api, query: str) -> None:
    assert await codes(api, query, closed_app(api)) == {"graphql_validation"}


@pytest.mark.parametrize("query", ["{ usrs { edges { cursor } } }", "{ tenant { nam } }"])
async def test_field_suggestions_where_introspection_is_off(api: Api, query: str) -> None:
    response = await post(api, closed_app(api), json={"query": query})
    assert "Did you mean" not in response.text
    assert "users" not in response.text


async def test_suggestions_for_values_and_arguments_where_introspection_is_off(api: Api) -> None:
    for query in (
        "{ executions(filtr: {}) { edges { cursor } } }",
        "{ executions(filter: {statu: [FAILED]}) { edges { cursor } } }",
        "{ executions(filter: {status: [FAILD]}) { edges { cursor } } }",
    ):
        response = await post(api, closed_app(api), json={"query": query})
        assert "Did you mean" not in response.text, query


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
async def test_a_query_or_mutation_by_get(api: Api, method: str) -> None:
    async with api.client() as client:
        url = "/graphql?query=mutation{x}"
        assert (await client.request(method, url)).status_code == 405


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "text/plain; application/json",
        "",
    ],
)
async def test_csrf_by_a_content_type_that_needs_no_preflight(api: Api, content_type: str) -> None:
    headers = {"content-type": content_type}
    response = await post(api, content=orjson.dumps(NAME), headers=headers)
    assert response.status_code == 415


async def test_mutations_do_not_exist(api: Api) -> None:
    assert await codes(api, "mutation { createAgent { id } }") == {"graphql_validation"}


@pytest.mark.parametrize(
    "variables",
    [
        {"id": "x" * 200_000},
        {"id": [1] * 50_000},
        {"id": None},
        {"id": {"a": {"b": 1}}},
        {f"v{n}": n for n in range(10_000)},
    ],
)
async def test_huge_and_misshapen_variables(api: Api, variables: Mapping[str, Any]) -> None:
    query = "query($id: ID!) { execution(id: $id) { id } }"
    response = await post(api, json={"query": query, "variables": variables})
    assert response.status_code in {200, 400}
    told = response.json()
    assert told.get("data") in (None, {"execution": None})
    assert "internal" not in {error["extensions"]["code"] for error in told.get("errors", ())}


async def test_variables_deeper_than_any_stack(api: Api) -> None:
    nested = b'{"query": "{ tenant { name } }", "variables": {"a": ' + b"[" * 100_000
    response = await post(
        api, content=nested + b"]" * 100_000 + b"}}", headers={"content-type": "application/json"}
    )
    assert response.status_code == 400


@pytest.mark.parametrize("text", ["\\u0000", "\\ud800", "' OR 1=1 --", "%00", "{{7*7}}", "$1"])
async def test_injection_through_arguments(api: Api, text: str) -> None:
    await api.happened(the_tenant(api.tenant_id))
    for query in (
        f'{{ execution(id: "{text}") {{ id }} }}',
        f'{{ executions(filter: {{workflowId: "{text}"}}) {{ edges {{ cursor }} }} }}',
        f'{{ events(streamId: "{text}") {{ edges {{ cursor }} }} }}',
        f'{{ auditEntries(filter: {{actor: "{text}"}}) {{ edges {{ cursor }} }} }}',
    ):
        response = await post(api, json={"query": query})
        reasons = {e["extensions"]["code"] for e in response.json().get("errors", ())}
        assert "internal" not in reasons, (query, response.text)
        assert response.status_code == 200


async def test_a_cursor_of_another_list_or_tenant(api: Api) -> None:
    for cursor in ("AAAA", "", "x" * 10_000, "\u00e9"):
        query = "query($c: String) { executions(after: $c) { edges { cursor } } }"
        assert await codes(api, query, c=cursor) == {"bad_cursor"}


# WebSockets.


async def test_subscribing_before_the_connection_is_acknowledged(api: Api) -> None:
    async with serving(api.app()) as address, connected(address) as socket:
        await socket.send("subscribe", id="1", payload={"query": FOLLOW})
        assert await socket.close_code() == 4401


async def test_a_second_initialisation(api: Api) -> None:
    """To become somebody else on a connection that is open."""
    async with serving(api.app()) as address, connected(address) as socket:
        await socket.begin()
        await socket.send("connection_init", payload={"Authorization": "Bearer al_other"})
        assert await socket.close_code() == 4429


async def test_more_subscriptions_than_a_connection_may_have(api: Api) -> None:
    run = an_execution(api.tenant_id)
    await api.record(run)
    app = api.app(subscriptions_per_connection_max=1)
    async with serving(app) as address, connected(address) as socket:
        await socket.begin()
        await socket.subscribe(FOLLOW, as_="1", id=str(run.stream_id))
        await socket.following(1)
        for number in range(2, 102):
            await socket.subscribe(FOLLOW, as_=str(number), id=str(run.stream_id))
            message = await socket.receive()
            assert message["payload"][0]["extensions"]["code"] == "too_many_subscriptions"


async def test_a_message_of_a_megabyte(api: Api) -> None:
    async with serving(api.app()) as address, connected(address) as socket:
        await socket.begin()
        await socket.connection.send(
            '{"type": "ping", "payload": {"x": "' + "x" * 1_000_000 + '"}}'
        )
        assert await socket.close_code() in {1009, 4400}


@pytest.mark.parametrize(
    "origin",
    ["https://evil.example", "null", "http://127.0.0.1:1", "http://127.0.0.1.evil.example"],
)
async def test_a_page_of_another_origin_opens_a_socket(api: Api, origin: str) -> None:
    """Cross-site WebSocket hijacking: the browser sends what it has, and says where from."""
    async with serving(api.app()) as address:
        opening = connected(address, headers={"Origin": origin})
        with pytest.raises(websockets.InvalidStatus) as refused:
            await opening.__aenter__()
        assert refused.value.response.status_code == 403


async def test_a_page_of_the_own_origin_opens_a_socket(api: Api) -> None:
    async with (
        serving(api.app()) as address,
        connected(address, headers={"Origin": f"http://{address}"}) as socket,
    ):
        await socket.begin()
