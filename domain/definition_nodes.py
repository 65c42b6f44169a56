"""One node and one edge of a definition, as they are read: what is not valid is noted as a mistake.

Fields and their defaults are in domain/definition_fields.py.
"""

from dataclasses import dataclass

from pydantic import ValidationError

from domain.definition_fields import CompensationFields, EdgeFields, NodeFields
from domain.definition_mistakes import Mistakes
from domain.expressions import shown
from domain.identifiers import Json, JsonObject
from domain.node_types import EffectfulNode
from domain.nodes.catalogue import NODE_TYPES, AnyNode
from domain.secret_references import reference_mistake

# Read apart from the fields that all nodes share.
APART = frozenset({"type", "config", "compensate"})
# A child that is to be waited for cannot be an undoing: it could need undoing itself.
NEVER_COMPENSATES = frozenset({"sub_workflow"})


@dataclass(frozen=True, slots=True)
class Edge:
    """port: None is the one without a name."""

    source: str
    target: str
    port: str | None


@dataclass(frozen=True, slots=True)
class Compensation:
    """What undoes a node that has completed."""

    type: str
    config: EffectfulNode
    fields: CompensationFields


@dataclass(frozen=True, slots=True)
class NodeDraft:
    """One entry of `nodes` as far as it could be read: what is None is a mistake that was noted.

    path: JSON pointer into the definition.
    """

    index: int
    path: str
    id: str
    type: str | None
    config: AnyNode | None
    fields: NodeFields | None
    compensation: Compensation | None


@dataclass(frozen=True, slots=True)
class EdgeDraft:
    path: str
    edge: Edge


def read_node(index: int, path: str, raw: Json, mistakes: Mistakes) -> NodeDraft | None:
    """None when it has no id by which edges and expressions could name it."""
    if not isinstance(raw, dict):
        mistakes.add(path, "invalid_node", "a node must be an object")
        return None
    node_type = _read_type(raw, path, mistakes)
    config = None
    if node_type is not None:
        config = _read_config(node_type, raw.get("config", {}), f"{path}/config", mistakes)
    fields = _read_fields(raw, path, mistakes)
    if config is not None and fields is not None and fields.repeatable is not None:
        _check_repeatable(config, f"{path}/repeatable", mistakes)
    compensation = None
    if "compensate" in raw:
        compensation = _read_compensation(config, raw["compensate"], f"{path}/compensate", mistakes)
    node_id = raw.get("id")
    if not isinstance(node_id, str) or not node_id:
        return None
    return NodeDraft(index, path, node_id, node_type, config, fields, compensation)


def read_edge(path: str, raw: Json, mistakes: Mistakes) -> EdgeDraft | None:
    if not isinstance(raw, dict):
        mistakes.add(path, "invalid_edge", "an edge must be an object")
        return None
    try:
        fields = EdgeFields.model_validate(raw)
    except ValidationError as refusal:
        mistakes.add_refusal(path, "invalid_edge", refusal)
        return None
    return EdgeDraft(path, Edge(fields.source, fields.target, fields.port))


def _read_type(raw: JsonObject, path: str, mistakes: Mistakes) -> str | None:
    node_type = raw.get("type")
    if isinstance(node_type, str) and node_type in NODE_TYPES:
        return node_type
    problem = (
        f"there is no node type `{shown(node_type)}`"
        if isinstance(node_type, str)
        else "a node needs a type"
    )
    known = ", ".join(sorted(NODE_TYPES))
    mistakes.add(f"{path}/type", "unknown_node_type", f"{problem}; there are {known}")
    return None


def _read_config(node_type: str, raw: Json, path: str, mistakes: Mistakes) -> AnyNode | None:
    try:
        config = NODE_TYPES[node_type].model_validate(raw)
    except ValidationError as refusal:
        mistakes.add_refusal(path, "invalid_config", refusal)
        return None
    _check_secrets(config, path, mistakes)
    return config


def _check_secrets(config: AnyNode, path: str, mistakes: Mistakes) -> None:
    """Whether there is such a secret is known only when it is used."""
    for place, raw in config.written_secrets():
        reason = reference_mistake(raw)
        if reason is not None:
            mistakes.add(f"{path}{place}", "invalid_secret", reason)
        elif config.secret_places is None or not config.secret_places.fullmatch(place):
            reason = "a secret may be used in headers, query, json and body of an http node only"
            mistakes.add(f"{path}{place}", "secret_not_here", reason)


def _read_fields(raw: JsonObject, path: str, mistakes: Mistakes) -> NodeFields | None:
    common = {key: value for key, value in raw.items() if key not in APART}
    is_complete = True
    if raw.get("id") in (None, ""):
        mistakes.add(f"{path}/id", "missing_id", "a node needs an id")
        common["id"] = "_"  # Its other fields are still worth looking at.
        is_complete = False
    try:
        fields = NodeFields.model_validate(common)
    except ValidationError as refusal:
        mistakes.add_refusal(path, "invalid_field", refusal)
        return None
    return fields if is_complete else None


def _check_repeatable(config: AnyNode, path: str, mistakes: Mistakes) -> None:
    if not isinstance(config, EffectfulNode):
        mistakes.add(path, "not_repeatable", "only a node with an effect can say so")
    elif not config.may_be_repeatable():
        reason = "what this node does costs money, or has a record of its own"
        mistakes.add(path, "not_repeatable", reason)


def _read_compensation(  # noqa: PLR0911 # one answer per mistake
    undone: AnyNode | None, raw: Json, path: str, mistakes: Mistakes
) -> Compensation | None:
    if undone is not None and not isinstance(undone, EffectfulNode):
        mistakes.add(path, "nothing_to_compensate", "this node has no effect that could be undone")
        return None
    if not isinstance(raw, dict):
        mistakes.add(path, "invalid_field", "a compensation must be an object")
        return None
    node_type = _read_type(raw, path, mistakes)
    if node_type is None:
        return None
    config = _read_config(node_type, raw.get("config", {}), f"{path}/config", mistakes)
    if config is not None and not isinstance(config, EffectfulNode):
        reason = f"a node of type {node_type} undoes nothing"
        mistakes.add(f"{path}/type", "not_a_compensation", reason)
        return None
    if node_type in NEVER_COMPENSATES:
        reason = f"a node of type {node_type} cannot compensate"
        mistakes.add(f"{path}/type", "not_a_compensation", reason)
        return None
    try:
        others = {key: value for key, value in raw.items() if key not in ("type", "config")}
        fields = CompensationFields.model_validate(others)
    except ValidationError as refusal:
        mistakes.add_refusal(path, "invalid_field", refusal)
        return None
    return None if config is None else Compensation(node_type, config, fields)
