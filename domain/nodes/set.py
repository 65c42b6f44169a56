"""set: names values for the nodes after it."""

from domain.node_types import PureNode, Result, Scope
from domain.templates import ObjectField


class Set(PureNode):
    """Outputs `values`."""

    values: ObjectField

    def run(self, scope: Scope) -> Result:
        return Result(self.values.object(scope.roots, "/values"))
