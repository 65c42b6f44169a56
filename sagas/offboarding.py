"""The offboarding saga: sees a tenant off when its grace is over.

    claim ──► its runs are cancelled ──► Offboarded, and with it its key is destroyed
                                              └──► its rows go (infra/erasure.py)

Until Offboarded it can be cancelled; from then on nothing of the tenant can be read. Every step may
be repeated: a worker that dies leaves its lease to run out, and the next one does the step again,
which finds it done.
"""

import asyncio
import logging
from dataclasses import dataclass
from uuid import UUID

from commands.authorization import Caller
from commands.dispatch import Contended, Dispatcher, Origin
from commands.executions import CancelExecution
from commands.offboarding_port import DueOffboarding, Offboardings
from commands.ports import Clock, EventStore, Ids
from commands.sealing_port import DestroyedTenantKey
from commands.standing_port import ClosedOffboarding
from domain.envelope import Envelope
from domain.errors import DomainError, Stale, Unavailable
from domain.tenants import Tenant
from infra.crash_points import reach

log = logging.getLogger(__name__)

PAGE = 100
# Longer than most take; when it runs out all the same, nothing is done twice.
LEASE_S = 20.0
AGAIN_S = 5.0


@dataclass(frozen=True, slots=True)
class OffboardingSaga:
    """dispatcher: one that asks nobody whether the tenant may act."""

    offboardings: Offboardings
    events: EventStore
    dispatcher: Dispatcher
    clock: Clock
    ids: Ids
    actor: str
    poll_s: float

    async def run(self) -> None:
        """Run until cancelled."""
        while True:
            if not await self.work_once():
                await asyncio.sleep(self.poll_s)

    async def work_once(self) -> bool:
        """One tenant. False: there is nothing to do."""
        due = await self.offboardings.claim(LEASE_S, now=self.clock.now())
        if due is None:
            return False
        reach("offboarding.after_claim")
        await self._see_off(due)
        await self.offboardings.release(due.tenant_id, pause_s=AGAIN_S)
        return True

    async def _see_off(self, due: DueOffboarding) -> None:
        tenant_id = due.tenant_id
        tenant = await self.events.load(Tenant, tenant_id, tenant_id)
        if tenant is None or not tenant.is_leaving:
            return  # It stays after all: that came after we had claimed it.
        if not await self._cancel_executions(due):
            self.events.keep(tenant, tenant_id)
            return
        tenant.offboard()
        rows = (ClosedOffboarding(tenant.standing), DestroyedTenantKey())
        reach("offboarding.before_end")
        try:
            await self.events.append([tenant], Envelope(tenant_id, self.actor), side_rows=rows)
        except Stale:
            log.info("tenant %s was changed meanwhile; it is looked at again", tenant_id)
        else:
            reach("offboarding.after_end")

    async def _cancel_executions(self, due: DueOffboarding) -> bool:
        """Whether none is left."""
        tenant_id = due.tenant_id
        after: UUID | None = None
        while page := await self.offboardings.open_executions(tenant_id, after=after, limit=PAGE):
            await asyncio.gather(*(self._cancel(due, each) for each in page))
            reach("offboarding.after_cancel")
            after = page[-1]
        return not await self.offboardings.open_executions(tenant_id, after=None, limit=1)

    async def _cancel(self, due: DueOffboarding, execution_id: UUID) -> None:
        """Raises Unavailable. What is refused has ended meanwhile, or is looked at again."""
        caller = Caller(self.actor, due.tenant_id, frozenset({CancelExecution.requires}))
        command = CancelExecution(execution_id, reason="the tenant leaves")
        try:
            origin = Origin(self.ids.new(), cause_id=due.cause_id)
            await self.dispatcher.dispatch(command, caller, origin)
        except DomainError as refusal:
            if isinstance(refusal, Unavailable) and not isinstance(refusal, Contended):
                raise
            log.info("execution %s is not cancelled: %s", execution_id, refusal.detail)
