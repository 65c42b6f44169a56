"""end: the run completes when one is reached."""

from typing import ClassVar

from domain.node_types import PureNode, Result, Scope
from domain.templates import JsonField


class End(PureNode):
    """Its output is the output of the run: `output`, or else what its incoming nodes brought.

    One incoming node: its output as it is. Several: an object of them by node id.
    """

    reads_incoming: ClassVar[bool] = True

    output: JsonField | None = None

    def ports(self) -> frozenset[str | None]:
        return frozenset()

    def run(self, scope: Scope) -> Result:
        if "output" in self.model_fields_set:  # null is an output too.
            return Result(None if self.output is None else self.output.render(scope.roots))
        if len(scope.incoming) == 1:
            return Result(next(iter(scope.incoming.values())))
        return Result(dict(scope.incoming))
