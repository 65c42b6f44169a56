"""Definition: a workflow as data. Parsed and checked whole, then named by the hash of its canonical
text.

A stored definition outlives programs: an execution pins its hash, and whoever drives the run parses
it again.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

import orjson
from pydantic import BaseModel, Field, ValidationError

from domain.call_limits import CALLS_AT_ONCE_MAX
from domain.definition_fields import DEADLINE_S_MAX, ID_PATTERN, STRICT
from domain.definition_mistakes import Mistakes
from domain.errors import FieldError, Invalid
from domain.expressions import shown
from domain.flows import Flow, Node, Surroundings, read_flow
from domain.identifiers import Json, JsonObject
from domain.parts import NamedPart, named_parts

MAX_DEFINITION_BYTES = 256 * 1024
MAX_DEPTH = 100


class InvalidDefinition(Invalid):
    """The definition of this workflow is not valid."""

    code = "invalid_definition"


class DefinitionFields(BaseModel):
    """What a definition may have beside its nodes and edges.

    timeout_s: of the whole run. on_error: the node where a run goes on when another one failed for
    good and has no edge for that. concurrent_calls: of models and requests of all runs of the
    workflow, over all workers.
    """

    model_config = STRICT

    timeout_s: Annotated[float, Field(gt=0, le=DEADLINE_S_MAX)] | None = None
    on_error: Annotated[str, Field(pattern=ID_PATTERN)] | None = None
    concurrent_calls: Annotated[int, Field(ge=1, le=CALLS_AT_ONCE_MAX)] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Definition:
    """canonical: the definition as it was written, with sorted keys. hash: SHA-256 of the canonical
    text, in hex. timeout_s, on_error, concurrent_calls: see DefinitionFields. parts: what it
    names to run; named: their ids.
    """

    canonical: JsonObject
    hash: str
    flow: Flow
    timeout_s: float | None
    on_error: str | None
    concurrent_calls: int | None
    parts: tuple[NamedPart, ...]
    named: frozenset[UUID]

    @property
    def nodes(self) -> Mapping[str, Node]:
        """Of the outermost flow."""
        return self.flow.nodes

    def node(self, path: str) -> Node | None:
        """The node of a path in a run, such as `map[3]/draft`."""
        flow: Flow | None = self.flow
        node: Node | None = None
        for step in path.split("/"):
            node = None if flow is None else flow.nodes.get(step.partition("[")[0])
            if node is None:
                return None
            flow = node.body
        return node


def parse_definition(raw: Json) -> Definition:
    """Raises InvalidDefinition with all mistakes; their paths are JSON pointers into `raw`."""
    text = _canonical_text(raw)
    canonical: Json = orjson.loads(text)
    mistakes = Mistakes()
    if not isinstance(canonical, dict):
        mistakes.add("", "invalid_definition", "a definition must be an object of nodes and edges")
        raise InvalidDefinition(errors=mistakes.errors)
    fields = _read_fields(canonical, mistakes)
    flow = read_flow(canonical, Surroundings(), mistakes, on_error=fields.on_error)
    if fields.on_error is not None:
        _check_handler(canonical, flow, fields.on_error, mistakes)
    if mistakes.errors or flow is None:
        raise InvalidDefinition(errors=mistakes.errors)
    definition_hash = hashlib.sha256(text).hexdigest()
    parts = named_parts(canonical)
    return Definition(
        canonical,
        definition_hash,
        flow,
        fields.timeout_s,
        fields.on_error,
        fields.concurrent_calls,
        parts,
        frozenset(part.part_id for part in parts),
    )


def single_node_definition(agent_id: str, agent_version: int | None = None) -> Definition:
    """One turn of an agent: what POST /agents/{id}/execute runs."""
    config: JsonObject = {"agent_id": agent_id, "input": "{{ input }}"}
    if agent_version is not None:
        config["version"] = agent_version
    return parse_definition(
        {
            "nodes": [
                {"id": "start", "type": "start"},
                {"id": "agent", "type": "agent", "config": config},
                {"id": "end", "type": "end"},
            ],
            "edges": [{"from": "start", "to": "agent"}, {"from": "agent", "to": "end"}],
        }
    )


def _read_fields(canonical: JsonObject, mistakes: Mistakes) -> DefinitionFields:
    others = {key: value for key, value in canonical.items() if key not in ("nodes", "edges")}
    try:
        return DefinitionFields.model_validate(others)
    except ValidationError as refusal:
        mistakes.add_refusal("", "invalid_field", refusal)
        return DefinitionFields()


def _check_handler(
    canonical: JsonObject, flow: Flow | None, on_error: str, mistakes: Mistakes
) -> None:
    """A wrong name is told whatever else is wrong, for it makes its node look lost."""
    nodes = canonical.get("nodes")
    ids = (
        [node.get("id") for node in nodes if isinstance(node, dict)]
        if isinstance(nodes, list)
        else []
    )
    if on_error not in ids:
        mistakes.add("/on_error", "unknown_node", f"there is no node `{shown(on_error)}`")
    elif flow is not None and (flow.nodes[on_error].incoming or on_error == flow.start):
        reason = f"`{on_error}` handles errors, so no edge may lead to it"
        mistakes.add("/on_error", "invalid_handler", reason)


def _canonical_text(raw: Json) -> bytes:
    try:
        text = orjson.dumps(raw, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError as error:
        raise _refused("not_json", f"the definition is not JSON: {error}") from None
    if len(text) > MAX_DEFINITION_BYTES:
        reason = f"the definition is {len(text)} bytes long, more than {MAX_DEFINITION_BYTES}"
        raise _refused("definition_too_large", reason)
    if _depth(raw) > MAX_DEPTH:
        raise _refused("too_deep", f"the definition nests deeper than {MAX_DEPTH} levels")
    return text


def _refused(code: str, reason: str) -> InvalidDefinition:
    return InvalidDefinition(errors=[FieldError("", code, reason)])


def _depth(raw: Json) -> int:
    depth = 0
    level = [raw]
    while level:
        depth += 1
        containers = [value for value in level if isinstance(value, dict | list)]
        level = [
            child
            for value in containers
            for child in (value.values() if isinstance(value, dict) else value)
        ]
    return depth
