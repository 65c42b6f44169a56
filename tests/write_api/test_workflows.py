"""POST /workflows, PATCH and DELETE /workflows/{id}, POST /workflows/{id}/execute."""

import pytest

from tests.write_api.api import Api, problem
from tests.write_api.bodies import WORKFLOW


async def test_a_workflow_is_created_revised_and_deleted(api: Api) -> None:
    created = await api.send("POST", "/workflows", WORKFLOW)
    assert created.status_code == 201
    data = created.json()["data"]
    path = f"/workflows/{data['workflow_id']}"
    revised = await api.send("PATCH", path, {"description": "Answers."})
    assert revised.json()["data"] == {**data, "workflow_version": 2, "version": 2}
    deleted = await api.send("DELETE", path)
    assert deleted.json()["data"] == {"workflow_id": data["workflow_id"], "is_deleted": True}
    assert api.store.topics == ["workflow.created", "workflow.revised", "workflow.deleted"]


async def test_an_execution_is_accepted(api: Api) -> None:
    workflow = await api.created("/workflows", WORKFLOW)
    response = await api.send(
        "POST", f"/workflows/{workflow['workflow_id']}/execute", {"input": {"question": "Why?"}}
    )
    assert response.status_code == 202
    assert api.waiter.asked == []
    assert api.store.states[-1]["input"] == {"question": "Why?"}


async def test_an_execution_that_ends_in_time_is_answered_with_its_result(api: Api) -> None:
    workflow = await api.created("/workflows", WORKFLOW)
    api.waiter.ended = {
        "status": "FAILED",
        "output": None,
        "error": {"code": "rate_limited", "message": "slow down", "path": "draft", "attempt": 1},
    }
    response = await api.send(
        "POST", f"/workflows/{workflow['workflow_id']}/execute?wait_s=30", {"input": {}}
    )
    assert response.status_code == 200
    data = response.json()["data"]
    assert (data["status"], data["error"]["path"]) == ("FAILED", "draft")
    assert response.json()["meta"]["position"] is not None


async def test_an_execution_that_does_not_end_in_time_is_accepted(api: Api) -> None:
    workflow = await api.created("/workflows", WORKFLOW)
    response = await api.send(
        "POST", f"/workflows/{workflow['workflow_id']}/execute?wait_s=1", {"input": {}}
    )
    assert response.status_code == 202
    assert api.waiter.asked == [(api.world.tenant_id, 1)]


@pytest.mark.parametrize("wait_s", ["-1", "31", "nan", "inf", "1_0", "%C3%A9", ""])
async def test_the_wait_has_bounds(api: Api, wait_s: str) -> None:
    workflow = await api.created("/workflows", WORKFLOW)
    response = await api.send(
        "POST", f"/workflows/{workflow['workflow_id']}/execute?wait_s={wait_s}", {"input": {}}
    )
    ((path, _),) = problem(response, 422, "invalid")
    assert path == "query:wait_s"
    assert api.store.topics == ["workflow.created"]


async def test_a_version_can_be_asked_for(api: Api) -> None:
    workflow = await api.created("/workflows", WORKFLOW)
    path = f"/workflows/{workflow['workflow_id']}"
    await api.send("PATCH", path, {"name": "Reply"})
    await api.created(f"{path}/execute", {"input": {}, "version": 1})
    assert api.store.states[-1]["workflow_version"] == 1
    problem(
        await api.send("POST", f"{path}/execute", {"input": {}, "version": 3}), 404, "not_found"
    )
    zero = await api.send("POST", f"{path}/execute", {"input": {}, "version": 0})
    assert problem(zero, 422, "invalid") == [("/version", "greater_than_equal")]
