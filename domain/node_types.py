"""What a node type is: the shape of its config, the ports its edges may leave by, and what it does
or asks for.

A node type is a pydantic model: its fields are the config, checked and compiled when the definition
is parsed; an instance is one configured node. There are four kinds:

    PureNode       answers at once (`run`)
    EffectfulNode  says what a worker is to do (`request`)
    WaitingNode    waits for a time, a message or a decision (`wait`, `timed_out`)
    BodyNode       runs a graph of its own, once or many times (`next_iterations`)

A node says which by its `kind`: to ask for its class takes ten times as long.

The catalogue is domain/nodes/catalogue.py.
"""

import re
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Annotated, Any, ClassVar, Literal, cast

from pydantic import BaseModel, ConfigDict, WithJsonSchema

from domain.expressions import Expression
from domain.identifiers import Json, JsonObject
from domain.records import record
from domain.secret_references import SecretReference, reference_at
from domain.templates import JsonTemplate, Roots, pointer_step
from domain.usage import Metered

ERROR_PORT = "error"


@record
class Scope:
    """What a node sees of its run. roots: the variables of expressions.

    incoming: by id, what the nodes brought whose edges to this one were taken; in the order of the
    edges, for types that read it. node_id: its own. path: of the node in its run.
    """

    roots: Roots
    incoming: Mapping[str, Json]
    node_id: str = ""
    path: str = ""


@record
class Result:
    """ports: the ports by which edges are taken; none are those without a name."""

    output: Json
    ports: tuple[str, ...] = ()


@record
class Usage:
    """What an attempt was billed. cost_usd_pico: None when nobody knows. metered: of one that was
    paid for; without it and without a cost, what it used is unknown.
    """

    model: str | None = None
    tokens_in: int = 0
    tokens_out: int = 0
    cost_usd_pico: int | None = 0
    metered: Metered | None = None

    @property
    def is_unknown(self) -> bool:
        return self.cost_usd_pico is None and self.metered is None

    def facts(self, *, workflow_id: str | None, created_by: str) -> JsonObject:
        """As the events of a node have it. workflow_id, created_by: of the run."""
        metered = self.metered
        return {
            "model": self.model,
            "tokens_in": self.tokens_in,
            "tokens_out": self.tokens_out,
            "cost_usd_pico": self.cost_usd_pico,
            "usage": metered and metered.fact(workflow_id=workflow_id, created_by=created_by),
        }


FREE = Usage()
UNBILLED = Usage(cost_usd_pico=None)


@dataclass(frozen=True, slots=True)
class Failure:
    """How an attempt, a wait or a node ended without an outcome.

    retry_after_s: what the other side asked for. usage: what was billed all the same.
    """

    code: str
    message: str
    is_retryable: bool = False
    retry_after_s: float | None = None
    usage: Usage = FREE


