"""How long tenants keep payloads: what the event store has to know of it, and what removes them.

Events are never changed. So a tenant that wants its payloads removed has all of them beside its
events, save tiny ones, from the moment on that it says so.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import LiteralString
from uuid import UUID

from commands.retention_port import DueRetention
from domain.identifiers import TenantId
from domain.payloads import INLINE_BYTES_MAX
from infra.postgres import Database

# What is smaller says little, and a row of its own would be larger than it.
REMOVABLE_FROM_BYTES = 256
# How long it is taken for true whether a tenant has a retention.
KNOWN_S = 10.0
TENANTS_MAX = 10_000
# Runs that begin so soon after it was set may have been stored by a process that did not know.
SETTLED_S = 60.0

# fmt: off
HAS_RETENTION: LiteralString = "SELECT EXISTS (SELECT FROM retention WHERE tenant_id = %s)"
CLAIM: LiteralString = (
    "UPDATE retention SET leased_until = clock_timestamp() + make_interval(secs => %s)"
    " WHERE tenant_id = (SELECT tenant_id FROM retention WHERE leased_until <= clock_timestamp()"
    "   ORDER BY leased_until, tenant_id LIMIT 1 FOR UPDATE SKIP LOCKED)"
    " RETURNING tenant_id, payload_days, since, after_stream"
)
RELEASE: LiteralString = (
    "UPDATE retention SET after_stream = %s,"
    " leased_until = clock_timestamp() + make_interval(secs => %s) WHERE tenant_id = %s"
)
# Ids of version 7 tell when their stream began.
STREAMS: LiteralString = (
    "SELECT DISTINCT stream_id FROM blob_uses"
    " WHERE tenant_id = %s AND stream_id > %s AND stream_id < %s ORDER BY stream_id LIMIT %s"
)
# fmt: on


class RetentionKnown:
    """Which tenants have a retention, as of a few seconds ago."""

    def __init__(self, database: Database, *, monotonic_s: Callable[[], float]) -> None:
        self._database = database
        self._monotonic_s = monotonic_s
        # By the number of the tenant: to hash a UUID is a function of Python's.
        self._known: OrderedDict[int, tuple[int, float]] = OrderedDict()
        self._asking: dict[TenantId, asyncio.Task[int]] = {}

    def kept(self, tenant_id: TenantId) -> int | None:
        """As inline_bytes_max, without waiting, if it is in memory; for every append asks."""
        bytes_max, until_s = self._known.get(tenant_id.int, (None, 0.0))
        return None if bytes_max is None or self._monotonic_s() >= until_s else bytes_max

    async def inline_bytes_max(self, tenant_id: TenantId) -> int:
        """Larger payloads lie beside their events. However many ask at a time, the database is
        asked once.
        """
        if (bytes_max := self.kept(tenant_id)) is not None:
            return bytes_max
        asking = self._asking.get(tenant_id)
        if asking is None:
            asking = asyncio.create_task(self._ask(tenant_id))
            self._asking[tenant_id] = asking
            asking.add_done_callback(lambda _: self._asking.pop(tenant_id, None))
        return await asyncio.shield(asking)

    async def _ask(self, tenant_id: TenantId) -> int:
        async with self._database.tenant_transaction(tenant_id) as conn:
            row = await (await conn.execute(HAS_RETENTION, (tenant_id,))).fetchone()
        has_retention = row is not None and bool(row[0])
        bytes_max = REMOVABLE_FROM_BYTES if has_retention else INLINE_BYTES_MAX
        self._known[tenant_id.int] = (bytes_max, self._monotonic_s() + KNOWN_S)
        if len(self._known) > TENANTS_MAX:
            self._known.popitem(last=False)
        return bytes_max


class PostgresRetentions:
    """Implements commands.retention_port.Retentions. database: the role `worker`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def claim(self, lease_s: float) -> DueRetention | None:
        async with self._database.connection() as conn:
            row = await (await conn.execute(CLAIM, (lease_s,))).fetchone()
        return None if row is None else DueRetention(TenantId(row[0]), row[1], row[2], row[3])

    async def streams(self, due: DueRetention, *, begun_before: datetime, limit: int) -> list[UUID]:
        first = first_id_of(due.since + timedelta(seconds=SETTLED_S))
        after = first if due.after is None else max(first, due.after)
        async with self._database.tenant_transaction(due.tenant_id) as conn:
            cursor = await conn.execute(
                STREAMS, (due.tenant_id, after, first_id_of(begun_before), limit)
            )
            return [row[0] for row in await cursor.fetchall()]

    async def release(self, due: DueRetention, *, after: UUID | None, pause_s: float) -> None:
        async with self._database.connection() as conn:
            await conn.execute(RELEASE, (after, pause_s, due.tenant_id))


def first_id_of(moment: datetime) -> UUID:
    """No id of version 7 that was made at this moment or later is smaller."""
    return UUID(int=int(moment.timestamp() * 1000) << 80)
