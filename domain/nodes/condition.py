"""condition: goes one way or the other."""

from domain.expressions import ExpressionFailed, type_name
from domain.node_types import PureNode, Result, Scope
from domain.templates import ExpressionField


class Condition(PureNode):
    """Leaves by port `true` or `false`, as `expression` says. Outputs the boolean."""

    expression: ExpressionField

    def ports(self) -> frozenset[str | None]:
        return frozenset({"true", "false"})

    def run(self, scope: Scope) -> Result:
        answer = self.expression.evaluate(scope.roots)
        if not isinstance(answer, bool):
            reason = f"`{self.expression.text}` is {type_name(answer)}, not a boolean"
            raise ExpressionFailed(self.expression.place, reason)
        return Result(answer, ("true" if answer else "false",))
