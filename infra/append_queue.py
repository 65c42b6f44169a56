"""Appends that wait to be stored: in the order of their coming within a tenant, in turn among
tenants.

A batch ends where it is full, and at an append with rare rows unless those that follow bring the
same, so a tenant that puts thousands here would have all others wait for as many transactions. In
turn, they wait for one of its batches.
"""

from collections import OrderedDict, deque

from infra.append_statement import Append

# A tenant may wait with less than this many times what is free (dynamic thresholds; Choudhury and
# Hahne, IEEE/ACM Transactions on Networking 6, 1998): one alone leaves an eighth for the others.
SHARE_OF_FREE = 7


class AppendQueue:
    """appends_max: how many may wait."""

    def __init__(self, appends_max: int) -> None:
        self._appends_max = appends_max
        self._count = 0
        # By the number of the tenant: to hash a UUID is a function of Python's. Whose turn is next
        # stands first.
        self._tenants: OrderedDict[int, deque[Append]] = OrderedDict()

    def __len__(self) -> int:
        return self._count

    def put(self, append: Append) -> bool:
        """False when there is no room for it."""
        number = append.envelope.tenant_id.int
        queue = self._tenants.get(number)
        own = 0 if queue is None else len(queue)
        if own >= SHARE_OF_FREE * (self._appends_max - self._count):
            return False
        if queue is None:
            queue = self._tenants[number] = deque()
        queue.append(append)
        self._count += 1
        return True

    def take(self, appends_max: int, events_max: int, bytes_max: int) -> list[Append]:
        """One batch. The first of it may pass the bounds of events and bytes. With rare rows it
        goes on only with those of the same kind and tenant: they take the same locks in the same
        order, whatever other writers do meanwhile.
        """
        batch: list[Append] = []
        events = size = 0
        while self._count and len(batch) < appends_max:
            number, queue = next(iter(self._tenants.items()))
            append = queue[0]
            if batch and batch[-1].rare and not _are_alike(batch[-1], append):
                break
            events += len(append.events)
            size += append.bytes_count()
            if batch and (events > events_max or size > bytes_max):
                break
            batch.append(queue.popleft())
            self._count -= 1
            if not queue:
                del self._tenants[number]
            elif not append.rare:
                self._tenants.move_to_end(number)
        if batch and (last := batch[-1].envelope.tenant_id.int) in self._tenants:
            self._tenants.move_to_end(last)
        return batch

    def take_overdue(self, now: float) -> list[Append]:
        """Those that nobody will wait for any more, out of the queue."""
        overdue: list[Append] = []
        for number, queue in list(self._tenants.items()):
            while queue and queue[0].overdue_at <= now:
                overdue.append(queue.popleft())
            if not queue:
                del self._tenants[number]
        self._count -= len(overdue)
        return overdue


def _are_alike(one: Append, other: Append) -> bool:
    """Whether their rare rows are one each, of one kind, of one tenant."""
    return (
        one.envelope.tenant_id == other.envelope.tenant_id
        and len(one.rare) == len(other.rare) == 1
        and one.rare[0].sql == other.rare[0].sql
    )
