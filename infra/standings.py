"""Whether tenants may act: what the API asks for every command, and what a worker goes by.

api: of(tenant) ── remembered for seconds, forgotten when the log tells of the tenant
worker: all that stand still ── read every second
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable
from typing import LiteralString, cast
from uuid import UUID

from commands.standing_port import Standing
from domain.errors import Unavailable
from domain.identifiers import TenantId
from infra.postgres import Database

log = logging.getLogger(__name__)

REMEMBERED_S = 5.0
REMEMBERED_MAX = 10_000
HELD_POLL_S = 1.0
HELD_MAX = 100_000

STANDING: LiteralString = "SELECT standing FROM tenant_standings WHERE tenant_id = %s"
HELD: LiteralString = "SELECT tenant_id FROM tenant_standings WHERE standing <> 'active' LIMIT %s"


class PostgresStandings:
    """Implements commands.standing_port.Standings. database: the role `api`."""

    def __init__(self, database: Database, *, monotonic_s: Callable[[], float]) -> None:
        self._database = database
        self._monotonic_s = monotonic_s
        self._remembered: OrderedDict[TenantId, tuple[Standing, float]] = OrderedDict()
        self._asking: dict[TenantId, asyncio.Task[Standing]] = {}

    async def of(self, tenant_id: TenantId) -> Standing:
        remembered = self._remembered.get(tenant_id)
        if remembered is not None and self._monotonic_s() < remembered[1]:
            return remembered[0]
        asking = self._asking.get(tenant_id)
        if asking is None:
            asking = self._asking[tenant_id] = asyncio.create_task(self._ask(tenant_id))
            asking.add_done_callback(lambda task: self._answered(tenant_id, task))
        return await asyncio.shield(asking)

    def forget(self, stream_id: UUID) -> None:
        """An event of this stream was told; the stream of a tenant has the tenant's id. What is on
        its way may be older than the event, and is not remembered.
        """
        tenant_id = TenantId(stream_id)
        self._remembered.pop(tenant_id, None)
        self._asking.pop(tenant_id, None)

    async def _ask(self, tenant_id: TenantId) -> Standing:
        async with self._database.tenant_transaction(tenant_id) as conn:
            row = await (await conn.execute(STANDING, (tenant_id,))).fetchone()
        return "active" if row is None else cast("Standing", row[0])

    def _answered(self, tenant_id: TenantId, task: asyncio.Task[Standing]) -> None:
        if self._asking.get(tenant_id) is not task:
            return
        del self._asking[tenant_id]
        if task.cancelled() or task.exception() is not None:
            return
        self._remembered[tenant_id] = (task.result(), self._monotonic_s() + REMEMBERED_S)
        if len(self._remembered) > REMEMBERED_MAX:
            self._remembered.popitem(last=False)


class HeldTenants:
    """The tenants whose runs stand still, as of a second ago. database: the role `worker`.

    on_released: some of them may go on. Without the database what was known last holds.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._held: frozenset[UUID] = frozenset()

    def is_held(self, tenant_id: TenantId) -> bool:
        return bool(self._held) and tenant_id in self._held

    async def refresh(self) -> bool:
        """Whether some that were held are no more."""
        async with self._database.connection() as conn:
            rows = await (await conn.execute(HELD, (HELD_MAX,))).fetchall()
        before, self._held = self._held, frozenset(row[0] for row in rows)
        return bool(before - self._held)

    async def run(self, on_released: Callable[[], None]) -> None:
        """Run until cancelled."""
        while True:
            try:
                if await self.refresh():
                    on_released()
            except Unavailable as error:
                log.warning("who is suspended is not known anew: %s", error)
            await asyncio.sleep(HELD_POLL_S)
