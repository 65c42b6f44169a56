"""In which order executions begin, and how many a process drives at once.

    try_take ───────────────┐ where nobody waits
    put ──► waits ──► take ─┴──► driven ──► done
     │        │
     └────────┴──► left out: still in open_executions, and found there by the sweep

Starts go round by tenant like slots do (sagas/fairness.py). The queue holds a bounded number; when
it is full, the tenant with the most waiting gives up its newest, so that a flood crowds out itself
only. Nothing is lost by that: the queue is a memory of where to begin, the truth is stored.
"""

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar
from uuid import UUID

from domain.identifiers import TenantId
from sagas.turns import Ordered, Turns, WeightOf, equal_weights

Item = TypeVar("Item")

# A tenant may begin one more while it drives less than this many times what is free (dynamic
# thresholds; Choudhury and Hahne, IEEE/ACM Transactions on Networking 6, 1998): one alone leaves an
# eighth free, two leave a fifteenth, and who comes next need not wait until one of their runs ends.
SHARE_OF_FREE = 7


@dataclass(frozen=True, slots=True)
class StartLimits:
    """drives_max: executions driven at once by this process. per_tenant_max: of them, of one
    tenant; None: all. queued_max: executions that wait in memory to begin.
    """

    drives_max: int
    queued_max: int
    per_tenant_max: int | None = None


class StartQueue(Generic[Item]):
    """Each operation in O(log n) of the tenants that wait."""

    def __init__(self, limits: StartLimits, weight_of: WeightOf = equal_weights) -> None:
        self._limits = limits
        self._turns = Turns(weight_of)
        self._queues: dict[TenantId, OrderedDict[UUID, Item]] = {}
        self._tenants: dict[UUID, TenantId] = {}
        self._weight_of = weight_of
        self._ready = Ordered[TenantId]()
        self._crowding = Ordered[TenantId]()
        self._longest = Ordered[TenantId]()
        # By the number of the tenant: to hash a UUID is a function of Python's.
        self._driven: dict[int, int] = {}
        self._driven_count = 0
        self._has_left_out = False

    def __len__(self) -> int:
        return len(self._tenants)

    def __contains__(self, execution_id: UUID) -> bool:
        return execution_id in self._tenants

    def __iter__(self) -> Iterator[UUID]:
        """The executions that wait, in no order."""
        return iter(self._tenants)

    @property
    def driven_count(self) -> int:
        return self._driven_count

    @property
    def is_search_due(self) -> bool:
        """Whether something was left out since `search_begins` and half of the queue is free
        again: what else is open should be looked for now, not at the next sweep.
        """
        return self._has_left_out and 2 * len(self) <= self._limits.queued_max

    def search_begins(self) -> None:
        """A search of open_executions is about to find what was left out until now."""
        self._has_left_out = False

    def try_take(self, tenant_id: TenantId) -> bool:
        """One begins at once, as `take` would have it next. False: it has to wait its turn."""
        driven_count = self._driven.get(tenant_id.int, 0)
        is_refused = (
            self._tenants
            or self._driven_count >= self._limits.drives_max
            or driven_count >= (self._limits.per_tenant_max or self._limits.drives_max)
            or self._crowds(tenant_id)
        )
        if not is_refused:
            self._begin(tenant_id)
        return not is_refused

    def put(self, tenant_id: TenantId, execution_id: UUID, item: Item) -> bool:
        """Wait to begin. False when it was left out. Idempotent: the first item of an execution
        counts.
        """
        if execution_id in self._tenants:
            return True
        if len(self) >= self._limits.queued_max:
            self._has_left_out = True
            longest = self._longest.first()
            if longest is None or len(self._queues[longest[1]]) <= self._length(tenant_id) + 1:
                return False
            self.discard(next(reversed(self._queues[longest[1]])))
        self._queues.setdefault(tenant_id, OrderedDict())[execution_id] = item
        self._tenants[execution_id] = tenant_id
        self._turns.join(tenant_id)
        self._settle(tenant_id)
        return True

    def take(self) -> Item | None:
        """The next to begin, driven from now on until `done`. None while nothing may."""
        tenant_id = self._next_tenant()
        if tenant_id is None:
            return None
        execution_id, item = self._queues[tenant_id].popitem(last=False)
        del self._tenants[execution_id]
        self._begin(tenant_id)
        self._turns.serve(tenant_id)
        self._settle(tenant_id)
        return item

    def done(self, tenant_id: TenantId) -> None:
        """One that was taken is not driven any more, however that came."""
        self._driven_count -= 1
        self._driven[tenant_id.int] -= 1
        if self._driven[tenant_id.int] == 0:
            del self._driven[tenant_id.int]
        if self._tenants:
            self._settle(tenant_id)

    def discard(self, execution_id: UUID) -> None:
        """It need not begin here any more; nothing happens when it does not wait."""
        tenant_id = self._tenants.pop(execution_id, None)
        if tenant_id is not None:
            del self._queues[tenant_id][execution_id]
            self._settle(tenant_id)

    def _begin(self, tenant_id: TenantId) -> None:
        self._driven_count += 1
        self._driven[tenant_id.int] = self._driven.get(tenant_id.int, 0) + 1

    def _length(self, tenant_id: TenantId) -> int:
        queue = self._queues.get(tenant_id)
        return 0 if queue is None else len(queue)

    def _next_tenant(self) -> TenantId | None:
        """The foremost that does not crowd. Others go on by how few they drive, once they may."""
        if not self._tenants or self._driven_count >= self._limits.drives_max:
            return None
        while (first := self._ready.first()) is not None:
            if not self._crowds(first[1]):
                return first[1]
            self._settle(first[1])
        held = self._crowding.first()
        return None if held is None or self._crowds(held[1]) else held[1]

    def _crowds(self, tenant_id: TenantId) -> bool:
        """Whether it drives as many as it may, measured by what is free."""
        free_count = max(1, self._limits.drives_max - self._driven_count)
        allowed = SHARE_OF_FREE * self._weight_of(tenant_id) * free_count
        return self._driven.get(tenant_id.int, 0) >= allowed

    def _settle(self, tenant_id: TenantId) -> None:
        """Put the tenant where its queue and its limit say."""
        length = self._length(tenant_id)
        if length == 0:
            self._queues.pop(tenant_id, None)
            self._turns.leave(tenant_id)
            self._longest.discard(tenant_id)
            self._ready.discard(tenant_id)
            self._crowding.discard(tenant_id)
            return
        place = self._turns.join(tenant_id)
        self._longest.put(tenant_id, (-length, place[1]))
        driven_count = self._driven.get(tenant_id.int, 0)
        self._ready.discard(tenant_id)
        self._crowding.discard(tenant_id)
        if driven_count >= (self._limits.per_tenant_max or self._limits.drives_max):
            return
        if self._crowds(tenant_id):
            share = driven_count / self._weight_of(tenant_id)
            self._crowding.put(tenant_id, (share, place[1]))
        else:
            self._ready.put(tenant_id, place)
