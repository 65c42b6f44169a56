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
)
from read_api.context import ReadInfo
from read_api.execution_filter import OF_STATUS, ExecutionFilter, ExecutionStatus, conditions_of
from read_api.limits import PAGE_SIZE_DEFAULT
from read_api.past import past_execution, past_rows
from read_api.scalars import BigInt, Instant, Json
from read_api.shaping import related
from read_api.workflows import Workflow

PRICED = (
    "USD, exact. A lower bound when hasUnpriced. What has a price over a period counts at the rate"
    " of its dearest tier."
)
UNPRICED = "Some call has no known price, or nobody knows yet what it used."

NODES = Relation(
    outer="e",
    key="execution_id",
    alias="n",
    rows="node_runs_v4 AS n WHERE n.execution_id = e.execution_id",
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
# The inner rows have a name of their own, for `e` is the execution whose children they are.
CHILDREN = Relation(
    outer="e",
    key="execution_id",
    alias="e",
    rows="executions_v5 AS c WHERE c.parent_id = e.execution_id",
    order="c.execution_id",
    count_max="100",
)


def total(value: LiteralString, *, runs_max: LiteralString = "10000") -> LiteralString:
    """Of a row and all that it started, with theirs, by the index of parents; `t` in value. Null
    of more than runs_max: rather nothing than a part of it.
    """
    return (
        "(WITH RECURSIVE below AS ("
        "   SELECT e.execution_id, e.cost_usd_pico, e.unpriced"
        "   UNION ALL SELECT c.execution_id, c.cost_usd_pico, c.unpriced"
        "     FROM below AS b JOIN executions_v5 AS c ON c.parent_id = b.execution_id)"
        " SELECT CASE WHEN count(*) <= " + runs_max + " THEN " + value + " END"
        "  FROM (SELECT * FROM below LIMIT " + runs_max + " + 1) AS t)"
    )


TOTAL_COST = total(money("sum(t.cost_usd_pico)"))
TOTAL = (
    "Of this and all executions that its nodes started, at any depth, as they are now and as far"
    " as you see them. Null where these are 10,000 or more; usage has the sums of those."
)
OWN: LiteralString = (
    "e.execution_id = ANY (ARRAY(SELECT own_runs(($1->>'after')::uuid, ($1->>'first')::int + 1)))"
)
EXECUTIONS = Listing("Execution", "e", "executions_v5 AS e", "execution_id", own=OWN)
PAST_EXECUTION: LiteralString = " FROM " + past_rows(EXECUTION_ROWS, "executions", "e")


@strawberry.enum
class NodeStatus(Enum):
    PENDING = "PENDING"
    RUNNING = "RUNNING"
    WAITING = strawberry.enum_value(
        "WAITING",
        description="For its next attempt, a time, a signal, a decision, another execution, or"
        " somebody to say what it did.",
    )
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    SKIPPED = "SKIPPED"
    COMPENSATED = strawberry.enum_value("COMPENSATED", description="What it did was undone.")
    CANCELLED = "CANCELLED"


@strawberry.type(description="One node of an execution, over all its attempts.")
class NodeRun:
    id: strawberry.ID = column("n.node_id", "The node's id in its definition.")
    path: str = column(
        "n.path",
        "The node's id, `map[3]/draft` inside a body, or `draft/compensate` for what undoes it.",
    )
    type: str | None = column("n.type", "Null for a node that was skipped.")
    status: NodeStatus = column("n.status")
    attempt: int = column("n.attempt", "The newest attempt, from 1; 0 if there was none.")
    started_at: Instant | None = column("n.started_at")
    wake_at: Instant | None = column("n.wake_at", "When its wait ends though nothing comes.")
    completed_at: Instant | None = column("n.completed_at")
    duration_ms: BigInt | None = column("n.duration_ms", "With the waits between attempts.")
    input: Json | None = column("n.input", "Of the newest attempt, or what it waits for.")
    output: Json | None = column("n.output")
    error: Json | None = column("n.error", "{code, message, attempt}")
    child_id: strawberry.ID | None = column("n.child_id", "The execution that it started.")
    iterations: int | None = column(
        "n.iterations", "How many of its body have ended; null for a node without a body."
    )
    asked_at: Instant | None = column(
        "n.asked_at", "Since when an approval waits for a decision; null once there is one."
    )
    is_copied: bool = column("n.is_copied", "Done by the execution that this was forked from.")
    model: str | None = column("n.model")
    cost_usd: str = column(money("n.cost_usd_pico"), PRICED)
    has_unpriced: bool = column("n.unpriced > 0", UNPRICED)
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
    parent_id: strawberry.ID | None = column("e.parent_id", "The execution that started this one.")
    parent_path: str | None = column("e.parent_path", "The node of the parent that did.")
    forked_from_id: strawberry.ID | None = column("e.forked_from_id")
    forked_from_node: str | None = column(
        "e.forked_from_node", "The first node that was not copied but done again."
    )
    input: Json | None = column("e.input")
    output: Json | None = column("e.output")
    error: Json | None = column(
        "coalesce(e.attention, e.error)",
        "{code, message, path, attempt}; of one that needs attention"
        " {code, message, paths, done_paths}",
    )
    created_at: Instant = column("e.created_at")
    started_at: Instant | None = column("e.started_at")
    wake_at: Instant | None = column(
        "e.wake_at", "When it goes on though nothing comes, while it waits."
    )
    completed_at: Instant | None = column("e.completed_at")
    payloads_removed_at: Instant | None = column(
        "e.payloads_removed_at", "Since when only the facts are left, as the tenant asked."
    )
    data_subject: str | None = column(
        "e.data_subject", "Whose data it works on, where that was said; null once they are erased."
    )
    erased_at: Instant | None = column(
        "e.erased_at", "Since when its data subject is erased: only the facts are left."
    )
    duration_ms: BigInt | None = column("e.duration_ms", "From the first step to the end.")
    cost_usd: str = column(
        money("e.cost_usd_pico"), PRICED + " Its own, without executions that it started."
    )
    has_unpriced: bool = column("e.unpriced > 0", UNPRICED)
    total_cost_usd: str | None = column(TOTAL_COST, "costUsd of all. " + TOTAL)
    total_has_unpriced: bool | None = column(
        total("bool_or(t.unpriced > 0)"), "hasUnpriced of any. " + TOTAL
    )
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

    @relation(
        CHILDREN,
        "The first 100 executions that its nodes started, as they are now; the list of executions"
        " takes parentId for more.",
    )
    async def children(self, info: ReadInfo) -> list["Execution"]:
        rows = await info.context.related(CHILDREN, "Execution", self.id)
        return [Execution(**row) for row in rows]

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
    wanted = filter_ or ExecutionFilter()
    conditions, params = conditions_of(wanted)
    return await read_page(
        info,
        EXECUTIONS,
        Execution,
        first=first,
        after=after,
        conditions=conditions,
        one_of=None if wanted.status is None else OF_STATUS,
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
