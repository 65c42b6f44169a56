"""Whether what a run did was undone: exactly that, and each after what depended on it."""

from collections.abc import Iterator

from domain.definitions import Definition
from domain.flows import Flow
from domain.node_types import BodyNode
from tests.simulation.effects import ModelServer
from tests.simulation.history import Fact, History

UNANSWERED = frozenset(
    {"unknown_outcome", "timeout", "unavailable", "no_heartbeat", "interrupted", "abandoned"}
)
SUFFIX = "/compensate"


def undoing_is_right(history: History, server: ModelServer) -> Iterator[str]:
    begun = {fact.path: fact for fact in history.of("node_started") if is_undoing(fact.path)}
    ended = {
        fact.path: fact
        for fact in history.of("node_completed", "resolved")
        if is_undoing(fact.path)
    }
    yield from _order_is_right(history, begun, ended)
    yield from _only_what_was_done(history, begun)
    if history.status == "COMPENSATED":
        yield from _all_is_undone(history, server, ended)


def is_undoing(path: str) -> bool:
    return path.endswith(SUFFIX)


def _order_is_right(
    history: History, begun: dict[str, Fact], ended: dict[str, Fact]
) -> Iterator[str]:
    """What undoes a node begins when all that ran because of it has been undone."""
    for path, fact in begun.items():
        for later, end in ended.items():
            done, after = path.removesuffix(SUFFIX), later.removesuffix(SUFFIX)
            is_because = _ran_after(history.definition, after, done) and _was_first(
                history, done, after
            )
            if is_because and end.version > fact.version:
                yield f"{history.name}: {done} was undone before {after}"


def _was_first(history: History, done: str, after: str) -> bool:
    """A join may have let the later node go before the earlier one was done."""
    completed = [f.version for f in history.of("node_completed") if f.path == done]
    begun = [f.version for f in history.of("node_started") if f.path == after]
    return bool(completed and begun) and completed[0] < begun[0]


def _only_what_was_done(history: History, begun: dict[str, Fact]) -> Iterator[str]:
    done = {fact.path for fact in history.of("node_completed", "resolved")}
    done |= {f.path for f in history.of("node_failed", "node_doubted") if _is_unknown(f)}
    # A run that is stopped in the middle of an attempt does not know what that did.
    done |= {path for f in history.of("cancelled", "failed") for path in f.state["stopped_paths"]}
    for path in begun:
        if path.removesuffix(SUFFIX) not in done:
            yield f"{history.name}: {path} undoes what was never done"


def _is_unknown(fact: Fact) -> bool:
    return fact.state["code"] in UNANSWERED


def _all_is_undone(history: History, server: ModelServer, ended: dict[str, Fact]) -> Iterator[str]:
    """What happened outside counts, whatever the log believes."""
    prefix = f"{history.execution_id}:"
    for key in server.accepted:
        path = key.removeprefix(prefix).rpartition(":")[0]
        if not key.startswith(prefix) or is_undoing(path):
            continue
        node = history.definition.node(path)
        if node is not None and node.compensation is not None and path + SUFFIX not in ended:
            yield f"{history.name}: the effect of {path} was not undone"


def _ran_after(definition: Definition, later: str, earlier: str) -> bool:
    """By the edges of the definition; iterations of a loop follow each other."""
    flow: Flow | None = definition.flow
    for one, other in zip(later.split("/"), earlier.split("/"), strict=False):
        if flow is None or one == other:
            if flow is not None:
                flow = flow.nodes[one.partition("[")[0]].body
            continue
        later_id, _, later_index = one.rstrip("]").partition("[")
        earlier_id, _, earlier_index = other.rstrip("]").partition("[")
        if later_id != earlier_id:
            return _leads_to(flow, earlier_id, later_id)
        config = flow.nodes[later_id].config
        is_loop = isinstance(config, BodyNode) and config.is_sequential
        return is_loop and int(later_index or 0) > int(earlier_index or 0)
    return False


def _leads_to(flow: Flow, source: str, target: str) -> bool:
    pending, seen = [source], {source}
    while pending:
        for edge in flow.nodes[pending.pop()].outgoing:
            if edge.target not in seen:
                seen.add(edge.target)
                pending.append(edge.target)
    return target in seen and source != target
