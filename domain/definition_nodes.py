"""One node and one edge of a definition: their fields, with every default they have.

Defaults are part of the stored format, for a definition is stored as it was written: they never
change.
"""

from dataclasses import dataclass
from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, ValidationError
from pydantic_core import PydanticCustomError

from domain.definition_mistakes import Mistakes
from domain.expressions import shown
from domain.identifiers import Json, JsonObject
from domain.node_types import EffectfulNode, PureNode
from domain.nodes.catalogue import NODE_TYPES

TIMEOUT_S_DEFAULT = 60.0
TIMEOUT_S_MAX = 3600.0
ATTEMPTS_MAX = 100
BACKOFF_S_MAX = 86_400.0
MULTIPLIER_MAX = 100.0
NAME_CHARACTERS_MAX = 200
# Read apart from the fields that all nodes share.
APART = frozenset({"type", "config", "compensate"})
ID_PATTERN = r"^[A-Za-z0-9_][A-Za-z0-9_-]{0,63}$"

STRICT = ConfigDict(extra="forbid", strict=True, frozen=True)

OnUnknown: TypeAlias = Literal["retry", "fail"]


class RetryPolicy(BaseModel):
    """max_attempts: the first one included."""

    model_config = STRICT

    max_attempts: Annotated[int, Field(ge=1, le=ATTEMPTS_MAX)] = 3
    initial_backoff_s: Annotated[float, Field(ge=0, le=BACKOFF_S_MAX)] = 1.0
    multiplier: Annotated[float, Field(ge=1, le=MULTIPLIER_MAX)] = 2.0
    max_backoff_s: Annotated[float, Field(ge=0, le=BACKOFF_S_MAX)] = 30.0

    def backoff_s(self, attempt: int) -> float:
        """How long to wait after this attempt failed, 1-based."""
        return min(self.max_backoff_s, self.initial_backoff_s * self.multiplier ** (attempt - 1))


NO_RETRY = RetryPolicy(max_attempts=1)


class Position(BaseModel):
    """Where an editor draws the node."""

    model_config = STRICT

    x: Annotated[float, Field(allow_inf_nan=False)]
    y: Annotated[float, Field(allow_inf_nan=False)]


def _needed(join: object) -> int | None:
    match join:
        case "all":
            return None
        case "any":
            return 1
        case {"count": int(count)} if count >= 1 and count is not True and join == {"count": count}:
            return count
        case _:
            raise PydanticCustomError("join", 'must be "all", "any" or {"count": n} with n >= 1')


class NodeFields(BaseModel):
    """What every node may have beside its type and config.

    needed: how many taken edges it waits for, from `join`; None waits until every edge is decided.
    """

    model_config = STRICT

    id: Annotated[str, Field(pattern=ID_PATTERN)]
    timeout_s: Annotated[float, Field(gt=0, le=TIMEOUT_S_MAX)] = TIMEOUT_S_DEFAULT
    retry: RetryPolicy = NO_RETRY
    on_unknown: OnUnknown = "retry"
    needed: Annotated[int | None, Field(alias="join"), PlainValidator(_needed)] = None
    name: Annotated[str, Field(max_length=NAME_CHARACTERS_MAX)] | None = None
    position: Position | None = None


class EdgeFields(BaseModel):
    model_config = STRICT

    source: Annotated[str, Field(alias="from")]
    target: Annotated[str, Field(alias="to")]
    port: str | None = None


@dataclass(frozen=True, slots=True)
class Edge:
    """port: None is the one without a name."""

    source: str
    target: str
    port: str | None


@dataclass(frozen=True, slots=True)
class NodeDraft:
    """One entry of `nodes` as far as it could be read: what is None is a mistake that was noted."""

    index: int
    id: str
    type: str | None
    config: PureNode | EffectfulNode | None
    fields: NodeFields | None

    @property
    def path(self) -> str:
        return f"/nodes/{self.index}"


@dataclass(frozen=True, slots=True)
class EdgeDraft:
    index: int
    edge: Edge

    @property
    def path(self) -> str:
        return f"/edges/{self.index}"


def read_node(index: int, raw: Json, mistakes: Mistakes) -> NodeDraft | None:
    """None when it has no id by which edges and expressions could name it."""
    path = f"/nodes/{index}"
    if not isinstance(raw, dict):
        mistakes.add(path, "invalid_node", "a node must be an object")
        return None
    node_type = _read_type(raw, path, mistakes)
    config = None
    if node_type is not None:
        config = _read_config(node_type, raw.get("config", {}), f"{path}/config", mistakes)
    fields = _read_fields(raw, path, mistakes)
    node_id = raw.get("id")
    if not isinstance(node_id, str) or not node_id:
        return None
    return NodeDraft(index, node_id, node_type, config, fields)


def read_edge(index: int, raw: Json, mistakes: Mistakes) -> EdgeDraft | None:
    path = f"/edges/{index}"
    if not isinstance(raw, dict):
        mistakes.add(path, "invalid_edge", "an edge must be an object")
        return None
    try:
        fields = EdgeFields.model_validate(raw)
    except ValidationError as refusal:
        mistakes.add_refusal(path, "invalid_edge", refusal)
        return None
    return EdgeDraft(index, Edge(fields.source, fields.target, fields.port))


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


def _read_config(
    node_type: str, raw: Json, path: str, mistakes: Mistakes
) -> PureNode | EffectfulNode | None:
    try:
        return NODE_TYPES[node_type].model_validate(raw)
    except ValidationError as refusal:
        mistakes.add_refusal(path, "invalid_config", refusal)
        return None


def _read_fields(raw: JsonObject, path: str, mistakes: Mistakes) -> NodeFields | None:
    common = {key: value for key, value in raw.items() if key not in APART}
    is_complete = True
    if raw.get("id") in (None, ""):
        mistakes.add(f"{path}/id", "missing_id", "a node needs an id")
        common["id"] = "_"  # Its other fields are still worth looking at.
        is_complete = False
    if "compensate" in raw:
        mistakes.add(f"{path}/compensate", "not_supported", "compensation is not available yet")
        is_complete = False
    if common.get("on_unknown") == "ask":
        reason = "nobody can be asked yet; choose retry or fail"
        mistakes.add(f"{path}/on_unknown", "not_supported", reason)
        common["on_unknown"] = "fail"
        is_complete = False
    try:
        fields = NodeFields.model_validate(common)
    except ValidationError as refusal:
        mistakes.add_refusal(path, "invalid_field", refusal)
        return None
    return fields if is_complete else None
