"""switch: goes the first of several ways whose condition holds."""

from typing import Annotated, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from domain.expressions import ExpressionFailed, type_name
from domain.node_types import ERROR_PORT, NodeConfig, PureNode, Result, Scope
from domain.templates import ExpressionField

CASES_MAX = 100
PortName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_-]{0,63}$")]


class Case(NodeConfig):
    port: PortName
    when: ExpressionField


class Switch(PureNode):
    """Leaves by the port of the first case that holds, or by the port `default`, if there is one.

    Outputs the name of the port. Fails when no case holds and there is no default.
    """

    cases: Annotated[list[Case], Field(min_length=1, max_length=CASES_MAX)]
    default: PortName | None = None

    @model_validator(mode="after")
    def _keeps_the_error_port(self) -> Self:
        if ERROR_PORT in self.ports():
            raise PydanticCustomError("port", "no case may leave by the port `error`")
        return self

    def ports(self) -> frozenset[str | None]:
        named = [case.port for case in self.cases]
        return frozenset([*named, *([] if self.default is None else [self.default])])

    def run(self, scope: Scope) -> Result:
        for case in self.cases:
            answer = case.when.evaluate(scope.roots)
            if not isinstance(answer, bool):
                reason = f"`{case.when.text}` is {type_name(answer)}, not a boolean"
                raise ExpressionFailed(case.when.place, reason)
            if answer:
                return Result(case.port, (case.port,))
        if self.default is None:
            raise ExpressionFailed("/cases", "no case holds, and there is no default")
        return Result(self.default, (self.default,))
