"""Parts: the agents and workflows that a definition names to run them. An id that is worked out in
the run is not known here, and is asked about when its node runs.
"""

from collections.abc import Iterator
from typing import Literal, NamedTuple
from uuid import UUID

from domain.identifiers import Json, JsonObject

PartKind = Literal["agent", "workflow"]

# The type of node that runs it, and the field of its config that names it.
NAMING: dict[str, tuple[PartKind, str]] = {
    "agent": ("agent", "agent_id"),
    "sub_workflow": ("workflow", "workflow_id"),
}


class NamedPart(NamedTuple):
    """path: a JSON pointer into the definition, to the field that names it."""

    path: str
    kind: PartKind
    part_id: UUID


def named_parts(canonical: JsonObject) -> tuple[NamedPart, ...]:
    """canonical: of a definition, already validated. In its order, with those of bodies and of what
    undoes.
    """
    return tuple(_in_graph(canonical, ""))


def _in_graph(graph: JsonObject, place: str) -> Iterator[NamedPart]:
    nodes = graph.get("nodes")
    for number, node in enumerate(nodes if isinstance(nodes, list) else ()):
        yield from _in_node(node, f"{place}/nodes/{number}")


def _in_node(node: Json, place: str) -> Iterator[NamedPart]:
    if not isinstance(node, dict):
        return
    config = node.get("config")
    if isinstance(config, dict):
        if node.get("type") in NAMING:
            kind, field = NAMING[str(node["type"])]
            part_id = _constant_id(config.get(field))
            if part_id is not None:
                yield NamedPart(f"{place}/config/{field}", kind, part_id)
        body = config.get("body")
        if isinstance(body, dict):
            yield from _in_graph(body, f"{place}/config/body")
    yield from _in_node(node.get("compensate"), f"{place}/compensate")


def _constant_id(text: Json) -> UUID | None:
    try:
        return UUID(str(text))
    except ValueError:
        return None
