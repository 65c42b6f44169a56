"""The calls that this worker has under way under a limit: held in the database until they end, and
renewed meanwhile, so that what a worker held that is gone comes back by itself.

    take ──► under way ──► ended ──► settled with what was used ──► the next in line is called
                 └── renewed every RENEW_S
"""

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from commands.call_limit_port import CallLimits, EndedCall, Full, HeldCall, Line, NothingLimited
from commands.ports import Ids
from domain.call_limits import CallLimit
from domain.errors import Unavailable
from domain.identifiers import TenantId
from domain.node_types import Usage
from infra.clock import Uuid7Ids
from infra.crash_points import reach
from sagas.lines import Lines

log = logging.getLogger(__name__)

# A third of how long the database holds a call that nobody renews (infra/call_limits.py).
RENEW_S = 10.0
# What the database did not answer is tried again.
AGAIN_S = 1.0
SETTLED_AT_ONCE_MAX = 500
# How often it is told who waits, when that has changed.
LINES_S = 1.0


@dataclass(eq=False)
class CallSlots:
    """lines: who waits, by the scope whose limit is reached."""

    limits: CallLimits = field(default_factory=NothingLimited)
    ids: Ids = field(default_factory=Uuid7Ids)
    lines: Lines[UUID] = field(default_factory=Lines[UUID])
    # Whose scope it is that there is a line for.
    _tenants: dict[UUID, TenantId] = field(default_factory=lambda: {})
    _under_way: dict[HeldCall, tuple[UUID, ...]] = field(default_factory=lambda: {})
    _ended: dict[HeldCall, EndedCall] = field(default_factory=lambda: {})
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    async def take(
        self, tenant_id: TenantId, limits: Sequence[CallLimit], *, tokens: int, usd_pico: int
    ) -> HeldCall | Full:
        """Whoever takes one says `ended` of it, whatever happens. Raises Unavailable."""
        held = HeldCall(tenant_id, self.ids.new())
        # Before it is known: an answer that is lost may have been that it is taken.
        self._under_way[held] = tuple(limit.scope_id for limit in limits)
        try:
            reach("limits.before_take")
            full = await self.limits.take(held, limits, tokens=tokens, usd_pico=usd_pico)
        except BaseException:
            self.ended(held, Usage())
            raise
        if full is not None:
            del self._under_way[held]
            self._tenants[full.scope_id] = tenant_id
            return full
        reach("limits.after_take")
        self._news.set()
        return held

    def ended(self, held: HeldCall, usage: Usage | None) -> None:
        """usage: None or an unknown one counts as what was held."""
        if usage is None or usage.is_unknown:
            self._ended[held] = EndedCall(held, None, None)
        else:
            tokens = usage.tokens_in + usage.tokens_out
            self._ended[held] = EndedCall(held, tokens, usage.cost_usd_pico or 0)
        self._news.set()

    async def run(self) -> None:
        """Settle and renew, until cancelled; with nothing under way it asks nothing."""
        loop = asyncio.get_running_loop()
        renew_at = loop.time() + RENEW_S
        while True:
            if self._under_way:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout_at(renew_at):
                        await self._news.wait()
            else:
                await self._news.wait()
                renew_at = loop.time() + RENEW_S
            self._news.clear()
            try:
                await self.settle()
                if loop.time() >= renew_at:
                    await self._renew()
            except Unavailable as error:
                log.warning("limits of calls are not told what ended: %s", error)
                await asyncio.sleep(AGAIN_S)
                self._news.set()
            if loop.time() >= renew_at:
                renew_at = loop.time() + RENEW_S

    async def settle(self) -> None:
        """What has ended. Raises Unavailable."""
        while self._ended:
            batch = list(self._ended.values())[:SETTLED_AT_ONCE_MAX]
            reach("limits.before_settle")
            await self.limits.settle(batch)
            reach("limits.after_settle")
            for ended in batch:
                del self._ended[ended.held]
                for scope_id in self._under_way.pop(ended.held, ()):
                    self.lines.call_first(scope_id)

    async def _renew(self) -> None:
        under_way = [held for held in self._under_way if held not in self._ended]
        if under_way:
            await self.limits.renew(under_way)

    async def tell_lines(self) -> None:
        """Who waits, for whoever looks at it, until cancelled; while nobody does it asks nothing
        of the database.
        """
        worker_id = self.ids.new()
        loop = asyncio.get_running_loop()
        told: list[Line] = []
        told_at = loop.time()
        while True:
            await asyncio.sleep(LINES_S)
            lines = self._waiting()
            if lines == told and (not lines or loop.time() < told_at + RENEW_S):
                continue
            try:
                await self.limits.tell_lines(worker_id, lines)
            except Unavailable as error:
                log.warning("it is not told which calls wait: %s", error)
                continue
            told, told_at = lines, loop.time()

    def _waiting(self) -> list[Line]:
        lengths = self.lines.lengths()
        self._tenants = {scope: self._tenants[scope] for scope in lengths}
        return [Line(self._tenants[scope], scope, calls) for scope, calls in lengths.items()]
