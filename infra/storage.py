"""How many bytes tenants keep: payloads beside the log from their running total, and the log by
what came to it since it was counted last, as it is stored (sealed).
"""

from collections.abc import Sequence
from datetime import datetime
from typing import LiteralString

from domain.identifiers import TenantId
from domain.storage_measurements import KeptBytes, LogPlace
from infra.event_log import read_end
from infra.postgres import Database

# fmt: off
TENANTS: LiteralString = (
    "SELECT tenant_id FROM tenant_standings WHERE tenant_id > %s ORDER BY tenant_id LIMIT %s"
)
BETWEEN: LiteralString = (
    " FROM events WHERE tenant_id = %s"
    " AND (era, tx_id, notification_id) > (%s::smallint, %s::text::xid8, %s::bigint)"
    " AND (era, tx_id, notification_id) <= (%s::smallint, %s::text::xid8, %s::bigint)"
)
# What lies behind the first event of the next day is counted with that day.
FIRST_LATER: LiteralString = (
    "SELECT era, tx_id::text::bigint, notification_id" + BETWEEN + " AND recorded_at >= %s"
    " ORDER BY events.tenant_id, events.era, events.tx_id, events.notification_id LIMIT 1"
)
LOG_BYTES: LiteralString = "SELECT coalesce(sum(octet_length(state)), 0)" + BETWEEN
PAYLOAD_BYTES: LiteralString = (
    "SELECT coalesce(sum(bytes), 0) FROM blob_totals WHERE tenant_id = %s"
)
# fmt: on


class PostgresStorage:
    """Implements commands.storage_port.Storage. database: the role `worker`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def tenants(self, *, after: TenantId, limit: int) -> Sequence[TenantId]:
        async with self._database.connection() as conn:
            rows = await (await conn.execute(TENANTS, (after, limit))).fetchall()
        return [TenantId(row[0]) for row in rows]

    async def kept(self, tenant_id: TenantId, *, after: LogPlace, before: datetime) -> KeptBytes:
        async with self._database.connection() as conn:
            end = await read_end(conn)
        log_to: LogPlace = (end.era, end.tx_id, end.notification_id)
        begun = (tenant_id, *_numbers(after))
        async with self._database.tenant_transaction(tenant_id) as conn:
            asked = (*begun, *_numbers(log_to), before)
            later = await (await conn.execute(FIRST_LATER, asked)).fetchone()
            if later is not None:
                log_to = (later[0], later[1], later[2] - 1)
            row = await (await conn.execute(LOG_BYTES, (*begun, *_numbers(log_to)))).fetchone()
            assert row is not None
            beside = await (await conn.execute(PAYLOAD_BYTES, (tenant_id,))).fetchone()
            assert beside is not None
        return KeptBytes(int(beside[0]), int(row[0]), log_to)


def _numbers(place: LogPlace) -> tuple[int, str, int]:
    return place[0], str(place[1]), place[2]
