"""POST /tenants/{id}/executions/{id}/usage/resolve."""

from typing import Any

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
        ({"input_tokens": 0}, "/usage/input_tokens"),
    ],
)
async def test_a_mistake_is_named_with_its_place(
    api: Api, usage: dict[str, int], path: str
) -> None:
    response = await resolve(api, usage=usage)
    assert [place for place, _ in problem(response, 422, "invalid")] == [path]
