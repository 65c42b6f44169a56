"""start: where a run begins."""

from domain.node_types import PureNode, Result, Scope


class Start(PureNode):
    """Outputs the input of the run."""

    def run(self, scope: Scope) -> Result:
        return Result(scope.roots["input"])
