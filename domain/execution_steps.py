"""One step of a run: all that can be done at once, up to where a worker must take over."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias
from uuid import UUID

from domain.attempts import Attempt, Failure, request_of, result_of
from domain.definitions import Definition, Node
from domain.execution_frontier import Frontier
from domain.identifiers import JsonObject
from domain.node_runs import NodeRuns
from domain.node_types import EffectfulNode, PureNode, Result

# (how it ended, path, node type, attempt): records it, which changes the node runs.
Record: TypeAlias = Callable[[Result | Failure, str, str, int], None]


@dataclass(frozen=True, slots=True)
class Step:
    """roots: the variables of expressions that are the same for every node."""

    execution_id: UUID
    runs: NodeRuns
    roots: JsonObject
    record: Record

    def take(self, definition: Definition, frontier: Frontier, now: datetime) -> list[Attempt]:
        """Run pure nodes until none is ready; what a worker is to attempt then.

        It ends early, and what it returns is void, when the frontier has ended or failed.
        """
        attempts: list[Attempt] = []
        for path in [path for path, when in self.runs.waiting.items() if when <= now]:
            attempts += self._prepare(definition.nodes[path])
        while True:
            frontier.follow(self.runs.decided, self.runs.by_path)
            if frontier.failed is not None or frontier.ended is not None:
                return attempts
            node = frontier.next_ready(self.runs.by_path)
            if node is None:
                return attempts
            if isinstance(node.config, PureNode):
                outcome = result_of(node.config, self.runs.scope_of(node, self.roots))
                self.record(outcome, node.id, node.type, 1)
            else:
                attempts += self._prepare(node)

    def _prepare(self, node: Node) -> list[Attempt]:
        """The next attempt at a node; none when its config cannot be rendered, which is final."""
        assert isinstance(node.config, EffectfulNode)
        before = self.runs.get(node.id)
        number = before.attempt + 1
        request = request_of(node.config, self.runs.scope_of(node, self.roots))
        if isinstance(request, Failure):
            self.record(request, node.id, node.type, number)
            return []
        key = before.key_to_repeat() or f"{self.execution_id}:{node.id}:{number}"
        return [Attempt(node.id, node.type, number, request, node.timeout_s, key)]
