"""What the edges into a node say when only the outcomes count: it may run, it never will, or it
waits.

The same rule as in domain/execution_frontier.py, which counts edges as they are decided; here
nothing runs, and every edge is looked at.
"""

from collections.abc import Mapping
from typing import Literal, TypeAlias

from domain.flows import Flow, Node
from domain.node_runs import NodeRun

Join: TypeAlias = Literal["ready", "skipped", "waiting"]

SKIPPED = NodeRun("SKIPPED")


def join_of(flow: Flow, node: Node, outcomes: Mapping[str, NodeRun]) -> Join:
    """outcomes: by id, of the nodes that are decided."""
    if node.id == flow.start:
        return "ready"
    if not node.incoming:
        return "waiting"  # It handles errors, and nobody knows of one here.
    decided = [edge for edge in node.incoming if edge.source in outcomes]
    undecided = len(node.incoming) - len(decided)
    taken = sum(outcomes[edge.source].takes(edge) for edge in decided)
    if node.needed is not None:
        if taken >= node.needed:
            return "ready"
        return "skipped" if taken + undecided < node.needed else "waiting"
    if undecided:
        return "waiting"
    return "ready" if taken else "skipped"
