"""The check of `agentledger verify` on triggers: the row that says when to look at each is what its
events say, for nobody would miss what never begins.

It is read in one snapshot, so it may run beside live traffic. One trigger is in memory at a time.
"""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import LiteralString, cast
from uuid import UUID

from psycopg import AsyncConnection

from domain.aggregates import Aggregate
from domain.trigger_fires import is_waiting, next_due
from domain.triggers import Trigger
from infra.budget_verification import BEGIN
from infra.event_codec import decode, mutated
from infra.event_log import COLUMNS, Row, logged_event
from infra.event_sealing import OpenEvents, is_erased
from infra.verification import IS_ERASED, Check

PAGE = 2000

# fmt: off
EVENTS: LiteralString = (
    "SELECT " + COLUMNS + " FROM events WHERE (originator_id, originator_version) > (%s, %s)"
    " AND topic LIKE 'trigger.%%' AND NOT tenant_id" + IS_ERASED +
    " ORDER BY originator_id, originator_version LIMIT %s"
)
DUE: LiteralString = "SELECT due_at FROM due_triggers WHERE trigger_id = %s AND tenant_id = %s"
STRAY: LiteralString = (
    "SELECT d.trigger_id FROM due_triggers AS d WHERE NOT d.tenant_id" + IS_ERASED +
    " AND NOT EXISTS (SELECT FROM events AS e WHERE e.originator_id = d.trigger_id"
    "   AND e.tenant_id = d.tenant_id AND e.topic = 'trigger.created')"
)
# fmt: on


async def verify_triggers(conn: AsyncConnection, open_events: OpenEvents) -> Check:
    """conn: autocommit, sees every tenant."""
    check = Check("every trigger is looked at when its events say")
    await conn.execute(BEGIN)
    try:
        async for tenant_id, trigger in _triggers(conn, open_events):
            check.checked += 1
            row = await (await conn.execute(DUE, (trigger.id, tenant_id), prepare=True)).fetchone()
            if mistake := _mistake(trigger, None if row is None else row[0]):
                check.violated(f"{trigger.id}: {mistake}")
        async for (trigger_id,) in await conn.execute(STRAY):
            check.violated(f"{trigger_id}: is looked at, and has no events")
    finally:
        await conn.execute("ROLLBACK")
    return check


def _mistake(trigger: Trigger, due_at: datetime | None) -> str | None:
    """due_at: when its row says that it is looked at; None: there is no row."""
    is_asleep = trigger.is_deleted or trigger.is_paused or trigger.kind != "schedule"
    expected = None if is_asleep else next_due(trigger)
    if not is_asleep and is_waiting(trigger):
        # How long it waits is not in its events: never beyond its next time.
        is_right = due_at is not None and (expected is None or due_at <= expected)
    else:
        is_right = due_at == expected
    if is_right:
        return None
    return f"is looked at {_told(due_at)}, and its events say {_told(expected)}"


def _told(at: datetime | None) -> str:
    return "never" if at is None else at.isoformat()


async def _triggers(
    conn: AsyncConnection, open_events: OpenEvents
) -> AsyncIterator[tuple[UUID, Trigger]]:
    """Each with its tenant, as of its last event."""
    after: tuple[UUID, int] = (UUID(int=0), -1)
    tenant_id = UUID(int=0)
    trigger: Aggregate | None = None
    while True:
        cursor = conn.cursor(binary=True)
        await cursor.execute(EVENTS, (*after, PAGE), prepare=True)
        rows: list[Row] = await cursor.fetchall()
        for event in await open_events([logged_event(row) for row in rows]):
            if trigger is not None and event.stream_id != trigger.id:
                yield tenant_id, cast("Trigger", trigger)
                trigger = None
            if not is_erased(event):
                tenant_id, trigger = event.tenant_id, mutated(trigger, decode(event))
        if len(rows) < PAGE:
            break
        after = (rows[-1][3], rows[-1][4])
    if trigger is not None:
        yield tenant_id, cast("Trigger", trigger)
