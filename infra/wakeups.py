"""Hints that something new is in the log. Only hints: whoever waits also polls, so a lost one costs
time, not events.

Inside a process a hint is immediate. Between processes it is a NOTIFY, sent outside the write
transaction and at most every few milliseconds: a NOTIFY inside would serialise all commits (see
docs/decisions).
"""

import asyncio
import contextlib
import logging

from psycopg import AsyncConnection, OperationalError

CHANNEL = "agentledger_appended"
COALESCE_S = 0.004
RECONNECT_S = 1.0

log = logging.getLogger(__name__)


class Wakeups:
    """hint() after an append; wait() for the next one."""

    def __init__(self) -> None:
        self._event = asyncio.Event()
        self._to_send = asyncio.Event()
        self.count = 0

    def hint(self, *, from_here: bool = True) -> None:
        """Wakes every waiter. from_here: the append was ours; other processes must hear of it."""
        self.count += 1
        event, self._event = self._event, asyncio.Event()
        event.set()
        if from_here:
            self._to_send.set()

    async def wait(self, seen_count: int, timeout_s: float) -> None:
        """Returns at the first hint after `seen_count` (a former `count`), or after timeout_s."""
        if self.count != seen_count:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._event.wait()

    async def exchange(self, conninfo: str) -> None:
        """Run until cancelled: tell other processes of our appends and hear of theirs."""
        while True:
            try:
                async with (
                    await AsyncConnection.connect(conninfo, autocommit=True) as sender,
                    await AsyncConnection.connect(conninfo, autocommit=True) as listener,
                    asyncio.TaskGroup() as tasks,
                ):
                    await listener.execute("LISTEN " + CHANNEL)
                    tasks.create_task(self._send(sender))
                    own = sender.pgconn.backend_pid
                    tasks.create_task(self._listen(listener, own=own))
            except* OperationalError as error:
                log.warning("wake-ups pause: %s", error.exceptions[0])
                await asyncio.sleep(RECONNECT_S)

    async def _send(self, conn: AsyncConnection) -> None:
        while True:
            await self._to_send.wait()
            self._to_send.clear()
            await conn.execute("NOTIFY " + CHANNEL)
            await asyncio.sleep(COALESCE_S)

    async def _listen(self, conn: AsyncConnection, *, own: int) -> None:
        """own: the session of our sender; what it says is known here."""
        async for told in conn.notifies():
            if told.pid != own:
                self.hint(from_here=False)
        message = "the listening connection ended"
        raise OperationalError(message)
