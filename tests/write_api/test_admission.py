"""An execution that is not admitted is refused with 429, and the client told when to try again."""

import pytest

from commands.admission_port import EngineBehind, TooManyOpenExecutions
from domain.errors import OverLimit
from tests.write_api.api import Api, problem
from tests.write_api.bodies import AGENT, WORKFLOW

REFUSALS = [
    (TooManyOpenExecutions(retry_after_s=5), "too_many_open_executions"),
    (EngineBehind(retry_after_s=10), "engine_behind"),
]


@pytest.mark.parametrize(("refusal", "code"), REFUSALS)
async def test_a_workflow_is_not_run_while_nothing_is_admitted(
    api: Api, refusal: OverLimit, code: str
) -> None:
    workflow = await api.created("/workflows", WORKFLOW)
    api.world.admission.refusal = refusal
    response = await api.send(
        "POST", f"/workflows/{workflow['workflow_id']}/execute", {"input": {}}
    )
    problem(response, 429, code)
    assert int(response.headers["Retry-After"]) == refusal.retry_after_s


async def test_an_agent_is_not_run_while_nothing_is_admitted(api: Api) -> None:
    agent = await api.created("/agents", AGENT)
    api.world.admission.refusal = EngineBehind(retry_after_s=10)
    response = await api.send("POST", f"/agents/{agent['agent_id']}/execute", {"input": "Hello"})
    problem(response, 429, "engine_behind")


async def test_what_begins_no_execution_needs_no_admission(api: Api) -> None:
    api.world.admission.refusal = EngineBehind(retry_after_s=10)
    await api.created("/workflows", WORKFLOW)
    await api.created("/agents", AGENT)
    assert api.world.admission.asked == []
