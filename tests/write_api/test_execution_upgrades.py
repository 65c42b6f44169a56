"""POST /executions/{id}/upgrade."""

from tests.commands.steps import a_chain, an_llm
from tests.write_api.api import Api, problem
from tests.write_api.runs import begun, driven

DELAY = {"id": "wait", "type": "delay", "config": {"duration_s": 60}}


async def revised(api: Api, execution_id: str, definition: object) -> None:
    execution = await driven(api, execution_id)
    path = f"/workflows/{execution.workflow_id}"
    assert (await api.send("PATCH", path, {"definition": definition})).status_code == 200


async def test_an_execution_is_moved_to_another_version(api: Api) -> None:
    execution_id = await begun(api, a_chain(DELAY))
    await revised(api, execution_id, a_chain(DELAY, an_llm("more")))
    response = await api.send("POST", f"/executions/{execution_id}/upgrade", {"version": 2})
    assert response.status_code == 200, response.text
    told = response.json()["data"]
    assert (told["workflow_version"], told["status"]) == (2, "WAITING")
    assert told["definition_hash"] == api.store.states[-1]["definition_hash"]


async def test_a_version_that_does_not_fit_is_refused_with_the_reasons(api: Api) -> None:
    execution_id = await begun(api, a_chain(DELAY))
    await revised(api, execution_id, a_chain(an_llm("before")))
    response = await api.send("POST", f"/executions/{execution_id}/upgrade", {"version": 2})
    problem(response, 409, "not_compatible")
    assert "there is no node `wait`" in response.json()["detail"]
