"""A definition as a graph: whether its edges join nodes, whether everything is reached, in which
order, without a cycle.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from domain.definition_mistakes import Mistakes
from domain.definition_nodes import EdgeDraft, NodeDraft
from domain.expressions import shown
from domain.node_types import ERROR_PORT

START = "start"
END = "end"


@dataclass(frozen=True, slots=True)
class Graph:
    """nodes: by id. places: by id, in an order in which every node comes after those it depends on.
    before: by id, a bit for the place of each node that runs before it.
    """

    nodes: Mapping[str, NodeDraft]
    edges: Sequence[EdgeDraft]
    places: Mapping[str, int]
    before: Mapping[str, int]

    def runs_before(self, earlier: str, later: str) -> bool:
        return bool(self.before[later] >> self.places[earlier] & 1)


def read_graph(
    nodes: Sequence[NodeDraft],
    edges: Sequence[EdgeDraft],
    mistakes: Mistakes,
    *,
    place: str = "",
    on_error: str | None = None,
) -> Graph | None:
    """None when there is a mistake that leaves no graph to look at further.

    place: of the graph in the definition. on_error: a node that is reached by errors.
    """
    by_id = _distinct(nodes, mistakes)
    is_joined = _check_edges(by_id, edges, mistakes)
    starts = _check_start_and_end(by_id.values(), place, mistakes)
    if len(by_id) < len(nodes) or not is_joined:
        return None
    targets: dict[str, list[str]] = {node_id: [] for node_id in by_id}
    for draft in edges:
        targets[draft.edge.source].append(draft.edge.target)
    order = _order(targets)
    if len(order) < len(by_id):
        _report_cycles(by_id, targets, set(by_id) - set(order), mistakes)
    if starts:
        begun = [*starts, *([on_error] if on_error in by_id else [])]
        _check_reached(by_id, targets, begun, mistakes)
    if len(order) < len(by_id):
        return None
    places = {node_id: place for place, node_id in enumerate(order)}
    before = dict.fromkeys(order, 0)
    for node_id in order:
        for target in targets[node_id]:
            before[target] |= before[node_id] | 1 << places[node_id]
    return Graph(by_id, edges, places, before)


def _distinct(nodes: Sequence[NodeDraft], mistakes: Mistakes) -> dict[str, NodeDraft]:
    by_id: dict[str, NodeDraft] = {}
    for node in nodes:
        first = by_id.setdefault(node.id, node)
        if first is not node:
            reason = f"`{node.id}` is the id of {first.path} already"
            mistakes.add(f"{node.path}/id", "duplicate_id", reason)
    return by_id


def _check_edges(
    by_id: Mapping[str, NodeDraft], edges: Sequence[EdgeDraft], mistakes: Mistakes
) -> bool:
    """Whether every edge joins two nodes."""
    is_joined = True
    seen: dict[object, EdgeDraft] = {}
    for draft in edges:
        for field, node_id in (("from", draft.edge.source), ("to", draft.edge.target)):
            if node_id not in by_id:
                reason = f"there is no node `{shown(node_id)}`"
                mistakes.add(f"{draft.path}/{field}", "unknown_node", reason)
                is_joined = False
        first = seen.setdefault(draft.edge, draft)
        if first is not draft:
            mistakes.add(draft.path, "duplicate_edge", f"{first.path} is the same edge")
        _check_port(by_id.get(draft.edge.source), draft, mistakes)
    return is_joined


def _check_port(source: NodeDraft | None, draft: EdgeDraft, mistakes: Mistakes) -> None:
    if source is None or source.config is None or draft.edge.port in source.config.ports():
        return
    if draft.edge.port == ERROR_PORT and source.config.ports() and source.type != START:
        return
    named = sorted(port for port in source.config.ports() if port is not None)
    if not source.config.ports():
        reason = f"no edge may leave `{source.id}`, for it is of type {source.type}"
    elif draft.edge.port is None:
        reason = f"an edge from `{source.id}` needs a port: {' or '.join(named)}"
    else:
        choice = f"; there are {', '.join(named)}" if named else ""
        reason = f"`{source.id}` has no port `{shown(draft.edge.port)}`{choice}"
    mistakes.add(f"{draft.path}/port", "unknown_port", reason)


def _check_start_and_end(nodes: Iterable[NodeDraft], place: str, mistakes: Mistakes) -> list[str]:
    """The ids of the starts."""
    nodes = list(nodes)
    starts = [node for node in nodes if node.type == START]
    if not starts:
        mistakes.add(f"{place}/nodes", "missing_start", "there is no node of type start")
    for surplus in starts[1:]:
        reason = f"`{starts[0].id}` is the start already"
        mistakes.add(surplus.path, "several_starts", reason)
    if not any(node.type == END for node in nodes):
        mistakes.add(f"{place}/nodes", "missing_end", "there is no node of type end")
    return [node.id for node in starts]


def _order(targets: Mapping[str, Sequence[str]]) -> list[str]:
    """The ids with every edge pointing forward, as far as cycles allow; ties in the order of the
    definition.
    """
    waiting_for = dict.fromkeys(targets, 0)
    for node_targets in targets.values():
        for target in node_targets:
            waiting_for[target] += 1
    order = [node_id for node_id, count in waiting_for.items() if count == 0]
    for node_id in order:  # Grows while it is walked.
        for target in targets[node_id]:
            waiting_for[target] -= 1
            if waiting_for[target] == 0:
                order.append(target)
    return order


def _report_cycles(
    by_id: Mapping[str, NodeDraft],
    targets: Mapping[str, Sequence[str]],
    left: set[str],
    mistakes: Mistakes,
) -> None:
    """One mistake for each cycle that shares no node with one reported before. left: in a cycle or
    behind one.
    """
    sources: dict[str, list[str]] = {node_id: [] for node_id in by_id}
    for node_id in by_id:
        for target in targets[node_id]:
            sources[target].append(node_id)
    while left:
        # Backwards from anywhere, a walk either comes round or ends behind a cycle that was
        # reported.
        walk: list[str] = []
        current: str | None = min(left, key=lambda node_id: by_id[node_id].index)
        while current is not None and current not in walk:
            walk.append(current)
            current = next((source for source in sources[current] if source in left), None)
        if current is None:
            left.discard(walk[-1])
            continue
        cycle = walk[walk.index(current) :][::-1]
        first = min(cycle, key=lambda node_id: by_id[node_id].index)
        cycle = cycle[cycle.index(first) :] + cycle[: cycle.index(first)]
        names = " -> ".join([*cycle, cycle[0]])
        mistakes.add(by_id[cycle[0]].path, "cycle", f"these nodes wait for each other: {names}")
        left.difference_update(cycle)


def _check_reached(
    by_id: Mapping[str, NodeDraft],
    targets: Mapping[str, Sequence[str]],
    begun: Iterable[str | None],
    mistakes: Mistakes,
) -> None:
    pending = [node_id for node_id in begun if node_id is not None]
    reached = set(pending)
    while pending:
        for target in targets[pending.pop()]:
            if target not in reached:
                reached.add(target)
                pending.append(target)
    for node in by_id.values():
        if node.id not in reached:
            reason = f"no path leads from the start to `{node.id}`"
            mistakes.add(node.path, "unreachable_node", reason)
