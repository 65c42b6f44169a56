"""Executions and the runs of their nodes: now, in lists, and as of any version."""

from enum import Enum
from functools import partial
from typing import Annotated, LiteralString

import strawberry

from projections.executions import EXECUTIONS as EXECUTION_ROWS
from projections.node_runs import NODE_RUNS
from read_api.agents import Agent
from read_api.arguments import Id, MinPosition
from read_api.columns import Relation, column, money, relation
from read_api.connections import (
    Connection,
    Listing,
    read_one,
    read_page,
    read_row,
    uuid_or_nobody,
)
from read_api.context import ReadInfo
from read_api.limits import PAGE_SIZE_DEFAULT
from read_api.past import past_execution, past_rows
from read_api.scalars import BigInt, Instant, Json
from read_api.shaping import related
from read_api.workflows import Workflow

PRICED = "USD, exact. A lower bound when hasUnpriced."

NODES = Relation(
    outer="e",
    key="execution_id",
    alias="n",
    rows="node_runs_v2 AS n WHERE n.execution_id = e.execution_id",
    rows_past=past_rows(NODE_RUNS, "nodes", "n"),
    order="n.ordinal, n.path",
    count_max="10000",
)
WORKFLOW = Relation(
    outer="e",
    key="workflow_id",
    alias="w",
    rows="workflows_v1 AS w WHERE w.workflow_id = e.workflow_id",
)
AGENT = Relation(
    outer="e", key="agent_id", alias="a", rows="agents_v1 AS a WHERE a.agent_id = e.agent_id"
)
EXECUTIONS = Listing("Execution", "e", "executions_v2 AS e", "execution_id")
PAST_EXECUTION: LiteralString = " FROM " + past_rows(EXECUTION_ROWS, "executions", "e")
ANY_STATUS: LiteralString = "e.status = ANY(ARRAY(SELECT jsonb_array_elements_text($1->'status')))"


@strawberry.enum
class ExecutionStatus(Enum):
    PENDING = "PENDING"
    RUNNING = "RUNNING"
    WAITING = "WAITING"
    PAUSED = "PAUSED"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    COMPENSATING = "COMPENSATING"
    COMPENSATED = "COMPENSATED"
    CANCELLED = "CANCELLED"
    NEEDS_ATTENTION = "NEEDS_ATTENTION"


@strawberry.enum
class NodeStatus(Enum):
    PENDING = "PENDING"
    RUNNING = "RUNNING"
    WAITING = "WAITING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    SKIPPED = "SKIPPED"
    COMPENSATED = "COMPENSATED"
    CANCELLED = "CANCELLED"


@strawberry.input(description="All that is given must hold.")
class ExecutionFilter:
    status: list[ExecutionStatus] | None = None
    workflow_id: strawberry.ID | None = None
    agent_id: strawberry.ID | None = None
    created_after: Instant | None = strawberry.field(default=None, description="Exclusive.")
    created_before: Instant | None = strawberry.field(default=None, description="Exclusive.")


@strawberry.type(description="One node of an execution, over all its attempts.")
class NodeRun:
    id: strawberry.ID = column("n.node_id", "The node's id in its definition.")
    path: str = column("n.path", "The node's id, or `map[3]/draft` inside a body.")
    type: str | None = column("n.type", "Null for a node that was skipped.")
    status: NodeStatus = column("n.status")
    attempt: int = column("n.attempt", "The newest attempt, from 1; 0 before the first.")
    started_at: Instant | None = column("n.started_at")
    completed_at: Instant | None = column("n.completed_at")
    duration_ms: BigInt | None = column("n.duration_ms", "With the waits between attempts.")
    input: Json | None = column("n.input")
    output: Json | None = column("n.output")
    error: Json | None = column("n.error", "{code, message, attempt}")
    model: str | None = column("n.model")
    cost_usd: str = column(money("n.cost_usd_pico"), PRICED)
    has_unpriced: bool = column("n.has_unpriced", "Some call had no known price.")
    tokens_in: BigInt = column("n.tokens_in", "Of all attempts.")
    tokens_out: BigInt = column("n.tokens_out", "Of all attempts.")


