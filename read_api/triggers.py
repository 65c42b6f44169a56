"""Triggers, with what they did last and when they are looked at next, which is known beside the
log itself.
"""

from typing import LiteralString

import strawberry

from read_api.arguments import Id, MinPosition
from read_api.columns import column
from read_api.connections import Connection, Listing, read_one, read_page, uuid_or_nobody
from read_api.context import ReadInfo
from read_api.limits import PAGE_SIZE_DEFAULT
from read_api.scalars import BigInt, Instant, Json

# fmt: off
ROWS: LiteralString = (
    "(SELECT r.*, d.due_at, e.status AS last_status FROM triggers_v2 AS r"
    " LEFT JOIN due_triggers AS d ON d.tenant_id = r.tenant_id AND d.trigger_id = r.trigger_id"
    " LEFT JOIN executions_v5 AS e"
    "   ON e.tenant_id = r.tenant_id AND e.execution_id = r.last_execution_id) AS t"
)
# fmt: on
TRIGGERS = Listing("Trigger", "t", ROWS, "trigger_id", condition="NOT t.is_deleted")


@strawberry.type(description="What begins runs of a workflow by itself.")
class Trigger:
    id: strawberry.ID = column("t.trigger_id")
    workflow_id: strawberry.ID = column("t.workflow_id")
    workflow_version: int | None = column("t.workflow_version", "Null runs the newest.")
    name: str = column("t.name")
    kind: str = column("t.kind", "schedule | webhook")
    schedule: Json | None = column("t.schedule")
    webhook: Json | None = column("t.webhook", "How requests are signed; never where they go.")
    input: Json | None = column("t.input", "The template of what runs get.")
    policy: Json = column("t.policy")
    is_paused: bool = column("t.is_paused")
    pause_reason: str | None = column(
        "t.pause_reason", "by_hand | failures | the code of what refuses its fires for good"
    )
    note: str | None = column("t.note", "Of who paused or resumed it last.")
    next_at: Instant | None = column("t.due_at", "When it fires next, or is looked at.")
    fired_count: BigInt = column("t.fired_count")
    missed_count: BigInt = column("t.missed_count")
    last_fired_at: Instant | None = column("t.last_fired_at")
    last_execution_id: strawberry.ID | None = column(
        "t.last_execution_id", "The run that it began last."
    )
    last_status: str | None = column("t.last_status", "How that run is doing, or how it ended.")
    failures_in_a_row: int = column(
        "t.failures_in_a_row",
        "Of runs that it has seen to end, before it begins the next; of those that it looks after:"
        " whose overlap or pause_after_failures asks for it.",
    )
    last: Json = column(
        "t.last", "The last 20 fires and misses, newest first, with executions and reasons."
    )
    created_by: str = column("t.created_by", "Whose runs they are.")
    created_at: Instant = column("t.created_at")
    updated_at: Instant = column("t.updated_at")
    version: int = column("t.version")


async def trigger(info: ReadInfo, id_: Id, _min_position: MinPosition = None) -> Trigger | None:
    return await read_one(info, TRIGGERS, id_, Trigger)


async def triggers(
    info: ReadInfo,
    *,
    workflow_id: strawberry.ID | None = None,
    first: int | None = PAGE_SIZE_DEFAULT,
    after: str | None = None,
    _min_position: MinPosition = None,
) -> Connection[Trigger]:
    conditions: list[LiteralString] = []
    params: dict[str, str] = {}
    if workflow_id is not None:
        conditions.append("t.workflow_id = ($1->>'workflow')::uuid")
        params["workflow"] = uuid_or_nobody(workflow_id)
    return await read_page(
        info, TRIGGERS, Trigger, first=first, after=after, conditions=conditions, params=params
    )
