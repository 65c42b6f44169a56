"""POST /executions/{id}/pause, /resume, /retry, /compensate and /resolve."""

import pytest

from tests.commands.steps import UNDO, a_chain, an_llm, done, refused
from tests.write_api.api import Api, problem
from tests.write_api.runs import begun, driven

CHAIN = a_chain(an_llm("a", compensate=UNDO), an_llm("b"))


async def told(api: Api, execution_id: str, action: str, body: object = None) -> str:
    response = await api.send("POST", f"/executions/{execution_id}/{action}", body)
    assert response.status_code == 200, response.text
    assert response.json()["data"]["execution_id"] == execution_id
    return response.json()["data"]["status"]


async def test_an_execution_is_paused_and_resumed(api: Api) -> None:
    execution_id = await begun(api, CHAIN)
    await driven(api, execution_id)
    assert await told(api, execution_id, "pause") == "PAUSED"
    assert await told(api, execution_id, "pause") == "PAUSED"
    assert await told(api, execution_id, "resume") == "RUNNING"
    problem(await api.send("POST", f"/executions/{execution_id}/resume"), 409, "refused")


async def test_a_failed_execution_is_retried(api: Api) -> None:
    execution_id = await begun(api, a_chain(an_llm("a")))
    await driven(api, execution_id, refused("a"))
    assert await told(api, execution_id, "retry") == "RUNNING"


async def test_an_ended_execution_is_undone(api: Api) -> None:
    execution_id = await begun(api, CHAIN)
    await driven(api, execution_id, done)
    assert await told(api, execution_id, "compensate") == "COMPENSATING"


async def test_cancelling_may_undo(api: Api) -> None:
    execution_id = await begun(api, CHAIN)
    await driven(api, execution_id)
    assert await told(api, execution_id, "cancel", {"compensate": True}) == "COMPENSATING"


async def test_a_compensation_that_failed_is_resolved(api: Api) -> None:
    execution_id = await begun(api, CHAIN)
    await driven(api, execution_id, done)
    await told(api, execution_id, "compensate")
    await driven(api, execution_id, refused("a/compensate"))
    body = {"node_id": "a", "outcome": "done", "output": {"receipt": 1}}
    assert await told(api, execution_id, "resolve", body) == "COMPENSATING"
    assert (await driven(api, execution_id, done)).status == "COMPENSATED"


async def test_an_outcome_is_one_of_three(api: Api) -> None:
    execution_id = await begun(api, CHAIN)
    body = {"node_id": "a", "outcome": "ignore"}
    response = await api.send("POST", f"/executions/{execution_id}/resolve", body)
    assert problem(response, 422, "invalid") == [("/outcome", "literal_error")]


@pytest.mark.parametrize("action", ["pause", "resume", "retry", "compensate"])
async def test_an_unknown_execution_is_not_found(api: Api, action: str) -> None:
    response = await api.send("POST", f"/executions/{api.world.ids.new()}/{action}")
    problem(response, 404, "not_found")
