"""Definition: a workflow as data. Parsed and checked whole, then named by the hash of its canonical
text.

A stored definition outlives programs: an execution pins its hash, and whoever drives the run parses
it again.
"""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import orjson

from domain.definition_graph import START, Graph, read_graph
from domain.definition_mistakes import Mistakes
from domain.definition_nodes import (
    Edge,
    NodeDraft,
    OnUnknown,
    RetryPolicy,
    read_edge,
    read_node,
)
from domain.errors import FieldError, Invalid
from domain.expressions import shown
from domain.identifiers import Json, JsonObject
from domain.node_types import ERROR_PORT, EffectfulNode, PureNode
from domain.templates import pointer_step

MAX_NODES = 500
MAX_EDGES = 2000
MAX_DEFINITION_BYTES = 256 * 1024
MAX_DEPTH = 100


class InvalidDefinition(Invalid):
    """The definition of this workflow is not valid."""

    code = "invalid_definition"


@dataclass(frozen=True, slots=True)
class Node:
    """needed: how many taken edges it waits for; None waits until every edge is decided.

    before: the ids of the nodes that run before it, kept only where an expression may read any of
    them.
    """

    id: str
    type: str
    config: PureNode | EffectfulNode
    timeout_s: float
    retry: RetryPolicy
    on_unknown: OnUnknown
    needed: int | None
    incoming: Sequence[Edge]
    outgoing: Sequence[Edge]
    before: Sequence[str] | None

    @property
    def has_error_edge(self) -> bool:
        return any(edge.port == ERROR_PORT for edge in self.outgoing)


@dataclass(frozen=True, slots=True, eq=False)
class Definition:
    """canonical: the definition as it was written, with sorted keys. nodes: by id, in an order of
    execution.

    hash: SHA-256 of the canonical text, in hex.
    """

    canonical: JsonObject
    hash: str
    nodes: Mapping[str, Node]
    edges: Sequence[Edge]
    start: str


def parse_definition(raw: Json) -> Definition:
    """Raises InvalidDefinition with all mistakes; their paths are JSON pointers into `raw`."""
    text = _canonical_text(raw)
    canonical: Json = orjson.loads(text)
    mistakes = Mistakes()
    raw_nodes, raw_edges = _entries(canonical, mistakes)
    nodes = [read_node(index, node, mistakes) for index, node in enumerate(raw_nodes)]
    edges = [read_edge(index, edge, mistakes) for index, edge in enumerate(raw_edges)]
    drafts = [node for node in nodes if node is not None]
    edge_drafts = [edge for edge in edges if edge is not None]
    graph = None
    # Without its id a node would make others look lost.
    if len(drafts) == len(nodes) and len(edge_drafts) == len(edges) and nodes:
        graph = read_graph(drafts, edge_drafts, mistakes)
    if graph is not None:
        incoming = Counter(draft.edge.target for draft in graph.edges)
        for node in drafts:
            _check_reads(graph, node, mistakes)
            _check_join(node, incoming[node.id], mistakes)
    if mistakes.errors or graph is None:
        raise InvalidDefinition(errors=mistakes.errors)
    assert isinstance(canonical, dict)
    return _built(canonical, hashlib.sha256(text).hexdigest(), graph)


def single_node_definition(agent_id: str, agent_version: int | None = None) -> Definition:
    """One turn of an agent: what POST /agents/{id}/execute runs."""
    config: JsonObject = {"agent_id": agent_id, "input": "{{ input }}"}
    if agent_version is not None:
        config["version"] = agent_version
    return parse_definition(
        {
            "nodes": [
                {"id": "start", "type": "start"},
                {"id": "agent", "type": "agent", "config": config},
                {"id": "end", "type": "end"},
            ],
            "edges": [{"from": "start", "to": "agent"}, {"from": "agent", "to": "end"}],
        }
    )


