"""An address without a valid credential is held to its limit; a valid credential never is, but to
those of its key, its person and its tenant.
"""

from dataclasses import replace

import pytest

from tests.write_api.api import OPERATOR_KEY, RATE_LIMIT_IP_PER_MIN, Api, problem
from tests.write_api.bodies import AGENT, TENANT
from write_api.rate_limits import network_of

BAD = {"Authorization": "Bearer al_guess"}


async def test_bad_credentials_are_refused_differently_after_the_limit(api: Api) -> None:
    for _ in range(RATE_LIMIT_IP_PER_MIN):
        problem(await api.send("POST", "/agents", AGENT, headers=BAD), 401, "unauthenticated")
    response = await api.send("POST", "/agents", AGENT, headers=BAD)
    problem(response, 429, "too_many_attempts")
    assert 0 < int(response.headers["Retry-After"]) <= 60


@pytest.mark.parametrize(
    ("method", "url", "status"),
    [
        ("GET", "/nowhere", 404),
        ("PATCH", "/api/v1/agents", 405),
        ("GET", "/openapi.json", 200),
    ],
)
async def test_what_needs_no_credential_is_held_to_the_limit_of_the_address(
    api: Api, method: str, url: str, status: int
) -> None:
    answers = [
        await api.client.request(method, f"http://ledger{url}")
        for _ in range(RATE_LIMIT_IP_PER_MIN + 1)
    ]
    assert {answer.status_code for answer in answers[:-1]} == {status}
    problem(answers[-1], 429, "too_many_attempts")
    assert 0 < int(answers[-1].headers["Retry-After"]) <= 60


async def test_a_valid_credential_passes_from_an_address_over_its_limit(api: Api) -> None:
    for _ in range(RATE_LIMIT_IP_PER_MIN + 1):
        await api.send("POST", "/agents", AGENT, headers=BAD)
    assert (await api.send("POST", "/agents", AGENT)).status_code == 201


async def test_after_the_announced_time_the_next_attempt_is_heard(api: Api) -> None:
    for _ in range(RATE_LIMIT_IP_PER_MIN + 1):
        response = await api.send("POST", "/agents", AGENT, headers=BAD)
    api.time_s += int(response.headers["Retry-After"])
    problem(await api.send("POST", "/agents", AGENT, headers=BAD), 401, "unauthenticated")


async def test_a_tenant_is_held_to_its_plan_and_told_how_it_stands(api: Api) -> None:
    api.limits.narrowed(tenant_per_min=3)
    for left in (2, 1, 0):
        response = await api.send("POST", "/agents", AGENT)
        assert response.status_code == 201
        assert response.headers["RateLimit-Policy"] == '"tenant";q=3;w=60'
        assert response.headers["RateLimit"] == f'"tenant";r={left};t={(3 - left) * 20}'
    response = await api.send("POST", "/agents", AGENT)
    problem(response, 429, "too_many_requests")
    assert response.headers["Retry-After"] == "20"
    assert response.headers["RateLimit"] == '"tenant";r=0;t=80'
    assert api.store.topics == ["agent.created"] * 3
    api.time_s += 20
    assert (await api.send("POST", "/agents", AGENT)).status_code == 201


async def test_a_key_is_held_to_its_own_limit_and_its_neighbours_are_not(api: Api) -> None:
    api.limits.narrowed(tenant_per_min=100, key_per_min=1)
    other = api.allow("other", api.world.caller_with("*", actor="api_key:other"))
    assert (await api.send("POST", "/agents", AGENT)).status_code == 201
    problem(await api.send("POST", "/agents", AGENT), 429, "too_many_requests")
    response = await api.send("POST", "/agents", AGENT, headers={"Authorization": other})
    assert response.status_code == 201
    assert response.headers["RateLimit-Policy"] == '"key";q=1;w=60'


async def test_a_person_is_held_to_one_limit_with_all_credentials(api: Api) -> None:
    api.limits.narrowed(tenant_per_min=100, user_per_min=1)
    ada = api.world.ids.new()
    keys = [
        api.allow(name, replace(api.world.caller_with("*", actor=f"api_key:{name}"), user_id=ada))
        for name in ("laptop", "phone")
    ]
    first, second = [
        await api.send("POST", "/agents", AGENT, headers={"Authorization": key}) for key in keys
    ]
    assert first.status_code == 201
    problem(second, 429, "too_many_requests")
    # Who has no person behind it is not held to anybody's.
    assert (await api.send("POST", "/agents", AGENT)).status_code == 201


async def test_what_a_key_is_refused_its_tenant_does_not_pay(api: Api) -> None:
    api.limits.narrowed(tenant_per_min=2, key_per_min=1)
    other = api.allow("other", api.world.caller_with("*", actor="api_key:other"))
    for _ in range(5):
        await api.send("POST", "/agents", AGENT)
    response = await api.send("POST", "/agents", AGENT, headers={"Authorization": other})
    assert response.status_code == 201


async def test_a_refused_request_is_refused_before_its_body_is_read(api: Api) -> None:
    api.limits.narrowed(tenant_per_min=1)
    await api.send("POST", "/agents", AGENT)
    problem(await api.send("POST", "/agents", b"no json"), 429, "too_many_requests")


async def test_the_operator_is_held_to_a_limit_of_its_own(api: Api) -> None:
    response = await api.send("POST", "/tenants", TENANT, headers={"X-Operator-Key": OPERATOR_KEY})
    assert response.headers["RateLimit-Policy"] == '"operator";q=6000;w=60'


async def test_who_cannot_be_counted_by_everybody_is_counted_by_each(api: Api) -> None:
    api.limits.narrowed(tenant_per_min=3)
    api.limits.store.is_down = True
    statuses = [(await api.send("POST", "/agents", AGENT)).status_code for _ in range(4)]
    assert statuses == [201, 201, 201, 429]


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8:0:1::1", "2001:db8:0:1:ffff::2", True),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
        ("", "192.0.2.1", False),
    ],
)
def test_a_network_of_ipv6_counts_as_one(one: str, other: str, *, is_same: bool) -> None:
    assert (network_of(one) == network_of(other)) == is_same
