"""Whether the process lives, whether it can serve, and what it tells Prometheus."""

from dataclasses import replace
from typing import Any

import httpx

from domain.executions import Execution
from tests.projections.histories import a_finished_run, a_tenant, an_execution, the_tenant
from tests.read_api.api import KEY, Api
from tests.read_api.test_usage import a_call, used
from write_api.observed import route_of


async def get(lone_api: Api, path: str, **limits: float) -> httpx.Response:
    async with lone_api.client(lone_api.app(**limits)) as client:
        return await client.get(path, headers={"Authorization": ""})


async def failing(lone_api: Api, **limits: float) -> list[str]:
    """The names of the checks that fail."""
    response = await get(lone_api, "/readyz", **limits)
    document: dict[str, Any] = response.json()
    names = [check["name"] for check in document["checks"] if not check["is_ok"]]
    assert response.status_code == (503 if names else 200)
    assert document["status"] == ("not_ready" if names else "ready")
    return names


async def test_a_process_that_answers_is_healthy_whatever_the_database_does(lone_api: Api) -> None:
    await lone_api.database.close()
    response = await get(lone_api, "/healthz")
    assert (response.status_code, response.json()) == (200, {"status": "ok"})


async def test_it_is_ready_when_schema_and_read_models_are_current(lone_api: Api) -> None:
    await lone_api.happened(a_finished_run(lone_api.tenant_id))
    assert await failing(lone_api) == []


async def test_it_is_not_ready_before_the_schema_is(lone_api: Api) -> None:
    lone_api.pending.append("0099_more.sql")
    assert await failing(lone_api) == ["migrations"]


async def test_it_is_not_ready_while_read_models_are_far_behind(lone_api: Api) -> None:
    await lone_api.record(
        a_finished_run(lone_api.tenant_id)
    )  # Recorded long ago, by its own account.
    behind = await failing(lone_api, ready_lag_s_max=60)
    assert "projection executions" in behind
    assert await failing(lone_api, ready_lag_s_max=1e10) == []


async def test_it_is_not_ready_without_the_database(lone_api: Api) -> None:
    await lone_api.database.close()
    assert await failing(lone_api) == ["database"]


async def test_prometheus_is_told_the_lag_as_of_the_scrape(lone_api: Api) -> None:
    await lone_api.happened(a_finished_run(lone_api.tenant_id))
    await lone_api.record(a_finished_run(lone_api.tenant_id))
    response = await get(lone_api, "/metrics")
    assert response.headers["content-type"].startswith("text/plain")
    lines = response.text.splitlines()
    assert 'projection_lag_events{projection="executions"} 7.0' in lines
    assert 'dlq_depth{projection="executions"} 0.0' in lines
    assert any(line.startswith('db_pool_connections{role="api",state="idle"}') for line in lines)
    await lone_api.project()
    lines = (await get(lone_api, "/metrics")).text.splitlines()
    assert 'projection_lag_seconds{projection="executions"} 0.0' in lines


async def test_prometheus_is_told_what_somebody_has_to_look_at(lone_api: Api) -> None:
    now = (await lone_api.ledger.scalar("SELECT now()")).isoformat()
    unpriced = used("m/x", ["input_tokens", 9, None])
    unpriced["usage"]["lines"][0] = ["requests", 1, None]
    tenants = [lone_api.tenant_id, a_tenant()]
    calls = [a_call(tenant_id, now, **unpriced) for tenant_id in tenants]
    long_ago = a_call(lone_api.tenant_id, "2026-01-05T10:00:00+00:00", **unpriced)
    await lone_api.happened(*calls, long_ago, *(the_tenant(tenant_id) for tenant_id in tenants))
    async with lone_api.client() as client:
        lines = (await client.get("/metrics")).text.splitlines()
    assert "agentledger_usage_unpriced 2.0" in lines
    assert "agentledger_usage_unresolved 0.0" in lines


async def test_prometheus_is_told_how_many_runs_of_all_tenants_need_somebody(
    lone_api: Api,
) -> None:
    stuck = [an_execution(tenant_id) for tenant_id in (lone_api.tenant_id, a_tenant())]
    for run in stuck:
        run.happens(Execution.AttentionNeeded, message="look", paths=["a"], done_paths=[])
    await lone_api.happened(*stuck, a_finished_run(lone_api.tenant_id))
    line = "agentledger_executions_needing_attention"
    await lone_api.happened(*(the_tenant(run.tenant_id) for run in stuck))
    assert f"{line} 2.0" in (await get(lone_api, "/metrics")).text.splitlines()
    stuck[0].happens(Execution.Cancelled, reason=None, stopped_paths=[])
    await lone_api.happened(stuck[0])
    assert f"{line} 1.0" in (await get(lone_api, "/metrics")).text.splitlines()


async def test_metrics_are_served_without_the_database(lone_api: Api) -> None:
    await lone_api.database.close()
    assert (await get(lone_api, "/metrics")).status_code == 200


async def test_metrics_are_for_named_addresses_and_the_operator(lone_api: Api) -> None:
    operator = replace(lone_api.callers.known[KEY], tenant_id=None, is_operator=True)
    lone_api.callers.known["op_key"] = operator
    transport = httpx.ASGITransport(lone_api.app(), client=("203.0.113.9", 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
        stranger = await client.get("/metrics")
        tenant = await client.get("/metrics", headers={"Authorization": KEY})
        known = await client.get("/metrics", headers={"X-Operator-Key": "op_key"})
    assert (stranger.status_code, tenant.status_code, known.status_code) == (401, 403, 200)
    assert b"projection_lag" not in stranger.content + tenant.content


async def test_requests_are_counted_under_their_routes(lone_api: Api) -> None:
    app = lone_api.app()
    seen: list[str] = []

    async def observed(scope: Any, receive: Any, send: Any) -> None:
        await app(scope, receive, send)
        seen.append(route_of(scope))

    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(observed), base_url="http://api"
    ) as client:
        for path in ("/healthz", "/graphql", f"/api/v1/executions/{lone_api.tenant_id}/events"):
            await client.get(path)
    events = "/api/v1/executions/{execution_id}/events"
    assert seen == ["/healthz", "/graphql", events]


async def test_a_process_that_was_told_to_stop_is_healthy_and_not_ready(lone_api: Api) -> None:
    lone_api.dependencies.readiness.is_draining = True
    assert await failing(lone_api) == ["draining"]
    assert (await get(lone_api, "/healthz")).status_code == 200
