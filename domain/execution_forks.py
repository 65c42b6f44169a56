"""Forks: a new run that goes on from a node of another one, with what was done before that node.

original:  start ─► a ─► b ─► c ─► end          from b, perhaps in another version
fork:      start ═► a ═► b ─► c ─► end          ═ copied, ─ runs
"""

from typing import TypeAlias

from domain.definition_graph import END
from domain.definitions import Definition
from domain.errors import FieldError, Invalid
from domain.executions import Execution
from domain.expressions import shown
from domain.flows import Flow, Node
from domain.identifiers import Json
from domain.joins import SKIPPED, join_of
from domain.node_runs import NodeRun
from domain.payloads import payload_bytes

NodeCopy: TypeAlias = tuple[str, str, Json, tuple[str, ...]]
NAMED_MAX = 50
COPIED_BYTES_MAX = 16 * 1024 * 1024


def plan_fork(
    original: Execution, definition: Definition, target: Definition, from_node: str
) -> list[NodeCopy]:
    """(path, type, output, ports) of what the fork has from the beginning, in their order.

    Copied is each outermost node that completed, does not run after from_node, has the same id and
    type in `target`, and that the fork comes to by what is copied. Everything else runs again, also
    what lies before from_node: a node that is new there, that failed, or that runs after such a
    node, for it may depend on it. Skipped nodes are not copied: the fork skips them again.

    definition: of the original. Raises Invalid for a node that cannot be begun from, and when the
    copies would be larger than COPIED_BYTES_MAX together.
    """
    _require_outermost(target, from_node)
    outcomes: dict[str, NodeRun] = {}
    copied: list[NodeCopy] = []
    copied_bytes = 0
    for node in target.nodes.values():
        join = join_of(target.flow, node, outcomes)
        if node.id == from_node:
            if join == "skipped":
                reason = f"the run does not come to `{from_node}`: no edge to it was taken"
                raise _refused("not_reached", reason)
        elif join == "skipped":
            outcomes[node.id] = SKIPPED
        elif join == "ready" and not _runs_after(from_node, node, definition.flow, target.flow):
            run = original.runs.get(node.id)
            if _is_kept(run, node):
                outcomes[node.id] = run
                copied_bytes += payload_bytes(run.output)
                _require_small(copied_bytes)
                copied.append((node.id, node.type, run.output, run.ports))
    return copied


def _is_kept(run: NodeRun, node: Node) -> bool:
    """An end is not: the fork finds for itself that it has come to one."""
    if run.status != "COMPLETED" or run.node_type != node.type or node.type == END:
        return False
    return frozenset(run.ports or (None,)) <= node.config.ports()


def _runs_after(from_node: str, node: Node, *flows: Flow) -> bool:
    """In the original too: there it may have used what from_node did."""
    return any(
        flow.runs_before(from_node, node.id)
        for flow in flows
        if from_node in flow.nodes and node.id in flow.nodes
    )


def _require_outermost(target: Definition, from_node: str) -> None:
    if from_node in target.nodes:
        return
    if "/" in from_node or _is_inside(target.flow, from_node):
        reason = "a fork begins at a node outside of loops and maps, not inside of a body"
        raise _refused("inside_a_body", reason)
    known = ", ".join(list(target.nodes)[:NAMED_MAX])
    more = ", ..." if len(target.nodes) > NAMED_MAX else ""
    reason = f"there is no node `{shown(from_node)}`; there are {known}{more}"
    raise _refused("unknown_node", reason)


def _require_small(copied_bytes: int) -> None:
    if copied_bytes > COPIED_BYTES_MAX:
        reason = f"what ran before it is more than {COPIED_BYTES_MAX} bytes to copy"
        raise _refused("copies_too_large", reason)


def _is_inside(flow: Flow, node_id: str) -> bool:
    bodies = [node.body for node in flow.nodes.values() if node.body is not None]
    return any(node_id in body.nodes or _is_inside(body, node_id) for body in bodies)


def _refused(code: str, reason: str) -> Invalid:
    return Invalid(errors=[FieldError("/from_node", code, reason)])
