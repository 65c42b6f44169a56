"""What a definition names to run it."""

from uuid import UUID

from domain.definitions import parse_definition
from domain.identifiers import JsonObject
from domain.parts import NamedPart
from tests.domain.given import a_graph, a_map, a_node, an_llm

AGENT, CHILD, UNDO = (UUID(int=number) for number in (1, 2, 3))


def an_agent_node(node_id: str, agent_id: str) -> JsonObject:
    return a_node("agent", node_id, agent_id=agent_id, input="{{ input }}")


def test_parts_are_named_in_bodies_and_in_what_undoes_too() -> None:
    graph = a_graph(
        [
            a_map(
                "each",
                [a_node("sub_workflow", "child", workflow_id=str(CHILD), input={})],
                ["start -> child", "child -> end"],
            ),
            an_agent_node("first", str(AGENT)),
            an_llm(
                "book",
                compensate={"type": "agent", "config": {"agent_id": str(UNDO), "input": "x"}},
            ),
            an_agent_node("asked", "{{ input.agent_id }}"),
        ],
        [
            "start -> each",
            "each -> first",
            "first -> book",
            "book -> asked",
            "asked -> end",
        ],
    )
    definition = parse_definition(graph)
    # a_graph puts start and end before its nodes.
    assert definition.parts == (
        NamedPart("/nodes/2/config/body/nodes/2/config/workflow_id", "workflow", CHILD),
        NamedPart("/nodes/3/config/agent_id", "agent", AGENT),
        NamedPart("/nodes/4/compensate/config/agent_id", "agent", UNDO),
    )
    assert definition.named == {CHILD, AGENT, UNDO}
