"""Which limits each tenant is under: asked by every request, and by a worker for every step."""

from collections.abc import Callable
from typing import LiteralString
from uuid import UUID

from commands.plan_port import STANDARD, TenantPlan
from domain.identifiers import TenantId
from infra.postgres import Database
from infra.tenant_memory import TenantMemory

PLAN: LiteralString = (
    "SELECT plan_id, plan_version, name, limits, agent_limits_of(%s), own_call_limits_of(%s)"
    " FROM plan_of(%s)"
)


class TenantPlans:
    """Implements commands.plan_port.Plans. database: the role `api` or `worker`."""

    def __init__(self, database: Database, *, monotonic_s: Callable[[], float]) -> None:
        self._database = database
        self._memory = TenantMemory(self._read, monotonic_s=monotonic_s, unknown=STANDARD)
        # Asked several times for each step: without a call in between.
        self.of, self.known = self._memory.of, self._memory.known
        self._plans: set[UUID] = set()

    def forget(self, stream_id: UUID) -> None:
        """An event of this stream was told: of a tenant, whose stream has its id, or of a plan,
        which any tenant may be on.
        """
        if stream_id in self._plans:
            self._memory.forget_all()
        else:
            self._memory.forget(TenantId(stream_id))

    async def _read(self, tenant_id: TenantId) -> TenantPlan:
        async with self._database.connection() as conn:
            row = await (await conn.execute(PLAN, (tenant_id,) * 3)).fetchone()
        assert row is not None, "the standard plan is there from the start"
        plan_id, plan_version, name, limits, agent_limits, own_limits = row
        plan = TenantPlan(plan_id, plan_version, name, limits, agent_limits or {}, own_limits or {})
        self._plans.add(plan.plan_id)
        return plan
