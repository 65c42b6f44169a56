"""What is asked about tenants again and again, from memory.

of, known ──► remembered ── older than REMEMBERED_S: told all the same, and asked anew meanwhile
                  ▲
                  └── forgotten when the log tells that it changed
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

from domain.identifiers import TenantId

log = logging.getLogger(__name__)

Answer = TypeVar("Answer")

REMEMBERED_S = 5.0
REMEMBERED_MAX = 10_000
# Whoever is not asked about for so long is asked about before it is told.
STALE_S = 60.0


class TenantMemory(Generic[Answer]):
    """read: asks the database. monotonic_s: a clock that never jumps. unknown: what is known of a
    tenant that nobody asked about yet.
    """

    def __init__(
        self,
        read: Callable[[TenantId], Coroutine[Any, Any, Answer]],
        *,
        monotonic_s: Callable[[], float],
        unknown: Answer,
    ) -> None:
        self._read = read
        self._unknown = unknown
        self._monotonic_s = monotonic_s
        # With when it was told. By the number of the tenant: to hash a UUID is a function of
        # Python's.
        self._remembered: OrderedDict[int, tuple[Answer, float]] = OrderedDict()
        self._asking: dict[int, asyncio.Task[Answer]] = {}

    async def of(self, tenant_id: TenantId) -> Answer:
        """However many ask at a time, the database is asked once. Raises what `read` raises."""
        remembered = self._remembered.get(tenant_id.int)
        if remembered is not None:
            answer, told_at_s = remembered
            age_s = self._monotonic_s() - told_at_s
            if age_s >= REMEMBERED_S:
                asking = self._ask(tenant_id)
                if age_s >= STALE_S:
                    return await asyncio.shield(asking)
            return answer
        return await asyncio.shield(self._ask(tenant_id))

    def known(self, tenant_id: TenantId) -> Answer:
        """Without waiting, as was found out last."""
        remembered = self._remembered.get(tenant_id.int)
        if remembered is None:
            self._ask(tenant_id)
            return self._unknown
        answer, told_at_s = remembered
        if self._monotonic_s() - told_at_s >= REMEMBERED_S:
            self._ask(tenant_id)
        return answer

    def forget(self, tenant_id: TenantId) -> None:
        """What is on its way may be older than the change, and is not remembered."""
        self._remembered.pop(tenant_id.int, None)
        self._asking.pop(tenant_id.int, None)

    def forget_all(self) -> None:
        self._remembered.clear()
        self._asking.clear()

    def _ask(self, tenant_id: TenantId) -> asyncio.Task[Answer]:
        asking = self._asking.get(tenant_id.int)
        if asking is None:
            asking = self._asking[tenant_id.int] = asyncio.create_task(self._read(tenant_id))
            asking.add_done_callback(lambda task: self._answered(tenant_id, task))
        return asking

    def _answered(self, tenant_id: TenantId, task: asyncio.Task[Answer]) -> None:
        is_news = self._asking.get(tenant_id.int) is task
        if is_news:
            del self._asking[tenant_id.int]
        if task.cancelled():
            return
        error = task.exception()
        if error is not None:
            log.warning("what holds for a tenant is not known anew: %r", error)
        elif is_news:
            self._remembered[tenant_id.int] = (task.result(), self._monotonic_s())
            self._remembered.move_to_end(tenant_id.int)
            if len(self._remembered) > REMEMBERED_MAX:
                self._remembered.popitem(last=False)
