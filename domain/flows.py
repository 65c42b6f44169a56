"""A flow: the graph of a definition, or of the body of a loop or map inside it.

Read, checked and built recursively; what is not valid is noted as a mistake with its place. Nodes
of a body may read what was decided before the node that holds the body, and what the body itself
decided before them; of two nodes with one name, the inner one is meant.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

from domain.definition_fields import OnUnknown, RetryPolicy
from domain.definition_graph import START, Graph, read_graph
from domain.definition_mistakes import Mistakes
from domain.definition_nodes import Compensation, Edge, NodeDraft, read_edge, read_node
from domain.expressions import Expression, shown
from domain.identifiers import Json, JsonObject
from domain.node_types import ERROR_PORT, BodyNode, EffectfulNode
from domain.nodes.catalogue import AnyNode
from domain.templates import pointer_step

MAX_NODES = 500
MAX_EDGES = 2000
BODY_DEPTH_MAX = 5


@dataclass(frozen=True, slots=True)
class Node:
    """needed: how many taken edges it waits for; None waits until every edge is decided.

    before: the ids of the nodes that run before it, kept only where an expression may read any of
    them. has_intent: whether its attempts are recorded before they are made. reads_incoming: as its
    type says, which takes five times as long to ask.
    """

    id: str
    type: str
    config: AnyNode
    timeout_s: float
    deadline_s: float | None
    heartbeat_s: float | None
    retry: RetryPolicy
    on_unknown: OnUnknown
    needed: int | None
    has_intent: bool
    compensation: Compensation | None
    body: "Flow | None"
    incoming: Sequence[Edge]
    outgoing: Sequence[Edge]
    before: Sequence[str] | None
    reads_incoming: bool

    @property
    def has_error_edge(self) -> bool:
        return any(edge.port == ERROR_PORT for edge in self.outgoing)


@dataclass(frozen=True, slots=True, eq=False)
class Flow:
    """nodes: by id, in an order of execution. places: by id, its place in that order.

    before: by id, a bit for the place of each node that runs before it. asleep: the ids of nodes
    that only an error leads to. rescued: of others that an error may lead to as well. undecided: by
    id, how many edges a node waits for when a run begins. reads_execution: whether an expression of
    it or of its bodies reads `execution`.
    """

    nodes: Mapping[str, Node]
    edges: Sequence[Edge]
    start: str
    before: Mapping[str, int]
    places: Mapping[str, int]
    asleep: frozenset[str]
    rescued: frozenset[str]
    undecided: Mapping[str, int]
    reads_execution: bool

    def runs_before(self, earlier: str, later: str) -> bool:
        return bool(self.before[later] >> self.places[earlier] & 1)


@dataclass(slots=True)
class Surroundings:
    """What the nodes of a flow may know beside each other.

    outer: the ids of nodes around the body that are decided before it. roots: of expressions.
    counts: nodes and edges of the whole definition so far.
    """

    place: str = ""
    depth: int = 0
    outer: frozenset[str] = frozenset()
    roots: frozenset[str] = frozenset()
    counts: dict[str, int] = field(default_factory=lambda: {"nodes": 0, "edges": 0})


def read_flow(
    raw: JsonObject, around: Surroundings, mistakes: Mistakes, *, on_error: str | None = None
) -> Flow | None:
    """None when there is a mistake. on_error: a node of it that errors lead to."""
    noted = len(mistakes.errors)
    raw_nodes = _list_of(raw, "nodes", around, mistakes)
    raw_edges = _list_of(raw, "edges", around, mistakes)
    if not _is_within_limits(around, raw_nodes, raw_edges, mistakes):
        return None
    drafts = [
        read_node(index, f"{around.place}/nodes/{index}", node, mistakes)
        for index, node in enumerate(raw_nodes)
    ]
    edge_drafts = [
        read_edge(f"{around.place}/edges/{index}", edge, mistakes)
        for index, edge in enumerate(raw_edges)
    ]
    nodes = [node for node in drafts if node is not None]
    edges = [edge for edge in edge_drafts if edge is not None]
    graph = None
    # Without its id a node would make others look lost.
    if len(nodes) == len(drafts) and len(edges) == len(edge_drafts) and nodes:
        graph = read_graph(nodes, edges, mistakes, place=around.place, on_error=on_error)
    if graph is None:
        return None
    handled = _reached_from(graph, on_error) if on_error in graph.nodes else frozenset[str]()
    incoming = Counter(draft.edge.target for draft in graph.edges)
    for node in nodes:
        _check_reads(graph, node, around, handled=handled, mistakes=mistakes)
        _check_join(node, incoming[node.id], mistakes)
    bodies = {node.id: _read_body(graph, node, around, mistakes) for node in nodes}
    return _built(graph, bodies) if len(mistakes.errors) == noted else None


def _list_of(raw: JsonObject, key: str, around: Surroundings, mistakes: Mistakes) -> list[Json]:
    entries = raw.get(key)
    if not isinstance(entries, list):
        mistakes.add(f"{around.place}/{key}", "invalid_definition", f"{key} must be a list")
        return []
    if key == "nodes" and not entries:
        place = f"{around.place}/nodes"
        mistakes.add(place, "missing_start", "there is no node of type start")
        mistakes.add(place, "missing_end", "there is no node of type end")
    return entries


def _is_within_limits(
    around: Surroundings, nodes: Sequence[Json], edges: Sequence[Json], mistakes: Mistakes
) -> bool:
    """Bodies count too: it is one definition."""
    counts = around.counts
    counts["nodes"] += len(nodes)
    counts["edges"] += len(edges)
    if counts["nodes"] > MAX_NODES:
        reason = f"{counts['nodes']} nodes, more than {MAX_NODES}"
        mistakes.add(f"{around.place}/nodes", "too_many_nodes", reason)
    if counts["edges"] > MAX_EDGES:
        reason = f"{counts['edges']} edges, more than {MAX_EDGES}"
        mistakes.add(f"{around.place}/edges", "too_many_edges", reason)
    return counts["nodes"] <= MAX_NODES and counts["edges"] <= MAX_EDGES


def _reached_from(graph: Graph, node_id: str | None) -> frozenset[str]:
    """The node and all that may run after it."""
    assert node_id is not None
    after = {other for other in graph.places if graph.runs_before(node_id, other)}
    return frozenset({node_id, *after})


def _check_reads(
    graph: Graph,
    node: NodeDraft,
    around: Surroundings,
    *,
    handled: frozenset[str],
    mistakes: Mistakes,
) -> None:
    """An expression may name only what surely is decided before it: anything else would depend on
    luck. A handler of errors runs at any time, so there it may name every node of the main path.
    """
    roots = around.roots | (frozenset({"error"}) if node.id in handled else frozenset[str]())
    if node.config is not None:
        known = roots | node.config.own_roots
        for place, expression in node.config.expressions():
            path = f"{node.path}/config{place}"
            _check_roots(expression, known, path, mistakes)
            for read in sorted(expression.nodes_read):
                if node.id in handled and read in graph.nodes and read not in handled:
                    continue
                _check_read(
                    graph,
                    node.id,
                    read,
                    around,
                    mistakes=mistakes,
                    path=path,
                    expression=expression,
                )
    if node.compensation is not None:
        for place, expression in node.compensation.config.expressions():
            path = f"{node.path}/compensate/config{place}"
            _check_roots(expression, roots, path, mistakes)
            for read in sorted(expression.nodes_read - {node.id}):
                _check_read(
                    graph,
                    node.id,
                    read,
                    around,
                    mistakes=mistakes,
                    path=path,
                    expression=expression,
                )


def _check_roots(
    expression: Expression, known: frozenset[str], path: str, mistakes: Mistakes
) -> None:
    for root in sorted(expression.scoped_roots - known):
        places = {"loop": "inside a loop", "error": "behind the node that handles errors"}
        where = places.get(root, "inside a map")
        reason = f"`{shown(expression.text)}`: `{root}` is known only {where}"
        mistakes.add(path, "invalid_expression", reason)


def _check_read(
    graph: Graph,
    reader: str,
    read: str,
    around: Surroundings,
    *,
    mistakes: Mistakes,
    path: str,
    expression: Expression,
) -> None:
    if read not in graph.nodes:
        if read in around.outer:
            return
        reason = f"there is no node `{shown(read)}`"
    elif not graph.runs_before(read, reader):
        reason = f"node `{read}` does not run before `{reader}`"
    else:
        return
    mistakes.add(path, "invalid_expression", f"`{shown(expression.text)}`: {reason}")


def _check_join(node: NodeDraft, incoming: int, mistakes: Mistakes) -> None:
    needed = node.fields.needed if node.fields is not None else None
    if needed is not None and needed > max(1, incoming):
        reason = f"`{node.id}` waits for {needed} edges and has {incoming}"
        mistakes.add(f"{node.path}/join", "invalid_join", reason)


def _read_body(
    graph: Graph, node: NodeDraft, around: Surroundings, mistakes: Mistakes
) -> Flow | None:
    if not isinstance(node.config, BodyNode):
        return None
    place = f"{node.path}/config/body"
    raw = node.config.body
    if around.depth >= BODY_DEPTH_MAX:
        mistakes.add(place, "too_deep", f"bodies nest deeper than {BODY_DEPTH_MAX}")
        return None
    if not isinstance(raw, dict):
        mistakes.add(place, "invalid_body", "a body must be an object of nodes and edges")
        return None
    raw = cast("JsonObject", raw)
    for key in raw:
        if key not in ("nodes", "edges"):
            step = pointer_step(key)
            mistakes.add(f"{place}/{step}", "unknown_field", "there is no such field")
    before = {other for other in graph.places if graph.runs_before(other, node.id)}
    inside = Surroundings(
        place=place,
        depth=around.depth + 1,
        outer=around.outer | before,
        roots=around.roots | node.config.body_roots,
        counts=around.counts,
    )
    return read_flow(raw, inside, mistakes)


def _built(graph: Graph, bodies: Mapping[str, Flow | None]) -> Flow:
    edges = [draft.edge for draft in graph.edges]
    incoming: dict[str, list[Edge]] = {node_id: [] for node_id in graph.places}
    outgoing: dict[str, list[Edge]] = {node_id: [] for node_id in graph.places}
    for edge in edges:
        outgoing[edge.source].append(edge)
        incoming[edge.target].append(edge)
    nodes = {
        node_id: _built_node(
            graph,
            graph.nodes[node_id],
            incoming[node_id],
            outgoing[node_id],
            body=bodies[node_id],
        )
        for node_id in graph.places
    }
    start = next(node.id for node in nodes.values() if node.type == START)
    awake = {start, *(other for other in graph.places if graph.runs_before(start, other))}
    asleep = frozenset(nodes) - awake
    rescued = frozenset(
        other for other in awake if any(graph.runs_before(one, other) for one in asleep)
    )
    return Flow(
        nodes=nodes,
        edges=edges,
        start=start,
        before=graph.before,
        places=graph.places,
        asleep=asleep,
        rescued=rescued,
        undecided=_undecided(nodes, asleep),
        reads_execution=any(_reads_execution(node) for node in nodes.values()),
    )


def _undecided(nodes: Mapping[str, Node], asleep: frozenset[str]) -> Mapping[str, int]:
    """Before an error leads there, nothing waits for what will come from there."""
    return {
        node.id: sum(edge.source not in asleep or node.id in asleep for edge in node.incoming)
        for node in nodes.values()
    }


def _reads_execution(node: Node) -> bool:
    if node.body is not None and node.body.reads_execution:
        return True
    configs = [node.config, *([node.compensation.config] if node.compensation else ())]
    return any(e.reads_execution for config in configs for _, e in config.expressions())


def _built_node(
    graph: Graph,
    draft: NodeDraft,
    incoming: Sequence[Edge],
    outgoing: Sequence[Edge],
    *,
    body: Flow | None,
) -> Node:
    assert draft.type is not None
    assert draft.config is not None
    assert draft.fields is not None
    fields = draft.fields
    before = None
    if any(expression.reads_any_node for _, expression in draft.config.expressions()):
        before = [other for other in graph.places if graph.runs_before(other, draft.id)]
    return Node(
        id=draft.id,
        type=draft.type,
        config=draft.config,
        timeout_s=fields.timeout_s,
        deadline_s=fields.deadline_s,
        heartbeat_s=fields.heartbeat_s,
        retry=fields.retry,
        on_unknown=fields.on_unknown,
        needed=fields.needed,
        has_intent=_has_intent(draft, is_repeatable=fields.repeatable),
        compensation=draft.compensation,
        body=body,
        incoming=incoming,
        outgoing=outgoing,
        before=before,
        reads_incoming=draft.config.reads_incoming,
    )


def _has_intent(draft: NodeDraft, *, is_repeatable: bool | None) -> bool:
    """What can be undone has one: else an attempt that a crash cuts off would leave no trace."""
    if not isinstance(draft.config, EffectfulNode):
        return False
    if draft.compensation is not None:
        return True
    return not (draft.config.is_repeatable() if is_repeatable is None else is_repeatable)
