"""A connection whose socket the event loop goes on watching between statements.

psycopg has the event loop watch a socket for each answer, and takes it away again: a tenth of what
this process does for a run alone. Whoever sends a statement by libpq itself
(infra/prepared_statements.py) waits with `answer` instead; psycopg's own statements may come
between.
"""

import asyncio
import os
from typing import Any, TypeVar

from psycopg import AsyncConnection, OperationalError
from psycopg.abc import PQGen
from psycopg.pq.abc import PGconn, PGresult
from psycopg.rows import AsyncRowFactory, TupleRow, tuple_row

Value = TypeVar("Value")

_INTERVAL_S = 0.1  # As psycopg has it.
# Answers slept for between two that are polled for in vain.
LEFT_OUT_MAX = 64


class Polling:
    """Whether it pays to poll for an answer, instead of sleeping until it wakes us.

    To fall asleep and to be woken takes a fifth of a run alone, on a virtual machine. seconds_max:
    an answer that takes longer is not worth it; after one that did, the next are slept for, ever
    more of them until one comes in time.
    """

    def __init__(self, seconds_max: float) -> None:
        self._seconds_max = seconds_max
        self._pause = self._left_out = 0

    def seconds(self) -> float:
        """For the next answer; 0: sleep."""
        if self._left_out:
            self._left_out -= 1
            return 0.0
        return self._seconds_max

    def was_answered(self) -> None:
        self._pause = 0

    def was_in_vain(self) -> None:
        self._left_out = self._pause = min(max(1, 2 * self._pause), LEFT_OUT_MAX)


class Connection(AsyncConnection[TupleRow]):
    """As psycopg's, of which one statement is under way at a time."""

    def __init__(self, pgconn: PGconn, row_factory: AsyncRowFactory[Any] = tuple_row) -> None:
        super().__init__(pgconn, row_factory)
        self._watched: int | None = None
        self._answer: asyncio.Future[None] | None = None

    async def answer(self, polling: Polling | None = None) -> PGresult:
        """Of the one statement that was sent. Raises OperationalError when the server is gone."""
        await self.flush()
        if polling is not None:
            await self._poll(polling)
        first = await self.next_result()
        assert first is not None
        while await self.next_result() is not None:
            pass
        return first

    async def flush(self) -> None:
        """What was sent leaves this process."""
        loop, pgconn = asyncio.get_running_loop(), self.pgconn
        while pgconn.flush():
            self._watch(loop)  # A server that waits for us to read may not read what we send.
            can_write = loop.create_future()
            loop.add_writer(pgconn.socket, _resolve, can_write)
            try:
                await can_write
            finally:
                loop.remove_writer(pgconn.socket)

    async def next_result(self) -> PGresult | None:
        """None after the last of a statement. Raises OperationalError when the server is gone."""
        pgconn = self.pgconn
        while pgconn.is_busy():
            await self._news()
        return pgconn.get_result()

    async def _poll(self, polling: Polling) -> None:
        loop, is_busy = asyncio.get_running_loop(), self.pgconn.is_busy
        self._watch(loop)
        if not (seconds := polling.seconds()):
            return
        ends_at = loop.time() + seconds
        while is_busy() and self._watched is not None:
            if loop.time() >= ends_at:
                polling.was_in_vain()
                return
            os.sched_yield()  # Other processes first,
            await asyncio.sleep(0)  # and whatever else this one has to do; then the socket.
        polling.was_answered()

    def give_up(self) -> None:
        """End it at once: nobody waits for what is under way."""
        self._leave()
        self.pgconn.finish()

    async def wait(
        self,
        gen: PQGen[Value],
        interval: float = _INTERVAL_S,
        timeout: float | None = None,  # noqa: ASYNC109 # as psycopg has it
    ) -> Value:
        """Psycopg watches the socket itself."""
        self._leave()
        return await super().wait(gen, interval, timeout)

    async def close(self) -> None:
        self._leave()
        await super().close()

    def _news(self) -> asyncio.Future[None]:
        """When the server has said as much as makes a result."""
        loop = asyncio.get_running_loop()
        self._watch(loop)
        self._answer = loop.create_future()
        return self._answer

    def _watch(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._watched is None:
            self._watched = self.pgconn.socket
            loop.add_reader(self._watched, self._read)

    def _leave(self) -> None:
        # libpq may have closed it, and does not say any more which it was.
        if self._watched is not None:
            socket, self._watched = self._watched, None
            asyncio.get_running_loop().remove_reader(socket)

    def _read(self) -> None:
        """There is something to be read, also when nobody waits: the server ends the connection, or
        tells something that is no answer.
        """
        pgconn, waiting = self.pgconn, self._answer
        try:
            pgconn.consume_input()
        except OperationalError as error:
            self._leave()
            if waiting is not None and not waiting.done():
                waiting.set_exception(error)
        else:
            if waiting is not None and not pgconn.is_busy():
                self._answer = None
                _resolve(waiting)


def _resolve(waited_for: asyncio.Future[None]) -> None:
    if not waited_for.done():
        waited_for.set_result(None)
