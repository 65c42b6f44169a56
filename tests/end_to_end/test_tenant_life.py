"""The life of a tenant on the real stack, across deaths of the process."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from tests.end_to_end.stack import Api, Stack, new_tenant, operator_key_of
from tests.plain_http import NO_AUTHORITIES
from tests.ports import free_port

WAIT_S = 240.0  # A lease of a process that died has to run out.
TENANTS = "{ tenants(first: 100) { edges { node { id } } } }"


@pytest.fixture(scope="module")
def own_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """An installation that may be killed: nobody else uses it."""
    directory = tmp_path_factory.mktemp("life")
    port = free_port()
    stack = Stack(
        f"http://127.0.0.1:{port}",
        {
            "AGENTLEDGER_DATA_DIR": str(directory / "data"),
            "AGENTLEDGER_LEASE_TTL_S": "1",
            "AGENTLEDGER_WORKER_SWEEP_S": "1",
            "AGENTLEDGER_UP_PROCESSES": "2",
        },
        directory,
    )
    stack.add("up", "up", "--port", str(port))
    try:
        stack.wait_until_ready()
        yield stack
    finally:
        stack.stop()


@pytest.fixture
async def operator(own_process: Stack) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"X-Operator-Key": operator_key_of(own_process)}
    async with httpx.AsyncClient(
        base_url=own_process.url, headers=headers, timeout=40, verify=NO_AUTHORITIES
    ) as client:
        yield client


@pytest.fixture
async def tenant(own_process: Stack) -> AsyncIterator[Api]:
    key = new_tenant(own_process.url, operator_key_of(own_process), "Acme")
    client = Api(own_process.url, key)
    yield client
    await client.http.aclose()


def process_beside(stack: Stack) -> psutil.Process:
    """The one in which `up` has its read models."""
    (beside,) = [
        process
        for process in psutil.Process(stack.processes["up"].pid).children()
        if "projector" in process.cmdline()
    ]
    return beside


def restart(stack: Stack) -> None:
    beside = process_beside(stack)
    stack.processes["up"].kill()
    beside.wait(WAIT_S)  # It ends with the one that began it, however that ended.
    stack.processes["up"].start()
    stack.wait_until_ready()


async def until(condition: Callable[[], Awaitable[bool]], what: str) -> None:
    async with asyncio.timeout(WAIT_S):
        while not await condition():
            await asyncio.sleep(0.05)
    assert what


def naps(duration_s: float) -> dict[str, object]:
    nodes = [
        {"id": "start", "type": "start"},
        {"id": "nap", "type": "delay", "config": {"duration_s": duration_s}},
        {"id": "end", "type": "end"},
    ]
    edges = [{"from": "start", "to": "nap"}, {"from": "nap", "to": "end"}]
    return {"name": "nap", "definition": {"nodes": nodes, "edges": edges}}


async def begun(api: Api, duration_s: float) -> str:
    workflow = await api.post("/workflows", naps(duration_s))
    answer = await api.post(f"/workflows/{workflow['workflow_id']}/execute", {"input": {}})
    return str(answer["execution_id"])


async def status_of(api: Api, execution_id: str) -> str:
    found = await api.query("query($id: ID!) { execution(id: $id) { status } }", id=execution_id)
    return "" if found["execution"] is None else str(found["execution"]["status"])


async def its_id(api: Api) -> str:
    return str((await api.query("{ tenant { id } }"))["tenant"]["id"])


async def test_a_suspended_tenants_runs_stand_still_across_a_death_and_go_on_when_resumed(
    own_process: Stack, operator: httpx.AsyncClient, tenant: Api
) -> None:
    execution_id = await begun(tenant, 7)

    async def sleeps() -> bool:
        return await status_of(tenant, execution_id) == "WAITING"

    await until(sleeps, "it sleeps")
    path = f"/api/v1/tenants/{await its_id(tenant)}"
    suspended = await operator.post(f"{path}/suspend", json={"reason": "unpaid"})
    assert suspended.status_code == 200, suspended.text

    async def is_refused() -> bool:
        answer = await tenant.http.put("/api/v1/retention", json={"payload_days": 30})
        return answer.status_code == 403 and answer.json()["code"] == "tenant_suspended"

    await until(is_refused, "it is refused")
    restart(own_process)
    assert await is_refused()
    told = (await tenant.query("{ tenant { standing suspendedReason suspendedBy } }"))["tenant"]
    assert told == {
        "standing": "suspended",
        "suspendedReason": "unpaid",
        "suspendedBy": "operator",
    }
    # Another tenant's run that is due later is over, and this one still stands.
    other = Api(own_process.url, new_tenant(own_process.url, operator_key_of(own_process), "B"))
    later = await begun(other, 7)
    assert (await other.execution_at_end(later))["status"] == "COMPLETED"
    await other.http.aclose()
    assert await status_of(tenant, execution_id) == "WAITING"
    resumed = await operator.post(f"{path}/resume")
    assert resumed.status_code == 200, resumed.text
    assert (await tenant.execution_at_end(execution_id))["status"] == "COMPLETED"


async def test_read_models_go_on_when_their_process_is_killed(
    own_process: Stack, tenant: Api
) -> None:
    beside = process_beside(own_process)
    beside.kill()
    beside.wait(WAIT_S)
    execution_id = await begun(tenant, 0)
    assert (await tenant.execution_at_end(execution_id))["status"] == "COMPLETED"

    async def is_shown() -> bool:
        return await status_of(tenant, execution_id) == "COMPLETED"

    await until(is_shown, "it is shown")
    assert process_beside(own_process).pid != beside.pid


async def test_a_reseller_makes_and_manages_only_its_own_tenants(
    own_process: Stack, operator: httpx.AsyncClient, tenant: Api
) -> None:
    listed = await operator.post("/graphql", json={"query": TENANTS})
    ids = [edge["node"]["id"] for edge in listed.json()["data"]["tenants"]["edges"]]
    assert await its_id(tenant) in ids
    quota = await operator.put(
        f"/api/v1/tenants/{await its_id(tenant)}/reseller-quota", json={"customers_max": 1}
    )
    assert quota.status_code == 200, quota.text
    body = {"name": "C", "admin": {"email": "c@example.com", "password": "a long enough password"}}
    refused = await tenant.http.post("/api/v1/tenants", json=body)
    assert refused.status_code == 403
    assert own_process.verify()["ok"]


USAGE = """{ tenant { region plan { name version } quotas { name limit used remaining } }
  featureFlags { name enabled reason } }"""
PROFILE = {"name": "Writer", "model": "offline/echo", "instructions": "Be brief."}


async def test_a_plan_holds_everywhere_and_features_are_switched_off(
    own_process: Stack, operator: httpx.AsyncClient, tenant: Api
) -> None:
    limits = {"agents": 1, "requests_per_min": 600, "requests_burst": 300, "run_duration_s": 1}
    made = await operator.post("/api/v1/plans", json={"name": "Small", "limits": limits})
    assert made.status_code == 201, made.text
    plan_id, path = made.json()["data"]["plan_id"], f"/api/v1/tenants/{await its_id(tenant)}"
    put = await operator.put(f"{path}/plan", json={"plan_id": plan_id, "overrides": {"users": 2}})
    assert put.status_code == 200, put.text

    async def is_narrow() -> bool:
        answer = await tenant.http.get("/api/v1/node-types")
        return answer.headers["RateLimit-Policy"] == '"tenant";q=300;w=30'

    await until(is_narrow, "the headers tell of the plan")
    agents = [await tenant.http.post("/api/v1/agents", json=PROFILE) for _ in range(2)]
    assert [answer.status_code for answer in agents] == [201, 409]
    assert agents[1].json()["code"] == "quota_reached"
    assert agents[1].json()["detail"] == "The plan Small allows agents of 1, and 1 are used."
    ended = await tenant.execution_at_end(await begun(tenant, 60))
    assert (ended["status"], ended["error"]["code"]) == ("FAILED", "plan_run_duration")

    off = await operator.put(f"{path}/feature-flags/own_providers", json={"is_enabled": False})
    assert off.status_code == 200, off.text

    async def is_off() -> bool:
        body = {"kind": "openai", "api_key": "sk-1"}
        answer = await tenant.http.put("/api/v1/providers/ours", json=body)
        return answer.status_code == 403 and answer.json()["code"] == "feature_off"

    await until(is_off, "it is switched off")
    told = await tenant.query(USAGE)
    assert told["tenant"]["region"] == "us"
    assert told["tenant"]["plan"] == {"name": "Small", "version": 1}
    quotas = {one.pop("name"): one for one in told["tenant"]["quotas"]}
    assert quotas["agents"] == {"limit": 1, "used": 1, "remaining": 0}
    assert quotas["users"] == {"limit": 2, "used": 1, "remaining": 1}
    flag = {"name": "own_providers", "enabled": False, "reason": "operator"}
    assert flag in told["featureFlags"]
    shown = (await operator.get(f"{path}/plan")).json()["data"]
    assert shown["limits"] == {**limits, "users": 2}
    assert {"name": "agents", **quotas["agents"], "resets_at": None} in shown["quotas"]
    assert own_process.verify()["ok"]


async def test_everything_of_a_tenant_is_exported_and_can_be_checked(
    own_process: Stack, operator: httpx.AsyncClient, tenant: Api, tmp_path: Path
) -> None:
    workflow = await tenant.post("/workflows", naps(0))
    path = f"/workflows/{workflow['workflow_id']}/execute?wait_s=30"
    done = await tenant.post(path, {"input": {"text": "ü" * 70_000}})
    suspend = f"/api/v1/tenants/{await its_id(tenant)}/suspend"
    assert (await operator.post(suspend, json={"reason": "x"})).status_code == 200
    archive = tmp_path / "export.tar"
    async with tenant.http.stream("GET", "/api/v1/tenant/export") as answer:
        assert answer.status_code == 200
        archive.write_bytes(await answer.aread())
    content = archive.read_bytes()
    assert done["execution_id"].encode() in content
    assert tenant.api_key.encode() not in content
    checked = own_process.run("verify-export", str(archive), "--json")
    assert checked.returncode == 0, checked.stderr
    assert '"payloads":1' in checked.stdout
    archive.write_bytes(content[: len(content) // 2])
    cut = own_process.run("verify-export", str(archive))
    assert (cut.returncode, "whole" in cut.stderr) == (1, True)


async def test_a_tenant_that_stays_goes_on_where_it_was(
    operator: httpx.AsyncClient, tenant: Api
) -> None:
    execution_id = await begun(tenant, 6)
    left = await tenant.post("/tenant/offboard", {"confirm_name": "Acme", "grace_days": 1})
    assert left["standing"] == "offboarding"
    refused = await tenant.http.put("/api/v1/retention", json={"payload_days": 30})
    assert refused.status_code == 403, refused.text
    kept = await tenant.post("/tenant/offboard/cancel", {})
    assert kept["standing"] == "active"
    assert (await tenant.execution_at_end(execution_id))["status"] == "COMPLETED"
    gone = await operator.post(f"/api/v1/tenants/{await its_id(tenant)}/offboard/cancel")
    assert (gone.status_code, gone.json()["code"]) == (409, "tenant_stays")
