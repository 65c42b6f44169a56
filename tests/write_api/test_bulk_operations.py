"""POST /executions/bulk/cancel, /retry, /fork and /upgrade."""

import pytest

from tests.commands.steps import a_chain, an_llm
from tests.write_api.api import Api, problem
from tests.write_api.runs import begun

CHAIN = a_chain(an_llm("a"))
BODIES = {
    "cancel": {"compensate": True},
    "retry": {},
    "fork": {"from_node": "a"},
    "upgrade": {"version": 2},
}


@pytest.mark.parametrize("action", BODIES)
async def test_nothing_is_done_unless_it_is_asked_for(api: Api, action: str) -> None:
    execution_id = await begun(api, CHAIN)
    body = {"filter": {"status": "PENDING"}, **BODIES[action]}
    response = await api.send("POST", f"/executions/bulk/{action}", body)
    assert response.status_code == 200, response.text
    assert response.json()["data"] == {"count": 1, "is_capped": False, "sample": [execution_id]}
    assert "bulk_operation.created" not in api.store.topics


@pytest.mark.parametrize("action", BODIES)
async def test_an_operation_is_accepted(api: Api, action: str) -> None:
    await begun(api, CHAIN)
    body = {"filter": {}, "dry_run": False, "limit": 5, **BODIES[action]}
    response = await api.send("POST", f"/executions/bulk/{action}", body)
    assert response.status_code == 202, response.text
    assert set(response.json()["data"]) == {"bulk_operation_id", "count"}
    created = api.store.states[-1]
    assert (created["action"], created["executions_max"]) == (action, 5)


async def test_the_whole_filter_is_stored_in_utc(api: Api) -> None:
    wanted = {
        "status": "FAILED",
        "workflow_id": str(api.world.ids.new()),
        "definition_hash": "cafe",
        "created_after": "2026-11-01T02:00:00+02:00",
        "created_before": "2026-11-02T00:00:00Z",
    }
    body = {"filter": wanted, "dry_run": False}
    response = await api.send("POST", "/executions/bulk/retry", body)
    assert response.status_code == 202, response.text
    assert api.store.states[-1]["filter"] == {
        **wanted,
        "created_after": "2026-11-01T00:00:00+00:00",
        "created_before": "2026-11-02T00:00:00+00:00",
    }


async def test_any_of_several_statuses_will_do(api: Api) -> None:
    execution_id = await begun(api, CHAIN)
    body = {"filter": {"status": ["RUNNING", "PENDING", "RUNNING"]}}
    preview = (await api.send("POST", "/executions/bulk/cancel", body)).json()["data"]
    assert preview["sample"] == [execution_id]
    response = await api.send("POST", "/executions/bulk/cancel", {**body, "dry_run": False})
    assert response.status_code == 202, response.text
    assert api.store.states[-1]["filter"] == {"status": ["PENDING", "RUNNING"]}


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({}, "/filter"),
        ({"filter": {"status": "BORED"}}, "/filter/status"),
        ({"filter": {"status": ["FAILED", "BORED"]}}, "/filter/status"),
        ({"filter": {"status": []}}, "/filter/status"),
        ({"filter": {"status": [["FAILED"]]}}, "/filter/status"),
        ({"filter": {"status": 5}}, "/filter/status"),
        ({"filter": {"workflow_id": "x"}}, "/filter/workflow_id"),
        ({"filter": {"created_after": "2026-11-01T00:00:00"}}, "/filter/created_after"),
        ({"filter": {"created_after": 5}}, "/filter/created_after"),
        ({"filter": {"created_after": "0001-01-01T00:00:00+10:00"}}, "/filter/created_after"),
        ({"filter": {"state": "FAILED"}}, "/filter/state"),
        ({"filter": {}, "limit": 10_001}, "/limit"),
    ],
)
async def test_a_filter_that_is_not_understood_is_refused(
    api: Api, body: object, place: str
) -> None:
    response = await api.send("POST", "/executions/bulk/retry", body)
    assert [path for path, _ in problem(response, 422, "invalid")] == [place]


async def test_an_operation_is_cancelled_and_says_how_far_it_came(api: Api) -> None:
    await begun(api, CHAIN)
    body = {"filter": {}, "dry_run": False}
    accepted = (await api.send("POST", "/executions/bulk/retry", body)).json()["data"]
    path = f"/bulk-operations/{accepted['bulk_operation_id']}/cancel"
    for _ in range(2):
        response = await api.send("POST", path)
        assert response.status_code == 200, response.text
        assert response.json()["data"] == {
            "bulk_operation_id": accepted["bulk_operation_id"],
            "status": "CANCELLED",
            "done_count": 0,
            "refused_count": 0,
        }
    assert api.store.topics.count("bulk_operation.cancelled") == 1
