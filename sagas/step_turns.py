"""Whose step is next, when runs that are driven have more to do than a process can do at once.

A step is one advance and its append. Every step in flight stands before all later ones, in the
event loop and in the group commit, so who puts thousands there delays everybody by thousands.

    try_take ──► while the tenant has few in flight and none that wait, it is quiet: at once
       │     ──► else it crowds: its own few, and spare ones in turn by tenant
       └──► wait

While a tenant is quiet, spare steps pause: batches become small, which is slow for those who crowd,
and short for the quiet one.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from domain.identifiers import TenantId
from sagas.turns import Ordered, Turns, WeightOf, equal_weights

# How long after a step of a quiet tenant its next one is still expected: spare steps that began
# meanwhile would stand before it.
QUIET_S = 1.0


@dataclass(frozen=True, slots=True)
class StepLimits:
    """quiet_max: steps in flight with which a tenant of weight 1 is quiet; a few users at once make
    so many. own_max: those that it always may have, also when it crowds. spare_max: those beyond,
    of all tenants that crowd.
    """

    quiet_max: int
    own_max: int
    spare_max: int


class _Steps:
    """Of one tenant that has any. own_max: as its weight has it, which is asked with the second
    step, for the first is everybody's own. quiet_max: with less it is quiet.
    """

    __slots__ = ("in_flight", "own_max", "quiet_max", "waiting")

    def __init__(self) -> None:
        self.own_max = 1
        self.quiet_max = 1
        self.in_flight = 0
        self.waiting: OrderedDict[asyncio.Future[None], None] = OrderedDict()


class StepTurns:
    """The steps of one process, for use in one event loop. Without contention: two look-ups."""

    def __init__(
        self,
        limits: StepLimits,
        monotonic_s: Callable[[], float],
        weight_of: WeightOf = equal_weights,
    ) -> None:
        self._limits = limits
        self._monotonic_s = monotonic_s
        self._weight_of = weight_of
        self._turns = Turns(weight_of)
        self._order = Ordered[TenantId]()
        # By the number of the tenant: to hash a UUID is a function of Python's.
        self._tenants: dict[int, _Steps] = {}
        self._spare_count = 0
        self._waiting_count = 0
        # When each quiet tenant took a step last, oldest first; some of them may be gone.
        self._quiet: OrderedDict[int, float] = OrderedDict()

    @property
    def in_flight(self) -> int:
        return sum(steps.in_flight for steps in self._tenants.values())

    @property
    def waiting_count(self) -> int:
        return self._waiting_count

    @property
    def quiet_count(self) -> int:
        self._forget_gone(self._monotonic_s())
        return len(self._quiet)

    def try_take(self, tenant_id: TenantId) -> bool:
        """A step without waiting, or False. Overtakes no other step of the tenant."""
        number = tenant_id.int
        steps = self._tenants.get(number)
        if steps is None:
            steps = self._tenants[number] = _Steps()
        elif steps.quiet_max == 1:
            weight = self._weight_of(tenant_id)
            steps.own_max = max(1, round(self._limits.own_max * weight))
            steps.quiet_max = max(steps.own_max, round(self._limits.quiet_max * weight))
        if steps.in_flight < steps.quiet_max and not steps.waiting:
            now_s = self._monotonic_s()
            if number not in self._quiet:
                self._forget_gone(now_s)
            self._quiet[number] = now_s
            self._quiet.move_to_end(number)
        else:
            self._quiet.pop(number, None)
            if self._waiting_count or not self._has_spare():
                return False
        self._begin(steps)
        return True

    async def wait(self, tenant_id: TenantId) -> None:
        """A step in turn, where there was none without waiting. Cancelled while it waits, it leaves
        no trace.
        """
        granted = asyncio.get_running_loop().create_future()
        self._tenants[tenant_id.int].waiting[granted] = None
        self._waiting_count += 1
        self._order.put(tenant_id, self._turns.join(tenant_id))
        try:
            await granted
        except asyncio.CancelledError:
            self._leave(tenant_id, granted)
            raise

    def give_back(self, tenant_id: TenantId) -> None:
        """Also hands what became free to those who wait."""
        steps = self._tenants[tenant_id.int]
        if steps.in_flight > steps.own_max:
            self._spare_count -= 1
        steps.in_flight -= 1
        if steps.in_flight < steps.own_max and steps.waiting:
            self._grant(tenant_id)
        elif not steps.in_flight:
            del self._tenants[tenant_id.int]
        while self._waiting_count and (first := self._order.first()) and self._has_spare():
            self._grant(first[1])

    def _begin(self, steps: _Steps) -> None:
        steps.in_flight += 1
        self._spare_count += steps.in_flight > steps.own_max

    def _has_spare(self) -> bool:
        if self._spare_count >= self._limits.spare_max:
            return False
        if self._quiet:
            self._forget_gone(self._monotonic_s())
        return not self._quiet

    def _forget_gone(self, now_s: float) -> None:
        gone_since = now_s - QUIET_S
        while self._quiet:
            number, last_at = next(iter(self._quiet.items()))
            if last_at >= gone_since:
                return
            del self._quiet[number]

    def _grant(self, tenant_id: TenantId) -> None:
        steps = self._tenants[tenant_id.int]
        granted, _ = steps.waiting.popitem(last=False)
        self._waiting_count -= 1
        # One that was cancelled in this turn of the event loop gives back what it is granted.
        self._begin(steps)
        if not granted.done():
            granted.set_result(None)
        if steps.waiting:
            self._order.put(tenant_id, self._turns.serve(tenant_id))
        else:
            self._stand_down(tenant_id)

    def _leave(self, tenant_id: TenantId, granted: asyncio.Future[None]) -> None:
        """Of one that was cancelled: it waits, or was granted a step after that."""
        steps = self._tenants[tenant_id.int]
        if granted not in steps.waiting:
            self.give_back(tenant_id)
            return
        del steps.waiting[granted]
        self._waiting_count -= 1
        if not steps.waiting:
            self._stand_down(tenant_id)

    def _stand_down(self, tenant_id: TenantId) -> None:
        self._turns.leave(tenant_id)
        self._order.discard(tenant_id)
