"""POST /credits, and /credits/{tenant_id}/{grant_id}/withdraw."""

import pytest

from tests.write_api.api import OPERATOR_KEY, Api, problem
from tests.write_api.bodies import TENANT

OPERATOR = {"X-Operator-Key": OPERATOR_KEY}


async def a_tenant(api: Api) -> str:
    response = await api.send("POST", "/tenants", TENANT, headers=OPERATOR)
    return response.json()["data"]["tenant_id"]


async def test_credits_are_given_once_for_one_key_and_withdrawn(api: Api) -> None:
    body = {"tenant_id": await a_tenant(api), "amount_usd": "25", "source": "promotional"}
    keyed = {**OPERATOR, "Idempotency-Key": "gift-1"}
    given = await api.send("POST", "/credits", body, headers=keyed)
    assert given.status_code == 201, given.text
    again = await api.send("POST", "/credits", body, headers=keyed)
    assert again.json()["data"] == given.json()["data"]
    assert given.json()["data"]["available_usd"] == "25"
    grant_id = given.json()["data"]["grant_id"]
    path = f"/credits/{body['tenant_id']}/{grant_id}/withdraw"
    taken = await api.send("POST", path, {"reason": "typo"}, headers=OPERATOR)
    assert taken.json()["data"]["left_usd"] == "0"
    problem(await api.send("POST", path, {"reason": "typo"}, headers=OPERATOR), 409, "nothing_left")


@pytest.mark.parametrize(
    ("changed", "mistake"),
    [
        ({"amount_usd": "0"}, ("/amount_usd", "value_error")),
        ({"amount_usd": 5}, ("/amount_usd", "string_type")),
        ({"amount_usd": "9999999"}, ("/amount_usd", "value_error")),
        ({"amount_usd": "-5"}, ("/amount_usd", "string_pattern_mismatch")),
        ({"source": "stolen"}, ("/source", "literal_error")),
        ({"priority": -1}, ("/priority", "greater_than_equal")),
        ({"expires_at": "2020-01-01T00:00:00Z"}, ("/expires_at", "expires_too_early")),
    ],
)
async def test_a_gift_that_makes_no_sense_is_named(
    api: Api, changed: dict[str, object], mistake: tuple[str, str]
) -> None:
    body = {"tenant_id": await a_tenant(api), "amount_usd": "25", "source": "promotional"}
    response = await api.send("POST", "/credits", {**body, **changed}, headers=OPERATOR)
    assert problem(response, 422, "invalid") == [mistake]
