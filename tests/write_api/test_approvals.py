"""POST /executions/{id}/approvals/{node_id}."""

from tests.commands.steps import a_chain
from tests.commands.test_approvals import FORM, an_approval
from tests.write_api.api import Api, problem
from tests.write_api.runs import begun, driven


async def test_an_approval_is_decided(api: Api) -> None:
    execution_id = await begun(api, an_approval(form_schema=FORM))
    await driven(api, execution_id)
    path = f"/executions/{execution_id}/approvals/ok"
    response = await api.send("POST", path, {"decision": "approve", "edits": {"amount": "x"}})
    assert problem(response, 422, "invalid") == [("/edits/amount", "form_mistake")]
    response = await api.send("POST", path, {"decision": "approve", "comment": "fine"})
    assert response.json()["data"] == {"execution_id": execution_id, "status": "RUNNING"}
    problem(await api.send("POST", path, {"decision": "reject"}), 409, "refused")


async def test_a_path_inside_of_a_body_is_url_encoded(api: Api) -> None:
    config = {"over": "{{ [1] }}", "body": an_approval()}
    execution_id = await begun(api, a_chain({"id": "map", "type": "map", "config": config}))
    await driven(api, execution_id)
    path = f"/executions/{execution_id}/approvals/map%5B0%5D%2Fok"
    response = await api.send("POST", path, {"decision": "reject"})
    assert response.status_code == 200, response.text
    assert api.store.states[-1]["path"] == "map[0]/ok"


async def test_what_does_not_wait_is_not_found(api: Api) -> None:
    execution_id = await begun(api, an_approval())
    for node_id in ("ok", "start", "x" * 900):
        path = f"/executions/{execution_id}/approvals/{node_id}"
        problem(await api.send("POST", path, {"decision": "reject"}), 404, "not_found")


async def test_somebody_who_was_not_asked_is_refused(api: Api) -> None:
    execution_id = await begun(api, an_approval(assignees=["user:ada"]))
    await driven(api, execution_id)
    path = f"/executions/{execution_id}/approvals/ok"
    problem(await api.send("POST", path, {"decision": "reject"}), 403, "forbidden")
