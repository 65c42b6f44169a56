"""POST /executions/{id}/cancel."""

from uuid import UUID

from domain.envelope import Envelope
from domain.executions import Execution
from tests.write_api.api import Api, problem
from tests.write_api.bodies import WORKFLOW


async def an_execution(api: Api) -> str:
    workflow = await api.created("/workflows", WORKFLOW)
    begun = await api.created(f"/workflows/{workflow['workflow_id']}/execute", {"input": {}})
    return str(begun["execution_id"])


async def test_an_execution_is_cancelled_with_and_without_a_reason(api: Api) -> None:
    for body in (None, {}, {"reason": "no longer needed"}):
        execution_id = await an_execution(api)
        response = await api.send("POST", f"/executions/{execution_id}/cancel", body)
        assert response.status_code == 200
        assert response.json()["data"] == {"execution_id": execution_id, "status": "CANCELLED"}
    assert api.store.states[-1]["reason"] == "no longer needed"


async def test_an_ended_execution_cannot_be_cancelled(api: Api) -> None:
    execution_id = await an_execution(api)
    execution = await api.store.load(Execution, UUID(execution_id), api.world.tenant_id)
    assert execution is not None
    execution.trigger_event(Execution.Completed, output=None)
    await api.store.append([execution], Envelope(api.world.tenant_id, "worker:1"))
    response = await api.send("POST", f"/executions/{execution_id}/cancel")
    problem(response, 409, "refused")
