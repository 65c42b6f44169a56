"""Which limits each tenant is under, from memory: asked by every request, and by a worker for every
step.

of, known ──► remembered ── older than REMEMBERED_S: told all the same, and asked anew meanwhile
                  ▲
                  └── forgotten when the log tells of the tenant, or of a plan
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable
from typing import LiteralString, NamedTuple
from uuid import UUID

from commands.plan_port import STANDARD, TenantPlan
from domain.identifiers import TenantId
from infra.postgres import Database

log = logging.getLogger(__name__)

REMEMBERED_S = 5.0
REMEMBERED_MAX = 10_000
# Whoever is not asked about for so long is asked about before it is told.
STALE_S = 60.0

PLAN: LiteralString = "SELECT plan_id, plan_version, name, limits FROM plan_of(%s)"


class _Remembered(NamedTuple):
    plan: TenantPlan
    at_s: float


class TenantPlans:
    """Implements commands.plan_port.Plans. database: the role `api` or `worker`. monotonic_s: a
    clock that never jumps.
    """

    def __init__(self, database: Database, *, monotonic_s: Callable[[], float]) -> None:
        self._database = database
        self._monotonic_s = monotonic_s
        self._remembered: OrderedDict[TenantId, _Remembered] = OrderedDict()
        self._asking: dict[TenantId, asyncio.Task[TenantPlan]] = {}
        self._plans: set[UUID] = set()

    async def of(self, tenant_id: TenantId) -> TenantPlan:
        remembered = self._remembered.get(tenant_id)
        age_s = STALE_S if remembered is None else self._monotonic_s() - remembered.at_s
        if remembered is not None and age_s < STALE_S:
            if age_s >= REMEMBERED_S:
                self._ask(tenant_id)
            return remembered.plan
        return await asyncio.shield(self._ask(tenant_id))

    def known(self, tenant_id: TenantId) -> TenantPlan:
        remembered = self._remembered.get(tenant_id)
        if remembered is None or self._monotonic_s() - remembered.at_s >= REMEMBERED_S:
            self._ask(tenant_id)
        return STANDARD if remembered is None else remembered.plan

    def forget(self, stream_id: UUID) -> None:
        """An event of this stream was told: of a tenant, whose stream has its id, or of a plan,
        which any tenant may be on. What is on its way may be older, and is not remembered.
        """
        if stream_id in self._plans:
            self._remembered.clear()
            self._asking.clear()
            return
        tenant_id = TenantId(stream_id)
        self._remembered.pop(tenant_id, None)
        self._asking.pop(tenant_id, None)

    def _ask(self, tenant_id: TenantId) -> asyncio.Task[TenantPlan]:
        asking = self._asking.get(tenant_id)
        if asking is None:
            asking = self._asking[tenant_id] = asyncio.create_task(self._read(tenant_id))
            asking.add_done_callback(lambda task: self._answered(tenant_id, task))
        return asking

    async def _read(self, tenant_id: TenantId) -> TenantPlan:
        async with self._database.connection() as conn:
            row = await (await conn.execute(PLAN, (tenant_id,))).fetchone()
        assert row is not None, "the standard plan is there from the start"
        return TenantPlan(*row)

    def _answered(self, tenant_id: TenantId, task: asyncio.Task[TenantPlan]) -> None:
        is_news = self._asking.get(tenant_id) is task
        if is_news:
            del self._asking[tenant_id]
        if task.cancelled():
            return
        error = task.exception()
        if error is not None:
            log.warning("the plan of a tenant is not known anew: %r", error)
        elif is_news:
            self._plans.add(task.result().plan_id)
            self._remembered[tenant_id] = _Remembered(task.result(), self._monotonic_s())
            self._remembered.move_to_end(tenant_id)
            if len(self._remembered) > REMEMBERED_MAX:
                self._remembered.popitem(last=False)
