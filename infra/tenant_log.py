"""Following one tenant's log, of some topics only: places are looked at in order, and the events of
these topics are read whole.
"""

from collections.abc import Sequence
from typing import LiteralString, NamedTuple

from infra.event_log import COLUMNS, LoggedEvent, Position, TenantId, logged_event
from infra.postgres import Database

# Only what is settled: a transaction that is still running could commit before what was already
# sent.
# fmt: off
PAGE: LiteralString = (
    "WITH looked AS MATERIALIZED (SELECT era, tx_id, notification_id, originator_id,"
    "   originator_version, topic FROM events"
    "  WHERE tenant_id = %(tenant)s"
    "  AND (era, tx_id, notification_id)"
    "      > (%(era)s::smallint, %(tx_id)s::text::xid8, %(notification_id)s)"
    "  AND (era < current_era() OR tx_id < pg_snapshot_xmin(pg_current_snapshot()))"
    "  ORDER BY tenant_id, era, tx_id, notification_id LIMIT %(limit)s)"
    " SELECT (SELECT count(*) FROM looked), l.era, l.tx_id::text::bigint, l.notification_id,"
    "   e.* FROM (SELECT * FROM looked ORDER BY era DESC, tx_id DESC, notification_id DESC LIMIT 1)"
    "   AS l LEFT JOIN LATERAL (SELECT one.* FROM looked AS k CROSS JOIN LATERAL ("
    "       SELECT " + COLUMNS + " FROM events AS o WHERE o.originator_id = k.originator_id"
    "         AND o.originator_version = k.originator_version OFFSET 0) AS one"
    "     WHERE k.topic = ANY(%(topics)s)) AS e ON true"
    " ORDER BY e.era, e.tx_id, e.notification_id"
)
# fmt: on


class TenantPage(NamedTuple):
    """events: still sealed. until: the last place that was looked at. is_whole: whether there may
    be more already.
    """

    events: Sequence[LoggedEvent]
    until: Position
    is_whole: bool


async def read_tenant_page(
    database: Database,
    tenant_id: TenantId,
    after: Position,
    *,
    topics: Sequence[str],
    limit: int,
) -> TenantPage:
    """limit: of places looked at, whatever their topics."""
    asked = {
        "tenant": tenant_id,
        "era": after.era,
        "tx_id": str(after.tx_id),
        "notification_id": after.notification_id,
        "limit": limit,
        "topics": list(topics),
    }
    async with database.tenant_transaction(tenant_id) as conn:
        cursor = conn.cursor(binary=True)
        await cursor.execute(PAGE, asked, prepare=True)
        rows = await cursor.fetchall()
    if not rows:
        return TenantPage((), after, is_whole=False)
    count, era, tx_id, notification_id = rows[0][:4]
    events = [logged_event(row[4:]) for row in rows if row[4] is not None]
    return TenantPage(events, Position(era, tx_id, notification_id), is_whole=count == limit)
