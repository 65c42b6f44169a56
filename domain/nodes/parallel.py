"""parallel: where branches part that run at the same time."""

from typing import ClassVar

from domain.node_types import PureNode, Result, Scope


class Parallel(PureNode):
    """Takes every edge that leaves it. Outputs what its incoming node brought.

    Every node does that; this one says so to whoever reads the graph.
    """

    reads_incoming: ClassVar[bool] = True

    def run(self, scope: Scope) -> Result:
        if len(scope.incoming) == 1:
            return Result(next(iter(scope.incoming.values())))
        return Result(dict(scope.incoming))
