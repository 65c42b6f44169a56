"""A tenant that leaves, whose offboarding is killed at every crash point and goes on."""

import asyncio

import httpx
import pytest

from tests.faults.broken import Broken
from tests.faults.conftest import ADMIN, OPERATOR_KEY, WAIT_S
from tests.faults.crash_chains import OF_LEAVING
from tests.faults.load import POLL_S, Client, workflows_of
from tests.plain_http import NO_AUTHORITIES, PATIENCE_S

pytestmark = pytest.mark.timeout(600)

OPERATOR = {"X-Operator-Key": OPERATOR_KEY}
TENANTS = "{ tenants(first: 100) { edges { node { id } } } }"


async def test_a_tenant_is_seen_off_whatever_dies_meanwhile(on_either: Broken) -> None:
    """It has a run that waits. Whatever point the last one died at, the next tenant leaves too."""
    on_either.installation.environment = {
        **on_either.installation.environment,
        "AGENTLEDGER_WORKER_OFFBOARDING_POLL_S": "0.2",
    }
    for point in sorted(OF_LEAVING):
        process = on_either.installation.start("all", AGENTLEDGER_CRASH_AT=point)
        tenant_id, tenant = await a_tenant_that_leaves(on_either)
        assert await process.ended(wait_s=WAIT_S) < 0, process.said()
        process = on_either.installation.start("all")
        await until_unknown(tenant)
        assert tenant_id not in await tenants(tenant.url)
        process.kill()
    on_either.installation.start("all")
    rebuilt = await on_either.installation.run("rebuild", "all")
    assert rebuilt.exit_code == 0, rebuilt.said()
    assert [check.name for check in await on_either.checks() if not check.ok] == []


async def a_tenant_that_leaves(broken: Broken) -> tuple[str, Client]:
    """Its id, and a client with its key."""
    tenant = Client(broken.client.url, WAIT_S)
    made = await tenant.post("/tenants", {"name": "Leaver", "admin": ADMIN}, **OPERATOR)
    tenant.api_key = str(made["api_key"])
    definition = workflows_of(1)["held"]
    held = await tenant.post("/workflows", {"name": "held", "definition": definition})
    await tenant.post(f"/workflows/{held['workflow_id']}/execute", {"input": {}})
    operator = Client(broken.client.url, WAIT_S)
    path = f"/tenants/{made['tenant_id']}/offboard"
    await operator.post(path, {"grace_days": 0}, **OPERATOR)
    return str(made["tenant_id"]), tenant


async def until_unknown(tenant: Client) -> None:
    """Its key is refused like one that never was."""
    headers = {"Authorization": f"Bearer {tenant.api_key}"}
    async with httpx.AsyncClient(
        base_url=tenant.url, headers=headers, timeout=PATIENCE_S, verify=NO_AUTHORITIES
    ) as http:
        async with asyncio.timeout(WAIT_S):
            while not await _is_refused(http):
                await asyncio.sleep(POLL_S)


async def _is_refused(http: httpx.AsyncClient) -> bool:
    try:
        answer = await http.post("/graphql", json={"query": "{ tenant { id } }"})
    except httpx.HTTPError:  # It is starting.
        return False
    return answer.status_code == 401


async def tenants(url: str) -> list[str]:
    async with httpx.AsyncClient(
        base_url=url, headers=OPERATOR, timeout=PATIENCE_S, verify=NO_AUTHORITIES
    ) as http:
        listed = await http.post("/graphql", json={"query": TENANTS})
    return [edge["node"]["id"] for edge in listed.json()["data"]["tenants"]["edges"]]