def _canonical_text(raw: Json) -> bytes:
    try:
        text = orjson.dumps(raw, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError as error:
        raise _refused("not_json", f"the definition is not JSON: {error}") from None
    if len(text) > MAX_DEFINITION_BYTES:
        reason = f"the definition is {len(text)} bytes long, more than {MAX_DEFINITION_BYTES}"
        raise _refused("definition_too_large", reason)
    if _depth(raw) > MAX_DEPTH:
        raise _refused("too_deep", f"the definition nests deeper than {MAX_DEPTH} levels")
    return text


def _refused(code: str, reason: str) -> InvalidDefinition:
    return InvalidDefinition(errors=[FieldError("", code, reason)])


def _depth(raw: Json) -> int:
    depth = 0
    level = [raw]
    while level:
        depth += 1
        containers = [value for value in level if isinstance(value, dict | list)]
        level = [
            child
            for value in containers
            for child in (value.values() if isinstance(value, dict) else value)
        ]
    return depth


def _entries(canonical: Json, mistakes: Mistakes) -> tuple[list[Json], list[Json]]:
    """The raw nodes and edges, empty where they are not to be had."""
    if not isinstance(canonical, dict):
        mistakes.add("", "invalid_definition", "a definition must be an object of nodes and edges")
        return [], []
    for key in canonical:
        if key not in ("nodes", "edges"):
            mistakes.add(f"/{pointer_step(key)}", "unknown_field", "there is no such field")
    nodes = _list_of(canonical, "nodes", mistakes)
    edges = _list_of(canonical, "edges", mistakes)
    if len(nodes) > MAX_NODES:
        mistakes.add("/nodes", "too_many_nodes", f"{len(nodes)} nodes, more than {MAX_NODES}")
        return [], []
    if len(edges) > MAX_EDGES:
        mistakes.add("/edges", "too_many_edges", f"{len(edges)} edges, more than {MAX_EDGES}")
        return [], []
    return nodes, edges


def _list_of(canonical: JsonObject, key: str, mistakes: Mistakes) -> list[Json]:
    entries = canonical.get(key)
    if not isinstance(entries, list):
        mistakes.add(f"/{key}", "invalid_definition", f"{key} must be a list")
        return []
    if key == "nodes" and not entries:
        mistakes.add("/nodes", "missing_start", "there is no node of type start")
        mistakes.add("/nodes", "missing_end", "there is no node of type end")
    return entries


def _check_reads(graph: Graph, node: NodeDraft, mistakes: Mistakes) -> None:
    """An expression may name only nodes that surely are decided before it: anything else would
    depend on luck.
    """
    if node.config is None:
        return
    for place, expression in node.config.expressions():
        for read in sorted(expression.nodes_read):
            if read not in graph.nodes:
                reason = f"there is no node `{shown(read)}`"
            elif not graph.runs_before(read, node.id):
                reason = f"node `{read}` does not run before `{node.id}`"
            else:
                continue
            text = shown(expression.text)
            path = f"{node.path}/config{place}"
            mistakes.add(path, "invalid_expression", f"`{text}`: {reason}")


def _check_join(node: NodeDraft, incoming: int, mistakes: Mistakes) -> None:
    needed = node.fields.needed if node.fields is not None else None
    if needed is not None and needed > max(1, incoming):
        reason = f"`{node.id}` waits for {needed} edges and has {incoming}"
        mistakes.add(f"{node.path}/join", "invalid_join", reason)


def _built(canonical: JsonObject, definition_hash: str, graph: Graph) -> Definition:
    edges = [draft.edge for draft in graph.edges]
    incoming: dict[str, list[Edge]] = {node_id: [] for node_id in graph.order}
    outgoing: dict[str, list[Edge]] = {node_id: [] for node_id in graph.order}
    for edge in edges:
        outgoing[edge.source].append(edge)
        incoming[edge.target].append(edge)
    nodes = {
        node_id: _built_node(graph, graph.nodes[node_id], incoming[node_id], outgoing[node_id])
        for node_id in graph.order
    }
    start = next(node.id for node in nodes.values() if node.type == START)
    return Definition(canonical, definition_hash, nodes, edges, start)


def _built_node(
    graph: Graph, draft: NodeDraft, incoming: Sequence[Edge], outgoing: Sequence[Edge]
) -> Node:
    assert draft.type is not None
    assert draft.config is not None
    assert draft.fields is not None
    before = None
    if any(expression.reads_any_node for _, expression in draft.config.expressions()):
        before = [other for other in graph.order if graph.runs_before(other, draft.id)]
    return Node(
        id=draft.id,
        type=draft.type,
        config=draft.config,
        timeout_s=draft.fields.timeout_s,
        retry=draft.fields.retry,
        on_unknown=draft.fields.on_unknown,
        needed=draft.fields.needed,
        incoming=incoming,
        outgoing=outgoing,
        before=before,
    )
