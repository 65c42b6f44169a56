"""Prepared statements straight on libpq, for what is executed all the time.

A cursor of psycopg's finds out anew, at each execution, how every parameter is to be sent and every
column to be read: some 180 µs of processor time for an append. Here parameters are bytes in
PostgreSQL's binary form (infra/binary_form.py), and so are the columns of the result.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

from psycopg import OperationalError
from psycopg.adapt import Transformer
from psycopg.errors import error_from_result
from psycopg.pq import ExecStatus, Format
from psycopg.pq.abc import PGresult

from infra.connections import Connection, Polling

PLACEHOLDER = "%b"
# A connection that comes back to its pool keeps what was prepared on it.
NUMBERS = count(1)
IS_GOOD = frozenset({ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK})


@dataclass(frozen=True, slots=True)
class _Prepared:
    name: bytes
    formats: Sequence[int]


class PreparedStatements:
    """Those of one connection, each prepared when it is first executed.

    A connection that runs transactions must not prepare statements by itself (`prepare_threshold`
    None): psycopg gives up all that are prepared on it, these too, after a rollback.
    """

    def __init__(self, conn: Connection) -> None:
        self._conn = conn
        self._known: dict[str, _Prepared] = {}
        self._reading = Transformer(conn)

    async def execute(
        self, query: str, params: Sequence[bytes | None], *, polling: Polling | None = None
    ) -> PGresult:
        """query: its parameters are written `%b`. polling: how to wait for the answer, if not
        asleep. Raises what psycopg raises. Cancelled, it closes the connection, for nobody waits
        for the answer.
        """
        async with self._conn.lock:
            self._send(self._known.get(query) or await self._prepare(query), params)
            return await self._answer(polling)

    def send(self, query: str, params: Sequence[bytes | None]) -> bool:
        """At once; the caller awaits `sent` next. False: nothing was sent, for it is not prepared,
        or the connection is at work or broken.
        """
        known = self._known.get(query)
        if known is None or self._conn.lock.locked():
            return False
        try:
            self._send(known, params)
        except OperationalError:
            return False
        return True

    async def sent(self, polling: Polling | None = None) -> PGresult:
        """The answer to what `send` has sent; all else as `execute`."""
        async with self._conn.lock:
            return await self._answer(polling)

    async def rows(self, query: str, params: Sequence[bytes]) -> list[tuple[Any, ...]]:
        """As execute; what it answers as psycopg reads it, for rows of many columns."""
        result = await self.execute(query, params)
        self._reading.set_pgresult(result)
        return self._reading.load_rows(0, result.ntuples, tuple)

    async def _prepare(self, query: str) -> _Prepared:
        first, *others = query.split(PLACEHOLDER)
        text = first + "".join(f"${number}{other}" for number, other in enumerate(others, 1))
        known = _Prepared(b"agentledger_%d" % next(NUMBERS), [Format.BINARY] * len(others))
        self._conn.pgconn.send_prepare(known.name, text.encode())
        await self._answer()
        self._known[query] = known
        return known

    def _send(self, known: _Prepared, params: Sequence[bytes | None]) -> None:
        self._conn.pgconn.send_query_prepared(known.name, params, known.formats, Format.BINARY)

    async def _answer(self, polling: Polling | None = None) -> PGresult:
        try:
            result = await self._conn.answer(polling)
        except asyncio.CancelledError:
            self._conn.give_up()
            raise
        if result.status in IS_GOOD:
            return result
        error = error_from_result(result)
        if self._conn.closed:  # What libpq makes up then has no code to tell by what it is.
            raise OperationalError(str(error)) from error
        raise error
