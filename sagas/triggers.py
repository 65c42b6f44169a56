"""The triggers saga: looks at triggers that are due, and lets those fire whose time has come.

    claim ──► FireDueTrigger, appended with the run and when to look next ──► release

Exactly once: what is decided, the run and the next time are one append, which only one of two
workers can store. Who dies before it leaves a lease to run out; who dies after it leaves nothing.
The command id of a fire is made of the trigger and its time, so that it is the same whoever tries.

A refusal that passes is waited for as long as the trigger catches up; every other one is recorded
as missed, and those that will not pass pause the trigger.
"""

import asyncio
import logging
from dataclasses import dataclass
from uuid import UUID, uuid5

from commands.authorization import Caller
from commands.dispatch import Answer, Contended, Dispatcher, Origin
from commands.ports import Clock
from commands.trigger_fires import FireDueTrigger
from commands.trigger_port import DueTrigger, DueTriggers
from domain.errors import DomainError, Forbidden, Invalid, NotFound, OverLimit, Unavailable
from domain.trigger_fires import wait_s
from infra.crash_points import reach
from infra.metrics import METRICS

log = logging.getLogger(__name__)

# Longer than a fire takes; when it runs out all the same, nothing is done twice.
LEASE_S = 30.0
# Fires at once in one worker, of one claim.
PAGE = 32
# Room that comes back within this is waited for; what a month's quota refuses is missed.
REST_S_MAX = 60.0
# Never changes: who tries a fire again gives it the same command id.
FIRES_NAMESPACE = UUID("2c1b2a52-6f0e-5b57-8d5e-51a0f6c7d9e4")


@dataclass(frozen=True, slots=True)
class TriggerSaga:
    """dispatcher: one that asks nobody whether the tenant may act: claims leave out who may not."""

    triggers: DueTriggers
    dispatcher: Dispatcher
    clock: Clock
    poll_s: float

    async def run(self) -> None:
        """Run until cancelled."""
        while True:
            if not await self.work_once():
                await asyncio.sleep(self.poll_s)

    async def work_once(self) -> bool:
        """One page. False: there is nothing to do."""
        page = await self.triggers.claim(LEASE_S, now=self.clock.now(), limit=PAGE)
        if not page:
            return False
        reach("triggers.after_claim")
        await asyncio.gather(*(self._look_at(due) for due in page))
        return True

    async def _look_at(self, due: DueTrigger) -> None:
        """Raises Unavailable."""
        try:
            answer = await self._dispatch(
                due, FireDueTrigger(due.trigger_id, waited_for=due.refused_with)
            )
            reach("triggers.after_fire")
            if answer.position is None:
                await self.triggers.release(due, pause_s=wait_s(self.clock.now() - due.due_at))
        except Contended:
            await self.triggers.release(due, pause_s=0.0)
        except Unavailable:
            raise
        except DomainError as refusal:
            await self._refused(due, refusal)

    async def _refused(self, due: DueTrigger, refusal: DomainError) -> None:
        METRICS.sagas.trigger_refusals.labels(refusal.code).inc()
        if isinstance(refusal, OverLimit) and refusal.retry_after_s <= REST_S_MAX:
            await self.triggers.release(
                due, pause_s=refusal.retry_after_s, refused_with=refusal.code
            )
            return
        log.info("trigger %s: its fire was refused: %s", due.trigger_id, refusal.detail)
        will_not_pass = isinstance(refusal, NotFound | Forbidden | Invalid)
        missed = FireDueTrigger(
            due.trigger_id,
            refused_with=refusal.code,
            must_pause=will_not_pass,
            waited_for=due.refused_with,
        )
        try:
            await self._dispatch(due, missed)
            reach("triggers.after_miss")
        except DomainError as error:
            if isinstance(error, Unavailable) and not isinstance(error, Contended):
                raise
            # The trigger itself is not there any more: what is left of it goes with its tenant.
            await self.triggers.release(due, pause_s=REST_S_MAX)

    async def _dispatch(self, due: DueTrigger, command: FireDueTrigger) -> Answer:
        caller = Caller(
            f"trigger:{due.trigger_id}", due.tenant_id, frozenset({FireDueTrigger.requires})
        )
        fire_id = uuid5(FIRES_NAMESPACE, f"{due.trigger_id}/{due.due_at.isoformat()}")
        return await self.dispatcher.dispatch(command, caller, Origin(fire_id))
