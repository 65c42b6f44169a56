"""merge: where branches meet."""

from typing import ClassVar

from domain.node_types import PureNode, Result, Scope


class Merge(PureNode):
    """Outputs the list of what the branches brought that were taken, in the order of the edges.

    It waits as its `join` says: for all of them, for any, or for a count.
    """

    reads_incoming: ClassVar[bool] = True

    def run(self, scope: Scope) -> Result:
        return Result(list(scope.incoming.values()))
