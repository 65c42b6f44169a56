"""The events of an execution, after its first (Created, in executions.py).

Paths name nodes: see node_runs.py. Instants are RFC 3339.
"""

from typing import Any

from domain.aggregates import Aggregate
from domain.identifiers import Json, JsonObject


def upcast_usage(state: dict[str, Any]) -> None:
    """Before meters, an attempt knew its cost as a whole: that is the cost of its request."""
    cost = state["cost_usd_pico"]
    state["usage"] = None
    if state["model"] is None:
        return
    counts = {"input_tokens": state["tokens_in"], "output_tokens": state["tokens_out"]}
    rest = None if cost is None else 0
    lines = [[meter, count, rest] for meter, count in counts.items() if count]
    state["usage"] = {
        "provider": str(state["model"]).partition("/")[0],
        "agent_id": None,
        "workflow_id": None,
        "created_by": "",
        "source": "provider",
        "prices": "",
        "lines": [["requests", 1, cost], *lines],
    }


class ExecutionEvents:
    """Apart from the aggregate only because together they would be one very long file."""

    class Started(Aggregate.Event):
        TOPIC = "execution.started"

    class NodeStarted(Aggregate.Event):
        """reserved: {usd_pico, tokens_max, counters} of an attempt that budgets pay for: how much
        is held of each counter (domain/budget_rules.py) until it is known what it cost.
        """

        TOPIC = "execution.node_started"
        class_version = 2
        path: str
        node_type: str
        attempt: int
        request: JsonObject
        idempotency_key: str
        reserved: JsonObject | None

        @staticmethod
        def upcast_v1_v2(state: dict[str, Any]) -> None:
            """There were no budgets."""
            state["reserved"] = None

    class NodeCompleted(Aggregate.Event):
        """ports: those whose edges are taken; none are the edges without a port. usage: of an
        attempt that was paid for, as domain/usage.py writes it.
        """

        TOPIC = "execution.node_completed"
        class_version = 2
        path: str
        node_type: str
        attempt: int
        output: Json
        ports: list[str]
        model: str | None
        tokens_in: int
        tokens_out: int
        cost_usd_pico: int | None
        usage: JsonObject | None

        @staticmethod
        def upcast_v1_v2(state: dict[str, Any]) -> None:
            upcast_usage(state)

    class NodeFailed(Aggregate.Event):
        """retry_at: RFC 3339; None when the node failed for good."""

        TOPIC = "execution.node_failed"
        class_version = 2
        path: str
        node_type: str
        attempt: int
        code: str
        message: str
        retry_at: str | None
        model: str | None
        tokens_in: int
        tokens_out: int
        cost_usd_pico: int | None
        usage: JsonObject | None

        @staticmethod
        def upcast_v1_v2(state: dict[str, Any]) -> None:
            upcast_usage(state)

    class NodeDoubted(Aggregate.Event):
        """An attempt whose outcome nobody knows, and a node that asks before it is tried again."""

        TOPIC = "execution.node_doubted"
        path: str
        node_type: str
        attempt: int
        code: str
        message: str

    class UsageUnresolved(Aggregate.Event):
        """An attempt that may have been billed ended, and nobody here can know what it used."""

        TOPIC = "execution.usage_unresolved"
        path: str
        node_type: str
        attempt: int
        model: str | None
        workflow_id: str | None
        created_by: str

    class UsageResolved(Aggregate.Event):
        """What such an attempt used, as somebody found out, or as its answer said that came late.
        usage: as domain/usage.py writes it. reason: in the words of who found out.
        """

        TOPIC = "execution.usage_resolved"
        path: str
        node_type: str
        attempt: int
        model: str | None
        tokens_in: int
        tokens_out: int
        cost_usd_pico: int | None
        usage: JsonObject
        reason: str

    class NodesSkipped(Aggregate.Event):
        TOPIC = "execution.nodes_skipped"
        paths: list[str]

    class NodeOpened(Aggregate.Event):
        """The iterations of a loop or map begin."""

        TOPIC = "execution.node_opened"
        path: str
        node_type: str
        keeps_results: bool

    class IterationEnded(Aggregate.Event):
        """error: {path, code, message} of one that failed. compensations: {path, request, problem}
        for what it did that can be undone.
        """

        TOPIC = "execution.iteration_ended"
        path: str
        index: int
        output: Json
        error: JsonObject | None
        compensations: list[JsonObject]

    class NodeSuspended(Aggregate.Event):
        """A node waits without a worker. request: for what. until: RFC 3339; None is for ever."""

        TOPIC = "execution.node_suspended"
        path: str
        node_type: str
        attempt: int
        request: JsonObject
        until: str | None

    class ChildStarted(Aggregate.Event):
        TOPIC = "execution.child_started"
        path: str
        node_type: str
        attempt: int
        child_id: str
        is_awaited: bool
        on_parent_close: str

    class ChildEnded(Aggregate.Event):
        TOPIC = "execution.child_ended"
        path: str
        child_id: str
        status: str
        output: Json
        error: JsonObject | None

    class Signalled(Aggregate.Event):
        TOPIC = "execution.signalled"
        name: str
        payload: Json

    class ApprovalDecided(Aggregate.Event):
        TOPIC = "execution.approval_decided"
        path: str
        decision: str
        comment: str | None
        edits: Json
        decided_by: str

    class Suspended(Aggregate.Event):
        """Nothing is to be done before wake_at (RFC 3339; None: before something comes)."""

        TOPIC = "execution.suspended"
        wake_at: str | None

    class Paused(Aggregate.Event):
        TOPIC = "execution.paused"

    class Resumed(Aggregate.Event):
        TOPIC = "execution.resumed"

    class CompensationStarted(Aggregate.Event):
        """reason: failed | cancelled | requested. error: of a run that failed."""

        TOPIC = "execution.compensation_started"
        reason: str
        message: str | None
        error: JsonObject | None
        stopped_paths: list[str]

    class AttentionNeeded(Aggregate.Event):
        """paths: the nodes that somebody has to resolve."""

        TOPIC = "execution.attention_needed"
        message: str
        paths: list[str]
        done_paths: list[str]

    class Resolved(Aggregate.Event):
        """outcome: done | retry | skip."""

        TOPIC = "execution.resolved"
        path: str
        node_type: str
        outcome: str
        output: Json

    class Retried(Aggregate.Event):
        """paths: the nodes that are done again."""

        TOPIC = "execution.retried"
        paths: list[str]

    class NodeCopied(Aggregate.Event):
        """What a node did in the run that this one was forked from."""

        TOPIC = "execution.node_copied"
        path: str
        node_type: str
        output: Json
        ports: list[str]

    class Upgraded(Aggregate.Event):
        TOPIC = "execution.upgraded"
        definition_hash: str
        workflow_version: int

    class Completed(Aggregate.Event):
        TOPIC = "execution.completed"
        output: Json

    class Failed(Aggregate.Event):
        """path, attempt: of the node that failed. stopped_paths: what else ran or waited."""

        TOPIC = "execution.failed"
        path: str | None
        attempt: int | None
        code: str
        message: str
        stopped_paths: list[str]

    class Cancelled(Aggregate.Event):
        TOPIC = "execution.cancelled"
        reason: str | None
        stopped_paths: list[str]

    class RunMetered(Aggregate.Event):
        """How long the run was worked on, where somebody sells that. attempt: of its ends, the how
        manieth. usage: as domain/usage.py writes it.
        """

        TOPIC = "execution.run_metered"
        attempt: int
        cost_usd_pico: int | None
        usage: JsonObject

    class PayloadsRemoved(Aggregate.Event):
        """What went into the run and came out of it is gone, so many days after its end."""

        TOPIC = "execution.payloads_removed"
        payload_days: int

    class Erased(Aggregate.Event):
        """The key of its data subject is gone, and with it all that it was given and made."""

        TOPIC = "execution.erased"
        subject_id: str

    class Compensated(Aggregate.Event):
        TOPIC = "execution.compensated"
        paths: list[str]
