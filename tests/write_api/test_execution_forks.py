"""POST /executions/{id}/fork."""

from tests.commands.steps import a_chain, an_llm, done
from tests.write_api.api import Api, problem
from tests.write_api.runs import begun, driven

CHAIN = a_chain(an_llm("a"), an_llm("b"))


async def test_a_fork_is_accepted_as_a_new_execution(api: Api) -> None:
    execution_id = await begun(api, CHAIN, {"n": 1})
    await driven(api, execution_id, done)
    for body, given in (
        ({"from_node": "b"}, {"n": 1}),
        ({"from_node": "b", "input": None}, None),
        ({"from_node": "b", "input": 2, "version": 1}, 2),
    ):
        response = await api.send("POST", f"/executions/{execution_id}/fork", body)
        assert response.status_code == 202, response.text
        assert response.json()["data"]["execution_id"] != execution_id
        assert response.json()["data"]["status"] == "PENDING"
        assert api.store.states[-3]["input"] == given


async def test_a_caller_may_wait_for_the_end_of_a_fork(api: Api) -> None:
    execution_id = await begun(api, CHAIN)
    api.waiter.ended = {"status": "COMPLETED", "output": 1, "error": None}
    path = f"/executions/{execution_id}/fork?wait_s=5"
    response = await api.send("POST", path, {"from_node": "a"})
    assert (response.status_code, response.json()["data"]["output"]) == (200, 1)


async def test_an_unknown_node_is_a_mistake_of_the_request(api: Api) -> None:
    execution_id = await begun(api, CHAIN)
    response = await api.send("POST", f"/executions/{execution_id}/fork", {"from_node": "z"})
    assert problem(response, 422, "invalid") == [("/from_node", "unknown_node")]
