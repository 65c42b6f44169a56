"""Forged addresses (ASVS 4.1.3): nobody escapes his limit, or spends another's, by a header."""

import httpx

from tests.write_api.api import RATE_LIMIT_IP_PER_MIN, Api, problem
from tests.write_api.bodies import AGENT

BAD = {"Authorization": "Bearer al_guess"}
FORGED = (
    "X-Forwarded-For",
    "X-Real-IP",
    "X-Client-IP",
    "X-Originating-IP",
    "True-Client-IP",
    "CF-Connecting-IP",
    "Forwarded",
)


async def test_forged_addresses_do_not_escape_the_limit(api: Api) -> None:
    for number in range(RATE_LIMIT_IP_PER_MIN):
        address = f"198.51.100.{number}"
        forged = dict.fromkeys(FORGED, address) | {"Forwarded": f"for={address}"}
        problem(
            await api.send("POST", "/agents", AGENT, headers=BAD | forged), 401, "unauthenticated"
        )
    response = await api.send("POST", "/agents", AGENT, headers=BAD | {"X-Forwarded-For": "::1"})
    problem(response, 429, "too_many_attempts")


async def test_clients_behind_a_trusted_proxy_are_counted_apart(api: Api) -> None:
    transport = httpx.ASGITransport(api.app, client=("10.0.0.1", 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://ledger/api/v1") as proxy:

        async def guess(client: str) -> httpx.Response:
            return await proxy.post("/agents", headers=BAD | {"X-Forwarded-For": client})

        for number in range(RATE_LIMIT_IP_PER_MIN):
            problem(await guess(f"192.0.2.{number}, 198.51.100.7"), 401, "unauthenticated")
        problem(await guess("198.51.100.7"), 429, "too_many_attempts")
        problem(await guess("198.51.100.8"), 401, "unauthenticated")
