"""Who of the attempts that are ready may run, when there are more of them than slots.

Slots go round by tenant, in proportion to the tenants' weights; within a tenant the oldest attempt
that its limits allow goes first. A slot is never idle while an attempt may have it. How many can
wait is bounded by the executions that a process drives (sagas/start_queue.py) and the nodes of each
that are ready at once.
"""

import asyncio

from sagas.claims import Claim, ClaimLimits, Usage
from sagas.turns import Turns, WeightOf, equal_weights
from sagas.waiting_claims import WaitingClaims

__all__ = ["Claim", "ClaimLimits", "FairSlots"]


class FairSlots:
    """The slots of one process, for use in one event loop."""

    def __init__(self, limits: ClaimLimits, weight_of: WeightOf = equal_weights) -> None:
        self._usage = Usage(limits)
        self._waiting = WaitingClaims[asyncio.Future[None]](self._usage, Turns(weight_of))

    @property
    def in_flight(self) -> int:
        return self._usage.in_flight

    @property
    def waiting_count(self) -> int:
        return self._waiting.count

    def try_take(self, claim: Claim) -> bool:
        """A slot without waiting, or False. Overtakes nobody: while a slot is free, whoever waits
        waits for a limit that this claim does not touch.
        """
        if not self._usage.try_take(claim):
            return False
        if self._waiting.count:
            self._waiting.settle(claim)
        return True

    async def wait(self, claim: Claim) -> None:
        """A slot in turn, where there was none without waiting. Cancelled while it waits, it leaves
        no trace.
        """
        granted = asyncio.get_running_loop().create_future()
        ticket = self._waiting.put(claim, granted)
        try:
            await granted
        except asyncio.CancelledError:
            if granted.done() and not granted.cancelled():
                self.give_back(claim)
            else:
                self._waiting.discard(claim, ticket)
            raise

    def give_back(self, claim: Claim) -> None:
        """Also hands what became free to those who wait."""
        self._usage.give_back(claim)
        if self._waiting.count:
            self._waiting.settle(claim)
            self._hand_out()

    def _hand_out(self) -> None:
        while not self._usage.is_full and (first := self._waiting.next()) is not None:
            claim, ticket, granted = first
            if granted.done():
                # Cancelled in this turn of the event loop, it has had no chance to leave yet.
                self._waiting.discard(claim, ticket)
            elif self._usage.try_take(claim):
                self._waiting.serve(claim, ticket)
                granted.set_result(None)
            else:
                # Its tenant's plan has become narrower since it was put in order.
                self._waiting.settle(claim)
