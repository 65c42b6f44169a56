"""What a node type is: the shape of its config, the ports its edges may leave by, and what it does
or asks for.

A node type is a pydantic model: its fields are the config, checked and compiled when the definition
is parsed; an instance is one configured node. Pure types answer at once (`run`); effectful ones say
what a worker is to do (`request`), which is recorded before it is done. The catalogue is
domain/nodes/catalogue.py.
"""

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, cast

from pydantic import BaseModel, ConfigDict

from domain.expressions import Expression
from domain.identifiers import Json, JsonObject
from domain.templates import JsonTemplate, Roots, pointer_step

ERROR_PORT = "error"


@dataclass(frozen=True, slots=True)
class Scope:
    """What a node sees of its run. roots: the variables of expressions.

    incoming: by id, what the nodes brought whose edges to this one were taken; in the order of the
    edges.
    """

    roots: Roots
    incoming: Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class Result:
    """ports: the ports by which edges are taken; none are those without a name."""

    output: Json
    ports: tuple[str, ...] = ()


class NodeConfig(BaseModel):
    """A config or a part of one. An unknown field is refused, and no value is coerced."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    def expressions(self) -> Iterator[tuple[str, Expression]]:
        """Every expression, with its JSON pointer into the config."""
        for name, field in type(self).model_fields.items():
            yield from _expressions(getattr(self, name), f"/{pointer_step(field.alias or name)}")


class NodeType(NodeConfig):
    """The docstring of a node type is its description in the API."""

    is_pure: ClassVar[bool]

    def ports(self) -> frozenset[str | None]:
        """The ports that edges may leave by; None is the one without a name."""
        return frozenset({None})

    def model_post_init(self, context: Any, /) -> None:
        """Tell the expressions where they are, for the messages of a run."""
        del context
        for place, expression in self.expressions():
            expression.place = place

    @classmethod
    def config_schema(cls) -> JsonObject:
        """The JSON Schema of the config."""
        return cls.model_json_schema()


class PureNode(NodeType):
    """Depends on its config and its scope alone, costs nothing and is done at once."""

    is_pure: ClassVar[bool] = True

    @abstractmethod
    def run(self, scope: Scope) -> Result:
        """Raises ExpressionFailed."""
        ...


class EffectfulNode(NodeType):
    """Done by a worker, in attempts; sagas/nodes has the runner under the same name."""

    is_pure: ClassVar[bool] = False

    def ports(self) -> frozenset[str | None]:
        return frozenset({None, ERROR_PORT})

    def is_repeatable(self) -> bool:
        """Whether doing it again changes nothing, so that an unknown outcome needs no decision."""
        return False

    @abstractmethod
    def request(self, scope: Scope) -> JsonObject:
        """The rendered config. Raises ExpressionFailed."""
        ...


def _expressions(value: object, place: str) -> Iterator[tuple[str, Expression]]:
    match value:
        case Expression():
            yield place, value
        case JsonTemplate():
            for inner, expression in value.expressions:
                yield f"{place}{inner}", expression
        case NodeConfig():
            for inner, expression in value.expressions():
                yield f"{place}{inner}", expression
        case list():
            for index, element in enumerate(cast("list[object]", value)):
                yield from _expressions(element, f"{place}/{index}")
        case _:
            pass
