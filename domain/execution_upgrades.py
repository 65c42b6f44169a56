"""Upgrades: whether a run may go on in another version of its workflow.

It may when the new version, had it been there from the beginning, could have come to the same
point: what has begun would have begun, what was skipped would have been skipped, and what goes on
finds the config under which it began. What nothing is known of yet may differ in every way.
"""

from collections.abc import Iterator
from typing import Any

from domain.definitions import Definition
from domain.errors import Refused
from domain.executions import Execution, ExecutionEnded
from domain.flows import Flow, Node
from domain.identifiers import Json, JsonObject
from domain.joins import SKIPPED, join_of
from domain.node_runs import NodeRun, is_compensation, prefix_of

TOLD_MAX = 10


class NotCompatible(Refused):
    """What this execution has done does not fit the other version."""

    code = "not_compatible"


class AttemptsRunning(Refused):
    """Nodes of this execution are being done; pause it, and try again when they have ended."""

    code = "attempts_running"


def upgrade(execution: Execution, old: Definition, new: Definition, workflow_version: int) -> None:
    """Upgrading to the version that it runs already is nothing."""
    if execution.is_ended:
        raise ExecutionEnded(execution_id=str(execution.id), status=execution.status)
    if workflow_version == execution.workflow_version:
        return
    if execution.runs.running:
        raise AttemptsRunning(execution_id=str(execution.id))
    if reasons := incompatibilities(execution, old, new):
        told = "; ".join(reasons[:TOLD_MAX])
        more = f"; and {len(reasons) - TOLD_MAX} more" if len(reasons) > TOLD_MAX else ""
        detail = f"It cannot go on in version {workflow_version}: {told}{more}."
        raise NotCompatible(detail, execution_id=str(execution.id), reasons=reasons)
    execution.trigger_event(
        Execution.Upgraded, definition_hash=new.hash, workflow_version=workflow_version
    )


def incompatibilities(execution: Execution, old: Definition, new: Definition) -> list[str]:
    """Why the run cannot go on in `new`; nothing when it can."""
    if execution.undoing is not None:
        return ["what it did is being undone"]
    if old.on_error is not None and execution.runs.get(old.on_error).status != "PENDING":
        return [f"`{old.on_error}` is handling an error"]
    reasons = [*_of_nodes(execution, old, new), *_of_what_iterations_did(execution, new)]
    if reasons:
        return reasons  # Without these nodes there is no place to compare.
    return [
        reason
        for prefix in _live_prefixes(execution)
        for reason in _of_frame(execution, prefix, _flow_at(new, prefix))
    ]


def _of_nodes(execution: Execution, old: Definition, new: Definition) -> Iterator[str]:
    """Every node of which something is known is there, is what it was, and can still be undone."""
    for path, run in execution.runs.by_path.items():
        if is_compensation(path):
            continue
        before, after = old.node(path), new.node(path)
        assert before is not None
        if after is None:
            yield f"there is no node `{path}`"
        elif after.type != before.type:
            yield f"`{path}` is of type {after.type}, and was {before.type}"
        elif before.compensation is not None and after.compensation is None:
            yield f"`{path}` does not say any more how it is undone"
        elif run.status in {"RUNNING", "WAITING"} and _settings(old, path) != _settings(new, path):
            yield f"`{path}` has begun, and has another config"
        elif run.status == "FAILED" and before.has_error_edge and not after.has_error_edge:
            yield f"`{path}` failed, and its error leads nowhere"


def _of_what_iterations_did(execution: Execution, new: Definition) -> Iterator[str]:
    for path in execution.runs.kept:
        node = new.node(path)
        if node is None or node.compensation is None:
            yield f"`{path}` was done and could not be undone"


def _live_prefixes(execution: Execution) -> Iterator[str]:
    """Of the frames that go on, outer ones first: all around them go on too."""
    live = {""}
    for prefix in sorted(execution.runs.frames, key=lambda prefix: prefix.count("/")):
        if not prefix:
            yield prefix
            continue
        holder, bracket, _ = prefix.rpartition("[")
        is_open = bool(bracket) and execution.runs.get(holder).status == "RUNNING"
        if is_open and prefix_of(holder) in live:
            live.add(prefix)
            yield prefix


def _of_frame(execution: Execution, prefix: str, flow: Flow) -> Iterator[str]:
    outcomes: dict[str, NodeRun] = {}
    if prefix:
        outcomes[flow.start] = NodeRun("COMPLETED", "start", 1)  # Of a body it is not recorded.
    for node in flow.nodes.values():
        if prefix and node.id == flow.start:
            continue
        run = execution.runs.get(prefix + node.id)
        join = join_of(flow, node, outcomes)
        if run.status in {"COMPLETED", "FAILED", "SKIPPED"}:
            outcomes[node.id] = run
        elif run.status == "PENDING" and join == "skipped":
            outcomes[node.id] = SKIPPED
        reason = _misplaced(run, node, join)
        if reason is not None:
            yield f"`{prefix}{node.id}` {reason}"


def _misplaced(run: NodeRun, node: Node, join: str) -> str | None:
    if run.status == "PENDING" and not run.attempt:
        return None
    if run.status == "SKIPPED":
        return None if join == "skipped" else "was skipped, and would run or wait"
    if join == "ready":
        return None
    if join == "skipped":
        return "has begun, and would be skipped"
    sources = ", ".join(dict.fromkeys(edge.source for edge in node.incoming))
    return f"has begun, and would still wait for one of {sources or 'the errors of others'}"


def _flow_at(definition: Definition, prefix: str) -> Flow:
    if not prefix:
        return definition.flow
    holder = definition.node(prefix.rpartition("[")[0])
    assert holder is not None
    assert holder.body is not None
    return holder.body


def _settings(definition: Definition, path: str) -> JsonObject:
    """The config of a node as it was written, without the body: that is looked at node by node."""
    flow: Any = definition.canonical
    node: JsonObject = {}
    for step in path.split("/"):
        node = next(one for one in flow["nodes"] if one["id"] == step.partition("[")[0])
        config: Any = node.get("config", {})
        flow = config.get("body", {})
    written: Json = node.get("config", {})
    assert isinstance(written, dict)
    return {name: value for name, value in written.items() if name != "body"}
