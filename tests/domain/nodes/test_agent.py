"""agent asks for a turn of an agent, as the worker will find it recorded."""

from domain.identifiers import Json
from tests.domain.given import Run, a_run, advance, given

AGENT_ID = "01890000-0000-7000-8000-0000000000aa"


def asking(**config: Json) -> Run:
    nodes: list[dict[str, Json]] = [{"id": "ask", "type": "agent", "config": config}]
    given_input: Json = {"q": "Why?", "who": AGENT_ID}
    return given(a_run(nodes, ["start -> ask", "ask -> end"], given_input), advance())


def test_the_input_keeps_its_type_and_the_version_is_the_newest_unless_asked_for() -> None:
    (attempt,) = asking(agent_id=AGENT_ID, input={"q": "{{ input.q }}"}).answer
    assert attempt.request == {"agent_id": AGENT_ID, "input": {"q": "Why?"}}
    (attempt,) = asking(agent_id=AGENT_ID, version=2, input="{{ input }}").answer
    assert attempt.request["version"] == 2


def test_the_agent_may_come_from_an_expression() -> None:
    (attempt,) = asking(agent_id="{{ input.who }}", input=1).answer
    assert attempt.request["agent_id"] == AGENT_ID


def test_an_expression_that_names_no_agent_fails_the_run() -> None:
    run = asking(agent_id="{{ input.q }}", input=1)
    assert run.aggregate.nodes["ask"].error == {
        "code": "expression_failed",
        "message": "/agent_id: `Why?` is not the id of an agent",
        "attempt": 1,
    }