class NodeConfig(BaseModel):
    """A config or a part of one. An unknown field is refused, and no value is coerced."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    def expressions(self) -> Iterator[tuple[str, Expression]]:
        """Every expression, with its JSON pointer into the config."""
        for name, known in type(self).model_fields.items():
            yield from _expressions(getattr(self, name), f"/{pointer_step(known.alias or name)}")


class NodeType(NodeConfig):
    """The docstring of a node type is its description in the API."""

    is_pure: ClassVar[bool]
    # Whether it looks at what comes in by its edges, and not only at what its expressions name.
    reads_incoming: ClassVar[bool] = False
    # The roots that its own expressions see beside those of its place.
    own_roots: ClassVar[frozenset[str]] = frozenset()
    # The places of the config where a secret may be meant; no runner looks for one elsewhere.
    secret_places: ClassVar[re.Pattern[str] | None] = None

    def ports(self) -> frozenset[str | None]:
        """The ports that edges may leave by; None is the one without a name."""
        return frozenset({None})

    def written_secrets(self) -> Iterator[tuple[str, JsonObject]]:
        """Every reference to a secret as it is written, with its JSON pointer into the config."""
        for name, known in type(self).model_fields.items():
            value = getattr(self, name)
            if isinstance(value, JsonTemplate):
                for inner, raw in value.secrets:
                    yield f"/{pointer_step(known.alias or name)}{inner}", raw

    @cached_property
    def secrets(self) -> tuple[SecretReference, ...]:
        """Of a config without mistakes."""
        return tuple(reference_at(place, raw) for place, raw in self.written_secrets())

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

    kind: ClassVar[Literal["pure"]] = "pure"
    is_pure: ClassVar[bool] = True

    @abstractmethod
    def run(self, scope: Scope) -> Result:
        """Raises ExpressionFailed."""
        ...


class EffectfulNode(NodeType):
    """Done by a worker, in attempts; sagas/nodes has the runner under the same name."""

    kind: ClassVar[Literal["effect"]] = "effect"
    is_pure: ClassVar[bool] = False

    def ports(self) -> frozenset[str | None]:
        return frozenset({None, ERROR_PORT})

    def is_repeatable(self) -> bool:
        """Whether its effect is free and safe to repeat, so that its intent need not be stored."""
        return False

    def may_be_repeatable(self) -> bool:
        """Whether the author of a definition may say so."""
        return True

    @abstractmethod
    def request(self, scope: Scope) -> JsonObject:
        """The rendered config. Raises ExpressionFailed."""
        ...


@dataclass(frozen=True, slots=True)
class Wait:
    """What a node waits for. request: as it is recorded. until: when it waits no longer."""

    request: JsonObject
    until: datetime | None


class WaitingNode(NodeType):
    """Waits without a worker; what it waits for is in the log when it comes."""

    kind: ClassVar[Literal["wait"]] = "wait"
    is_pure: ClassVar[bool] = True

    def ports(self) -> frozenset[str | None]:
        return frozenset({None, ERROR_PORT})

    @abstractmethod
    def wait(self, scope: Scope, now: datetime) -> Wait:
        """Raises ExpressionFailed."""
        ...

    @abstractmethod
    def timed_out(self, now: datetime) -> Result | Failure:
        """What becomes of it when its time is over."""
        ...


@dataclass(frozen=True, slots=True)
class Iterations:
    """What is known of the iterations of a body.

    ended: how many. last: the newest output. results, errors: by index, where they are kept.
    bytes: of the results and errors that are kept.
    """

    ended: int = 0
    last: Json = None
    results: dict[int, Json] = field(default_factory=lambda: {})
    errors: dict[int, JsonObject] = field(default_factory=lambda: {})
    bytes: int = 0


@dataclass(frozen=True, slots=True)
class Iteration:
    """One run of a body. roots: what its expressions see beside the others. given: what its start
    outputs.
    """

    index: int
    roots: JsonObject
    given: Json


class BodyNode(NodeType):
    """Runs its body, a graph with a start and an end of its own.

    body: read apart, because its nodes are of this catalogue (domain/definitions.py).
    """

    kind: ClassVar[Literal["body"]] = "body"
    is_pure: ClassVar[bool] = True
    # The roots that expressions inside of the body see beside the others.
    body_roots: ClassVar[frozenset[str]]
    # Whether an iteration depends on the one before it.
    is_sequential: ClassVar[bool]

    body: Annotated[Any, WithJsonSchema({"type": "object", "required": ["nodes", "edges"]})]

    def ports(self) -> frozenset[str | None]:
        return frozenset({None, ERROR_PORT})

    @abstractmethod
    def next_iterations(
        self, scope: Scope, known: Iterations, memory: "dict[str, Json]"
    ) -> "Sequence[Iteration] | Result | Failure":
        """The iterations that may run now, or how the node ends. Raises ExpressionFailed.

        memory: of one run of the node in one process, for what is costly to find out again. What
        was told with this memory before need not be told again.
        """
        ...

    @abstractmethod
    def iteration(self, index: int, scope: Scope, known: Iterations) -> Iteration:
        """One that has begun and not ended. Raises ExpressionFailed."""
        ...

    def keeps_errors(self) -> bool:
        """Whether an iteration may fail without the node."""
        return False


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