@strawberry.type(description="One run of a workflow or of a single agent.")
class Execution:
    id: strawberry.ID = column("e.execution_id")
    status: ExecutionStatus = column("e.status")
    workflow_id: strawberry.ID | None = column("e.workflow_id")
    workflow_version: int | None = column("e.workflow_version")
    agent_id: strawberry.ID | None = column("e.agent_id")
    definition_hash: str = column("e.definition_hash", "SHA-256 of the canonical definition.")
    created_by: str = column("e.created_by")
    input: Json | None = column("e.input")
    output: Json | None = column("e.output")
    error: Json | None = column("e.error", "{code, message, path, attempt}")
    created_at: Instant = column("e.created_at")
    started_at: Instant | None = column("e.started_at")
    completed_at: Instant | None = column("e.completed_at")
    duration_ms: BigInt | None = column("e.duration_ms", "From the first step to the end.")
    cost_usd: str = column(money("e.cost_usd_pico"), PRICED)
    has_unpriced: bool = column("e.has_unpriced", "Some call had no known price.")
    tokens_in: BigInt = column("e.tokens_in")
    tokens_out: BigInt = column("e.tokens_out")
    version: int = column("e.version", "The number of its events.")
    # The rows of its nodes as JSON, where time travel brings its own; else they are read from the
    # table.
    past_nodes: strawberry.Private[str | None] = None

    @relation(NODES, "In the order in which they began.")
    async def nodes(self, info: ReadInfo) -> list[NodeRun]:
        context = info.context
        if self.past_nodes is None:
            rows = await context.related(NODES, "NodeRun", self.id)
        else:
            row = context.shaper.row("NodeRun")
            rows = await context.loaded(
                "SELECT " + related(NODES, row, count_max=NODES.count_max, is_past=True),
                {"nodes": self.past_nodes},
            )
        return [NodeRun(**row) for row in rows]

    @relation(WORKFLOW, "As it is now; definitionHash says what ran.")
    async def workflow(self, info: ReadInfo) -> Workflow | None:
        row = await info.context.related(WORKFLOW, "Workflow", self.workflow_id)
        return None if row is None else Workflow(**row)

    @relation(AGENT, "As it is now.")
    async def agent(self, info: ReadInfo) -> Agent | None:
        row = await info.context.related(AGENT, "Agent", self.agent_id)
        return None if row is None else Agent(**row)


async def execution(info: ReadInfo, id_: Id, _min_position: MinPosition = None) -> Execution | None:
    return await read_one(info, EXECUTIONS, id_, Execution)


async def executions(
    info: ReadInfo,
    *,
    first: int | None = PAGE_SIZE_DEFAULT,
    after: str | None = None,
    filter_: Annotated[ExecutionFilter | None, strawberry.argument(name="filter")] = None,
    _min_position: MinPosition = None,
) -> Connection[Execution]:
    conditions, params = _conditions(filter_ or ExecutionFilter())
    return await read_page(
        info,
        EXECUTIONS,
        Execution,
        first=first,
        after=after,
        conditions=conditions,
        params=params,
    )


async def execution_at(info: ReadInfo, id_: Id, version: int) -> Execution | None:
    """Folded from the log by the functions that keep the read model, then shaped like any row of
    it.
    """
    past = await past_execution(info.context, id_, version)
    if past is None:
        return None
    params = {"executions": past.executions, "nodes": past.nodes}
    make = partial(Execution, past_nodes=past.nodes)
    return await read_row(info, "Execution", PAST_EXECUTION, params, make=make, is_past=True)


def _conditions(wanted: ExecutionFilter) -> tuple[list[LiteralString], dict[str, object]]:
    conditions: list[LiteralString] = []
    params: dict[str, object] = {}
    if wanted.status is not None:
        params["status"] = [status.value for status in wanted.status]
        # One status is an equality, so that the index on it gives the order too.
        is_one = len(wanted.status) == 1
        conditions.append("e.status = $1->'status'->>0" if is_one else ANY_STATUS)
    if wanted.workflow_id is not None:
        params["workflowId"] = uuid_or_nobody(wanted.workflow_id)
        conditions.append("e.workflow_id = ($1->>'workflowId')::uuid")
    if wanted.agent_id is not None:
        params["agentId"] = uuid_or_nobody(wanted.agent_id)
        conditions.append("e.agent_id = ($1->>'agentId')::uuid")
    if wanted.created_after is not None:
        params["createdAfter"] = wanted.created_after
        conditions.append("e.created_at > ($1->>'createdAfter')::timestamptz")
    if wanted.created_before is not None:
        params["createdBefore"] = wanted.created_before
        conditions.append("e.created_at < ($1->>'createdBefore')::timestamptz")
    return conditions, params
