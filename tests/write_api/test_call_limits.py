"""PUT /tenant/limits."""

import pytest

from tests.write_api.api import Api, problem
from tests.write_api.test_tenants import a_tenant


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({"concurrent_calls": 0}, "/concurrent_calls"),
        ({"tokens_per_min": "5"}, "/tokens_per_min"),
        ({"cost_usd_per_min": 1}, "/cost_usd_per_min"),
        ({"concurrent_http_calls": 0}, "/concurrent_http_calls"),
        ({"agents": 4}, "/agents"),
    ],
)
async def test_what_is_no_limit_of_calls_is_refused(api: Api, body: object, place: str) -> None:
    response = await api.send("PUT", "/tenant/limits", body)
    assert [path for path, _ in problem(response, 422, "invalid")] == [place]


async def test_a_tenant_limits_itself(api: Api) -> None:
    await a_tenant(api)
    body = {"concurrent_calls": 4, "cost_usd_per_min": "0.5", "concurrent_http_calls": 2}
    response = await api.send("PUT", "/tenant/limits", body)
    assert response.status_code == 200, response.text
    assert response.json()["data"]["limits"] == {**body, "tokens_per_min": None}
