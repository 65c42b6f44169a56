"""Random definitions that are valid: graphs of every kind of node, with joins, errors, bodies,
waits, children and compensations.
"""

from dataclasses import dataclass, field
from typing import Any

from domain.identifiers import Json, JsonObject
from tests.simulation.chance import Chance
from tests.simulation.effects import REPEATABLE

NODES_MAX = 7
BODY_NODES_MAX = 3
KINDS = (
    *("llm",) * 8,
    *("condition", "set", "switch", "parallel", "merge"),
    *("delay", "delay", "signal", "webhook", "approval"),
    *("loop", "map", "map", "sub_workflow", "sub_workflow"),
)
SIGNALS = ("go", "stop")
OUTWARD = {
    "condition": ["-true->", "-false->"],
    "switch": ["-a->", "-b->"],
    "approval": ["-approved->", "-approved->", "-rejected->", "-error->"],
    "llm": ["->", "->", "->", "-error->"],
    "signal": ["->", "->", "-error->"],
    "webhook": ["->", "->", "-error->"],
    "delay": ["->", "->", "->", "-error->"],
    "sub_workflow": ["->", "->", "-error->"],
    "map": ["->", "->", "-error->"],
    "loop": ["->", "->", "-error->"],
}


@dataclass(slots=True)
class _Graph:
    nodes: list[JsonObject] = field(default_factory=list)
    edges: list[tuple[str, str, str]] = field(default_factory=list)
    ways: dict[str, list[str]] = field(default_factory=lambda: {"start": ["->"]})

    def join(self, source: str, way: str, target: str) -> None:
        if (source, way, target) not in self.edges:
            self.edges.append((source, way, target))

    def written(self) -> JsonObject:
        start: Json = {"id": "start", "type": "start"}
        end: Json = {"id": "end", "type": "end"}
        edges: list[Json] = [_edge(*edge) for edge in self.edges]
        return {"nodes": [start, *self.nodes, end], "edges": edges}


def random_definition(chance: Chance, workflows: list[str]) -> JsonObject:
    """workflows: the ids of those that may be its children."""
    definition = _flow(chance, workflows, nodes_max=NODES_MAX, depth=0)
    if chance.happens(0.15):
        definition["timeout_s"] = chance.choice([60.0, 600.0, 3600.0])
    if chance.happens(0.25):
        _add_handler(definition)
    return definition


def _flow(chance: Chance, workflows: list[str], *, nodes_max: int, depth: int) -> JsonObject:
    graph = _Graph()
    for index in range(chance.integer(1, nodes_max)):
        # Ids differ between flows, for a body may not hide a node of the flow around it.
        node_id = f"n{depth}{index}"
        kind = chance.choice(KINDS)
        kind = _possible(kind, workflows, depth)
        count = min(len(graph.ways), chance.choice([1, 1, 1, 2, 3]))
        for source in chance.sample(sorted(graph.ways), count):
            graph.join(source, chance.choice(graph.ways[source]), node_id)
        graph.nodes.append(_node(chance, node_id, kind, workflows, incoming=count, depth=depth))
        graph.ways[node_id] = OUTWARD.get(kind, ["->"])
    for node_id, ways in graph.ways.items():
        is_leaf = all(source != node_id for source, _, _ in graph.edges)
        if is_leaf or chance.happens(0.15):
            graph.join(node_id, ways[0], "end")
    return graph.written()


def _possible(kind: str, workflows: list[str], depth: int) -> str:
    if kind == "sub_workflow" and not workflows:
        return "llm"
    return "llm" if kind in {"loop", "map"} and depth > 1 else kind


def _node(  # noqa: C901 # one answer per kind
    chance: Chance, node_id: str, kind: str, workflows: list[str], *, incoming: int, depth: int
) -> JsonObject:
    node: JsonObject = {"id": node_id, "type": kind, "config": {}}
    if incoming > 1 and chance.happens(0.4):
        node["join"] = chance.choice(["any", {"count": chance.integer(1, incoming)}])
    match kind:
        case "llm":
            node |= _call(chance, node_id)
        case "condition":
            node["config"] = {"expression": chance.choice(["true", "false"])}
        case "set":
            node["config"] = {"values": {"by": node_id}}
        case "switch":
            case: JsonObject = {"port": "a", "when": chance.choice(["true", "false"])}
            node["config"] = {"cases": [case], "default": "b"}
        case "delay":
            node["config"] = {"duration_s": chance.choice([0.5, 3, 8, 40, 300])}
        case "signal" | "webhook":
            node["config"] = {"name": chance.choice(SIGNALS), **_limit(chance, "timeout_s")}
        case "approval":
            action = chance.choice(["approve", "reject", "fail"])
            limit = _limit(chance, "deadline_s")
            node["config"] = {"title": "May I?", "on_timeout": action, **limit}
        case "loop":
            until = f"loop.index >= {chance.integer(1, 3)}"
            node["config"] = {"until": until, "body": _body(chance, workflows, depth)}
        case "map":
            over: Json = list(range(chance.integer(0, 4)))
            node["config"] = {
                "over": over,
                "concurrency": chance.integer(1, 3),
                "on_item_error": chance.choice(["fail", "collect"]),
                "body": _body(chance, workflows, depth),
            }
        case "sub_workflow":
            node["config"] = {
                "workflow_id": chance.choice(workflows),
                "wait": chance.happens(0.75),
                "on_parent_close": chance.choice(["cancel", "cancel", "abandon"]),
            }
        case _:
            pass
    return node


def _body(chance: Chance, workflows: list[str], depth: int) -> JsonObject:
    return _flow(chance, workflows, nodes_max=BODY_NODES_MAX, depth=depth + 1)


def _limit(chance: Chance, name: str) -> JsonObject:
    return {name: chance.choice([2.0, 30.0, 200.0])} if chance.happens(0.4) else {}


def _call(chance: Chance, node_id: str) -> JsonObject:
    is_repeatable = chance.happens(0.2)
    prompt = f"{node_id} {REPEATABLE}" if is_repeatable else node_id
    fields: JsonObject = {
        "config": {"model": "offline/echo", "prompt": prompt},
        "timeout_s": chance.choice([2.0, 5.0, 20.0]),
        "on_unknown": chance.choice(["retry", "retry", "ask", "fail"]),
    }
    if is_repeatable:
        fields["repeatable"] = True
    if chance.happens(0.7):
        fields["retry"] = {
            "max_attempts": chance.integer(1, 4),
            "initial_backoff_s": chance.choice([0, 1, 4, 20]),
            "jitter": chance.choice([0, 0.5]),
        }
    # What is free and safe to repeat leaves nothing to undo.
    if chance.happens(0.5) and not is_repeatable:
        config: Any = {"model": "offline/echo", "prompt": f"undo {node_id}"}
        fields["compensate"] = {"type": "llm", "config": config, "timeout_s": 5.0}
        if chance.happens(0.3):
            fields["compensate"]["retry"] = {"max_attempts": chance.integer(1, 2)}
    return fields


def _add_handler(definition: JsonObject) -> None:
    nodes, edges = definition["nodes"], definition["edges"]
    assert isinstance(nodes, list)
    assert isinstance(edges, list)
    nodes.append({"id": "handler", "type": "set", "config": {"values": {"handled": True}}})
    edges.append({"from": "handler", "to": "end"})
    definition["on_error"] = "handler"


def _edge(source: str, way: str, target: str) -> JsonObject:
    port = way.removesuffix(">").strip("-")
    edge: JsonObject = {"from": source, "to": target}
    return {**edge, "port": port} if port else edge
