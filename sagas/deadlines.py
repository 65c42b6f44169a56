"""The deadlines saga: gives the command that a time is for, when it has come.

    claim ──► command, appended with the next deadline ──► release

A deadline is a row that is written with the events that say so, so none is lost and none is left
over. A command may be given again: it records what has come by time, and finds that done.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from uuid import UUID

from commands.authorization import Caller
from commands.credits import ExpireCredits
from commands.deadline_port import DeadlineKind, Deadlines, DueDeadline
from commands.decisions import Command
from commands.dispatch import Contended, Dispatcher, Origin
from commands.execution_usage import LeaveEmbeddingUnresolved
from commands.licences import ExpireLicence
from commands.payments import CollectPayment
from commands.ports import Clock, Ids
from commands.subscriptions import AdvanceSubscription
from domain.errors import DomainError, Unavailable
from infra.crash_points import reach

log = logging.getLogger(__name__)

# Longer than a command takes; when it runs out all the same, nothing is done twice.
LEASE_S = 20.0
# What is still due afterwards waits as long: what was refused, or is longer than one step.
AGAIN_S = 5.0

COMMANDS: Mapping[DeadlineKind, Callable[[UUID], Command]] = {
    "payment": CollectPayment,
    "subscription": lambda _: AdvanceSubscription(),
    "credits": lambda _: ExpireCredits(),
    "licence": ExpireLicence,
    "embedding": LeaveEmbeddingUnresolved,
}


@dataclass(frozen=True, slots=True)
class DeadlineSaga:
    """dispatcher: one that asks nobody whether the tenant may act."""

    deadlines: Deadlines
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
        """One deadline. False: there is nothing to do."""
        due = await self.deadlines.claim(LEASE_S, now=self.clock.now())
        if due is None:
            return False
        reach("deadlines.after_claim")
        await self._meet(due)
        reach("deadlines.before_release")
        await self.deadlines.release(due, pause_s=AGAIN_S)
        return True

    async def _meet(self, due: DueDeadline) -> None:
        """Raises Unavailable. What is refused otherwise is looked at again."""
        command = COMMANDS[due.kind](due.subject_id)
        caller = Caller(self.actor, due.tenant_id, frozenset({command.requires}))
        try:
            await self.dispatcher.dispatch(command, caller, Origin(self.ids.new()))
        except DomainError as refusal:
            if isinstance(refusal, Unavailable) and not isinstance(refusal, Contended):
                raise
            log.warning("%s %s: not done: %s", due.kind, due.subject_id, refusal.detail)
