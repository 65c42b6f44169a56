"""POST and DELETE /workflow-templates, POST /workflows/{id}/copy."""

from typing import Any

from tests.write_api.api import OPERATOR_KEY, Api, problem
from write_api.workflows import EXAMPLE

OPERATOR = {"X-Operator-Key": OPERATOR_KEY}


async def published(api: Api) -> str:
    response = await api.send("POST", "/workflow-templates", EXAMPLE, headers=OPERATOR)
    assert response.status_code == 201
    return str(response.json()["data"]["workflow_id"])


async def test_a_template_is_published_copied_and_withdrawn(api: Api) -> None:
    path = f"/workflow-templates/{await published(api)}"
    copy = path.replace("/workflow-templates/", "/workflows/") + "/copy"
    response = await api.send("POST", copy, {"name": "Mine"})
    assert response.status_code == 201
    assert response.json()["data"]["workflow_version"] == 1
    withdrawn = await api.send("DELETE", path, headers=OPERATOR)
    assert withdrawn.json()["data"]["is_deleted"] is True
    problem(await api.send("DELETE", path, headers=OPERATOR), 404, "not_found")
    problem(await api.send("POST", copy, {"name": "Mine"}), 404, "not_found")


async def test_a_tenant_publishes_and_withdraws_nothing(api: Api) -> None:
    problem(await api.send("POST", "/workflow-templates", EXAMPLE), 403, "forbidden")
    path = f"/workflow-templates/{await published(api)}"
    problem(await api.send("DELETE", path), 403, "forbidden")


async def test_a_definition_that_is_wrong_is_told_where(api: Api) -> None:
    body: dict[str, Any] = {**EXAMPLE, "definition": {"nodes": [], "edges": []}}
    response = await api.send("POST", "/workflow-templates", body, headers=OPERATOR)
    mistakes = problem(response, 422, "invalid_definition")
    assert mistakes
    assert all(path.startswith("/definition") for path, _ in mistakes)


async def test_a_copy_needs_a_name_and_takes_no_definition(api: Api) -> None:
    path = f"/workflows/{await published(api)}/copy"
    response = await api.send("POST", path, {"definition": {}})
    assert {path for path, _ in problem(response, 422, "invalid")} == {"/name", "/definition"}
