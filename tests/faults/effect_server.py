"""The outside world of the runs: a server that honours idempotency keys, as a payment provider
does, and remembers everything that reached it.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

DECLINED = 402


def _opened() -> asyncio.Event:
    event = asyncio.Event()
    event.set()
    return event


@dataclass(eq=False)
class EffectServer:
    """receipts: how often each key came. accepted: the keys that each step of each run was accepted
    under. takes_s: until it answers. is_open: whether it answers at all. under_way, most_at_once:
    the requests that wait for that.
    """

    takes_s: float = 0
    is_open: asyncio.Event = field(default_factory=_opened)
    under_way: int = 0
    most_at_once: int = 0
    receipts: Counter[str] = field(default_factory=Counter)
    accepted: dict[tuple[str, str], list[str]] = field(default_factory=dict)

    async def take(self, request: web.Request) -> web.Response:
        key = request.headers["Idempotency-Key"]
        asked = await request.json()
        self.receipts[key] += 1
        if self.receipts[key] == 1:
            self.accepted.setdefault((asked["run"], asked["step"]), []).append(key)
        self.under_way += 1
        self.most_at_once = max(self.most_at_once, self.under_way)
        try:
            await asyncio.sleep(self.takes_s)
            await self.is_open.wait()
        finally:
            self.under_way -= 1
        status = DECLINED if asked["step"] == "pay" else 200
        return web.json_response({"step": asked["step"]}, status=status)

    def require_nothing_twice(self) -> None:
        """Each step was accepted once, whatever became of the workers that asked for it."""
        twice = {step: keys for step, keys in self.accepted.items() if len(keys) != 1}
        assert twice == {}

    def steps_of(self, run: str) -> list[str]:
        """In the order in which they were accepted."""
        return [step for accepted_run, step in self.accepted if accepted_run == run]


@asynccontextmanager
async def effect_server(port: int) -> AsyncIterator[EffectServer]:
    server = EffectServer()
    application = web.Application()
    application.router.add_post("/", server.take)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", port)
        await site.start()
        yield server
    finally:
        await runner.cleanup()
