"""POST /tenants/{id}/executions/{id}/usage/resolve, and /tenants/{id}/usage-reports."""

from typing import Any
from unittest.mock import ANY

import orjson
import pytest

from tests.commands.usage_steps import a_cut_off_call
from tests.write_api.api import OPERATOR_KEY, Api, problem

OPERATOR = {"X-Operator-Key": OPERATOR_KEY}
REPORT = {"path": "draft", "attempt": 1, "model": "offline/echo", "reason": "as reported"}


async def resolve(api: Api, **fields: Any) -> Any:
    execution_id = await a_cut_off_call(api.world)
    path = f"/tenants/{api.world.tenant_id}/executions/{execution_id}/usage/resolve"
    return await api.send("POST", path, {**REPORT, **fields}, headers=OPERATOR)


async def test_what_an_attempt_used_is_told_by_meters(api: Api) -> None:
    response = await resolve(api, usage={"input_tokens": 3})
    assert response.status_code == 200
    assert response.json()["data"]["is_priced"] is True


async def test_an_attempt_that_is_known_is_refused(api: Api) -> None:
    problem(await resolve(api, attempt=7), 409, "usage_not_unresolved")


@pytest.mark.parametrize(
    ("usage", "path"),
    [
        ({"requests": 2}, "/usage/requests"),
        ({"pages": 2}, "/usage/pages"),
        ({"run_seconds": 2}, "/usage/run_seconds"),
        ({"storage_bytes": 2}, "/usage/storage_bytes"),
        ({"input_tokens": 0}, "/usage/input_tokens"),
    ],
)
async def test_a_mistake_is_named_with_its_place(
    api: Api, usage: dict[str, int], path: str
) -> None:
    response = await resolve(api, usage=usage)
    assert [place for place, _ in problem(response, 422, "invalid")] == [path]


async def test_what_a_call_may_have_used_is_listed(api: Api) -> None:
    (mistake,) = (await resolve(api, usage={"tokens": 1})).json()["errors"]
    assert mistake["message"].startswith("one of input_tokens, cached_input_tokens, ")
    assert "run_seconds" not in mistake["message"]


async def report(api: Api, **body: Any) -> Any:
    path = f"/tenants/{api.world.tenant_id}/usage-reports"
    return await api.send("POST", path, {"reason": "as reported", **body}, headers=OPERATOR)


async def test_a_report_comes_as_entries_or_as_csv(api: Api) -> None:
    one, other = await a_cut_off_call(api.world), await a_cut_off_call(api.world)
    entry = {"request_id": f"{one}:draft:1", "model": "offline/echo", "usage": {"input_tokens": 3}}
    told = (await report(api, entries=[entry])).json()["data"]
    assert told == {"resolved": 1, "not_matched": []}
    rows = (
        "request_id,model,input_tokens,output_tokens\r\n"
        f"{one}:draft:1,offline/echo,0,\r\n"
        f'"{other}:draft:1",offline/echo,120,30\r\n'
    )
    told = (await report(api, csv=rows)).json()["data"]
    known = {"request_id": f"{one}:draft:1", "code": "usage_not_unresolved"}
    assert told == {"resolved": 1, "not_matched": [known]}
    resolved = orjson.loads(api.store.events[-1].state)
    assert resolved["usage"]["lines"][1:] == [
        ["input_tokens", 120, ANY],
        ["output_tokens", 30, ANY],
    ]


ENTRY = {"request_id": "x", "model": "m/a"}


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({}, "/entries"),
        ({"entries": [ENTRY], "csv": ""}, "/entries"),
        ({"entries": []}, "/entries"),
        ({"entries": [ENTRY] * 201}, "/entries"),
        ({"csv": "request_id,model\r\n"}, "/entries"),
        ({"entries": [{**ENTRY, "usage": {"pages": 1}}]}, "/entries/0/usage/pages"),
        ({"csv": "request_id,model,pages\nx,m/a,1\n"}, "/entries/0/usage/pages"),
        ({"csv": "request_id,model,input_tokens\nx,m/a,-1\n"}, "/entries/0/usage/input_tokens"),
        ({"csv": "request_id,model,input_tokens\nx,m/a,1.5\n"}, "/entries/0/usage/input_tokens"),
        ({"csv": "request_id,input_tokens\nx,1\n"}, "/entries/0/model"),
        ({"csv": "request_id,model\nx\n"}, "/entries/0/model"),
        ({"csv": "request_id,model\nx,m/a,7\n"}, "/entries/0/usage/None"),
        ({"csv": "request_id,model,model\nx,m/a,m/b\n"}, "/csv"),
        ({"csv": 'request_id,model\n"x,m/a\n'}, "/csv"),
    ],
)
async def test_a_mistake_in_a_report_is_named_and_nothing_is_resolved(
    api: Api, body: dict[str, Any], path: str
) -> None:
    response = await report(api, **body)
    assert [place for place, _ in problem(response, 422, "invalid")] == [path]
