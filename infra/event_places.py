"""Where events lie that are known by an id only: one by its own, and those that follow from it, in
whatever stream of the tenant (infra/migrations/0088_causes.sql has the indexes).
"""

from collections.abc import Sequence
from typing import LiteralString, NamedTuple
from uuid import UUID

from domain.identifiers import TenantId
from infra.postgres import Database

# In its own stream a cause or an effect is looked for among so many events.
NEAR_MAX = 2000

# fmt: off
NEAR: LiteralString = (
    "SELECT originator_id, originator_version FROM events WHERE originator_id = %(stream)s"
    " AND originator_version < %(version)s AND originator_version >= %(version)s - %(near)s"
    " AND event_id = %(id)s ORDER BY originator_version DESC LIMIT 1"
)
# The summaries of the log know least of what was stored last, so it comes second.
BY_ID: LiteralString = (
    "SELECT originator_id, originator_version FROM events WHERE event_id = %(id)s LIMIT 1"
)
# What says nothing of its cause follows from the one before it.
OWN_FOLLOWERS: LiteralString = (
    "SELECT originator_id, originator_version FROM events WHERE originator_id = %(stream)s"
    " AND originator_version > %(version)s AND originator_version <= %(version)s + %(near)s"
    " AND (causation_id = %(id)s"
    "   OR causation_id IS NULL AND originator_version = %(version)s + 1)"
    " ORDER BY originator_version LIMIT %(limit)s"
)
# As the index has it: other topics follow from what is in their own stream.
OTHER_FOLLOWERS: LiteralString = (
    "SELECT originator_id, originator_version FROM events"
    " WHERE causation_id = %(id)s AND causation_id IS NOT NULL AND originator_id <> %(stream)s"
    " AND topic <> ALL (ARRAY['execution.started', 'execution.node_started',"
    "                         'execution.node_completed', 'execution.completed'])"
    " ORDER BY era, tx_id, notification_id LIMIT %(limit)s"
)
# fmt: on


class EventPlace(NamedTuple):
    stream_id: UUID
    version: int


async def place_of(
    database: Database, tenant_id: TenantId, event_id: UUID, *, before: EventPlace
) -> EventPlace | None:
    """before: of one that follows from it. database: the role `api`."""
    asked = {**before._asdict(), "stream": before.stream_id, "id": event_id, "near": NEAR_MAX}
    async with database.tenant_transaction(tenant_id) as conn:
        row = await (await conn.execute(NEAR, asked)).fetchone()
        if row is None:
            row = await (await conn.execute(BY_ID, asked)).fetchone()
    return None if row is None else EventPlace(*row)


async def places_of_followers(
    database: Database, tenant_id: TenantId, event_id: UUID, *, at: EventPlace, limit: int
) -> Sequence[EventPlace]:
    """At most so many in its own stream, then at most so many in others, oldest first.

    at: of the event itself. database: the role `api`.
    """
    asked = {"id": event_id, "stream": at.stream_id, "version": at.version}
    asked |= {"near": NEAR_MAX, "limit": limit}
    async with database.tenant_transaction(tenant_id) as conn:
        rows = await (await conn.execute(OWN_FOLLOWERS, asked)).fetchall()
        rows += await (await conn.execute(OTHER_FOLLOWERS, asked)).fetchall()
    return [EventPlace(*row) for row in rows]
