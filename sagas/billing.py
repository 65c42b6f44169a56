"""The billing saga: takes each step of a tenant's billing when it is due.

    claim a timer ──► the step (commands/billing_cycle.py) ──► one append, with the next timer

A worker that dies leaves its lease to run out, and the next one finds done what was done. What
several do at once only one of them stores.
"""

import asyncio
import logging
from dataclasses import dataclass

from commands.authorization import Caller
from commands.billing_cycle import next_step, past_due
from commands.billing_port import BillingTimers, DueBilling
from commands.decisions import Decided, Tenancy
from commands.ports import Ports
from commands.sealing_port import KeyDestroyed
from domain.billing_accounts import billing_account_id
from domain.envelope import Envelope
from domain.errors import DomainError, Stale, Unavailable
from infra.crash_points import reach

log = logging.getLogger(__name__)

# Far longer than an invoice of many facts takes; when it runs out all the same, one of two who make
# it stores it.
LEASE_S = 300.0
# What was refused is tried again, for somebody may have changed what it was refused for.
AGAIN_S = 60.0


@dataclass(frozen=True, slots=True)
class BillingSaga:
    timers: BillingTimers
    ports: Ports
    actor: str
    poll_s: float

    async def run(self) -> None:
        """Run until cancelled."""
        while True:
            if not await self.work_once():
                await asyncio.sleep(self.poll_s)

    async def work_once(self) -> bool:
        """One step of one tenant. False: nothing is due."""
        due = await self.timers.claim(LEASE_S, now=self.ports.clock.now())
        if due is None:
            return False
        reach("billing.after_claim")
        pause_s = 0.0
        try:
            if not await self.take_step(due):
                pause_s = AGAIN_S
        except Stale:
            log.info("billing of tenant %s was changed meanwhile", due.tenant_id)
        except Unavailable:
            raise
        except KeyDestroyed:
            pause_s = AGAIN_S  # The row goes with what is left of the tenant.
        except DomainError as refusal:
            log.warning("billing of tenant %s waits: %s", due.tenant_id, refusal.detail)
            pause_s = AGAIN_S
        await self.timers.release(due, pause_s=pause_s)
        return True

    async def take_step(self, due: DueBilling) -> bool:
        """Whether there was one. Raises Stale, KeyDestroyed, TooManyFacts."""
        caller = Caller(self.actor, None, frozenset(), is_operator=True)
        on = Tenancy(self.ports, caller, due.tenant_id)
        decided = await self._decided(due, on)
        if not any(one.pending_events for one in decided.aggregates):
            return (
                False  # Nothing would be stored: claimed again at once it would hold up all others.
            )
        if decided.result.get("unpriced"):
            log.warning("an invoice of tenant %s has usage without a price", due.tenant_id)
        reach("billing.before_append")
        await self.ports.events.append(
            decided.aggregates, Envelope(due.tenant_id, self.actor), side_rows=decided.side_rows
        )
        reach("billing.after_append")
        return True

    async def _decided(self, due: DueBilling, on: Tenancy) -> Decided:
        if due.subject_id == billing_account_id(due.tenant_id):
            return await next_step(on)
        return await past_due(on, due.subject_id)
