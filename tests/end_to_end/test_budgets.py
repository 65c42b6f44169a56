"""Budgets as a tenant, and who manages it, live with them: through HTTP, to the refused call."""

from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import httpx

from tests.end_to_end.stack import Api, Stack, operator_key_of
from tests.plain_http import NO_AUTHORITIES, PATIENCE_S

LLM = {"model": "offline/echo", "prompt": "one two three four", "parameters": {"max_tokens": 20}}
# Four tokens in and at most 20 out, of 1 and 2 millionths of a USD: it holds 0.000044 USD.
COST_USD = "0.000012"
BUDGETS = "{ budgets { edges { node { id keeper spentUsd reservedUsd remainingUsd } } } }"


def a_workflow(*nodes: dict[str, Any]) -> dict[str, Any]:
    """One node after the other; who fails may be gone on from by `other`."""
    path = ["start", *(node["id"] for node in nodes), "end"]
    edges: list[dict[str, Any]] = [
        {"from": before, "to": after} for before, after in pairwise(path)
    ]
    last = path[-2]
    edges += [{"from": last, "port": "error", "to": "other"}, {"from": "other", "to": "end"}]
    told = {
        "id": "other",
        "type": "set",
        "config": {"values": {"why": f"{{{{ nodes.{last}.error.code }}}}"}},
    }
    ends = [{"id": "start", "type": "start"}, {"id": "end", "type": "end"}]
    return {"name": "W", "definition": {"nodes": [*ends, *nodes, told], "edges": edges}}


def a_call(name: str = "call") -> dict[str, Any]:
    return {"id": name, "type": "llm", "config": LLM}


async def ran(api: Api, workflow_id: str) -> dict[str, Any]:
    begun = await api.post(f"/workflows/{workflow_id}/execute", {"input": {}})
    return await api.execution_at_end(str(begun["execution_id"]))


async def spent(api: Api) -> dict[str, str]:
    found = await api.query(BUDGETS)
    return {edge["node"]["id"]: edge["node"]["spentUsd"] for edge in found["budgets"]["edges"]}


async def a_budget(api: Api, **told: Any) -> str:
    body = {"scope": {"type": "tenant"}, "period": "total", "mode": "hard", "limit_usd": "1"}
    return str((await api.post("/budgets", {**body, **told}))["budget_id"])


async def test_what_a_run_began_is_paid_for_by_that_run_and_its_workflow(api: Api) -> None:
    inner = str((await api.post("/workflows", a_workflow(a_call())))["workflow_id"])
    nodes = [
        {"id": name, "type": "sub_workflow", "config": {"workflow_id": inner, "input": {}}}
        for name in ("one", "two")
    ]
    outer = str((await api.post("/workflows", a_workflow(*nodes)))["workflow_id"])
    of_outer = await a_budget(api, scope={"type": "workflow", "id": outer})
    of_inner = await a_budget(api, scope={"type": "workflow", "id": inner})
    # Enough for the first of the two; the second could have 14 tokens, which is no answer.
    of_each = await a_budget(api, scope={"type": "run"}, period="run", limit_usd="0.000045")
    run = await ran(api, outer)
    assert run["status"] == "COMPLETED"
    assert await spent(api) == {of_outer: COST_USD, of_inner: COST_USD, of_each: COST_USD}
    query = "query($id: ID!) { execution(id: $id) { children { nodes { id output } } } }"
    told = await api.query(query, id=run["id"])
    refused = [
        node["output"]["why"]
        for child in told["execution"]["children"]
        for node in child["nodes"]
        if node["id"] == "other" and node["output"]
    ]
    assert refused == ["budget_exceeded"]


async def test_what_a_tenant_counts_itself_leaves_less_for_calls(
    api: Api, one_process: Stack
) -> None:
    workflow = str((await api.post("/workflows", a_workflow(a_call())))["workflow_id"])
    tenant_id = (await api.query("{ tenant { id } }"))["tenant"]["id"]
    price = {"kind": "unit", "usd": "0.01", "per": 1}
    book = {
        "scope": {"type": "tenant", "id": tenant_id},
        "prices": [{"model": "meter/*", "meter": "pages", "price": price}],
    }
    operator = {"X-Operator-Key": operator_key_of(one_process)}
    url = f"{one_process.url}/api/v1/price-books"
    assert (
        httpx.post(url, json=book, headers=operator, timeout=30, verify=NO_AUTHORITIES).status_code
        == 201
    )
    budget = await a_budget(api, limit_usd="0.05")
    assert (await ran(api, workflow))["status"] == "COMPLETED"
    event = {
        "specversion": "1.0",
        "id": "1",
        "source": "/reports",
        "type": "pages",
        "time": datetime.now(UTC).isoformat(),
        "data": {"quantity": 5},
    }
    for _ in range(2):  # The second is the same one.
        await api.post("/usage-events", event)
    assert await spent(api) == {budget: "0.050012"}
    run = await ran(api, workflow)
    (other,) = [node for node in run["nodes"] if node["id"] == "other"]
    assert other["output"] == {"why": "budget_exceeded"}


async def test_a_tenant_is_held_to_what_the_operator_keeps_for_it(
    api: Api, one_process: Stack
) -> None:
    workflow = str((await api.post("/workflows", a_workflow(a_call())))["workflow_id"])
    tenant_id = (await api.query("{ tenant { id } }"))["tenant"]["id"]
    operator = httpx.Client(
        base_url=f"{one_process.url}/api/v1/tenants/{tenant_id}",
        headers={"X-Operator-Key": operator_key_of(one_process)},
        timeout=PATIENCE_S,
        verify=NO_AUTHORITIES,
    )
    with operator:
        body = {"scope": {"type": "tenant"}, "period": "month", "mode": "hard"}
        made = operator.post("/budgets", json={**body, "limit_usd": "0.000045"})
        assert made.status_code == 201, made.text
        budget_id = made.json()["data"]["budget_id"]
        assert (await ran(api, workflow))["status"] == "COMPLETED"
        run = await ran(api, workflow)
        (other,) = [node for node in run["nodes"] if node["id"] == "other"]
        assert other["output"] == {"why": "budget_exceeded"}
        change = {"limit_usd": "100"}
        answer = await api.http.patch(f"/api/v1/budgets/{budget_id}", json=change)
        assert (answer.status_code, answer.json()["code"]) == (403, "budget_kept")
        told = operator.get("/budgets").json()["data"]["budgets"]
        assert [(one["budget_id"], one["spent_usd"]) for one in told] == [(budget_id, COST_USD)]
        assert operator.patch(f"/budgets/{budget_id}", json=change).is_success
    found = await api.query(BUDGETS)
    assert found["budgets"]["edges"][0]["node"]["keeper"] == "operator"
    (other,) = [one for one in (await ran(api, workflow))["nodes"] if one["id"] == "other"]
    assert other["status"] == "SKIPPED"
