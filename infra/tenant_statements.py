"""A query for one tenant, in one round trip and one transaction: whose rows may be seen, the query,
and the end of both, sent together (libpq's pipeline).

What is kept is prepared on a connection that is asked for it again, and then PostgreSQL plans it
once: to plan a list takes as long as to read it. It is for statements whose best plan is the same
for all parameters; others are planned for theirs.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import LiteralString, NamedTuple

from psycopg import Error
from psycopg.errors import InvalidSqlStatementName, error_from_result
from psycopg.pq import ExecStatus
from psycopg.pq.abc import PGresult

from infra.connections import Connection
from infra.prepared_statements import NUMBERS

# Of one connection. A plan is some 100 KiB of its session's memory.
STATEMENTS_MAX = 32
CANCEL_WAIT_S = 5.0
BIND: LiteralString = (
    "SELECT set_config('app.tenant_id', $1, true), set_config('app.user_id', $2, true)"
)
# Types of parameters, by their numbers in PostgreSQL: text, jsonb.
OF_BIND = (25, 25)
OF_QUERY = (3802,)


class _Sent(NamedTuple):
    """One command of the pipeline. name: under which it prepares the query, if it does."""

    query: str
    name: bytes | None = None


class TenantStatements:
    """Those of one connection, which is not in a transaction."""

    def __init__(self, conn: Connection) -> None:
        self._conn = conn
        # What was asked, the newest last; a name where it is prepared.
        self._known: OrderedDict[str, bytes | None] = OrderedDict()

    async def value(
        self,
        query: LiteralString,
        params: bytes,
        *,
        tenant: bytes,
        person: bytes,
        is_kept: bool = False,
    ) -> bytes | None:
        """The first column of the first row, as text. params: JSON, which the query has as $1.
        person: empty for the whole tenant. Raises what psycopg raises. Cancelled, it ends the query
        and the connection.
        """
        async with self._conn.lock:
            try:
                answer = await self._answer(query, params, (tenant, person), is_kept=is_kept)
            except InvalidSqlStatementName:
                # psycopg gives up all that is prepared on a connection after a rollback on it.
                self._known.clear()
                answer = await self._answer(query, params, (tenant, person), is_kept=is_kept)
        return answer.get_value(0, 0) if answer.ntuples else None

    async def _answer(
        self, query: str, params: bytes, bound: tuple[bytes, bytes], *, is_kept: bool
    ) -> PGresult:
        """Whatever the database refuses, nothing of it is left to be read."""
        pgconn = self._conn.pgconn
        try:
            pgconn.enter_pipeline_mode()
            sent = [*self._send(BIND, bound, OF_BIND)]
            if is_kept:
                sent += self._send(query, (params,), OF_QUERY)
            else:
                pgconn.send_query_params(query.encode(), (params,), OF_QUERY)
                sent.append(_Sent(query))
            pgconn.pipeline_sync()
            await self._conn.flush()
            results = [await self._result() for _ in sent]
            await self._conn.next_result()  # The end of the transaction.
            pgconn.exit_pipeline_mode()
        except asyncio.CancelledError:
            # What nobody waits for should not go on either.
            with suppress(Error):
                await self._conn.cancel_safe(timeout=CANCEL_WAIT_S)
            raise
        finally:
            if pgconn.pipeline_status:  # Something is left to be read.
                self._conn.give_up()
        for one, result in zip(sent, results, strict=True):
            if result.status == ExecStatus.FATAL_ERROR:
                raise error_from_result(result)
            if one.name is not None:
                self._known[one.query] = one.name
        return results[-1]

    def _send(self, query: str, params: Sequence[bytes], types: Sequence[int]) -> Iterator[_Sent]:
        pgconn, is_known = self._conn.pgconn, query in self._known
        name = self._known.setdefault(query, None)
        self._known.move_to_end(query)
        if not is_known:
            yield from self._forget_oldest()
            pgconn.send_query_params(query.encode(), params, types)
            yield _Sent(query)
            return
        if name is None:
            name = b"agentledger_%d" % next(NUMBERS)
            pgconn.send_prepare(name, query.encode(), types)
            yield _Sent(query, name)
        pgconn.send_query_prepared(name, params)
        yield _Sent(query)

    def _forget_oldest(self) -> Iterator[_Sent]:
        if len(self._known) > STATEMENTS_MAX:
            query, name = self._known.popitem(last=False)
            if name is not None:
                self._conn.pgconn.send_close_prepared(name)
                yield _Sent(query)

    async def _result(self) -> PGresult:
        """Of the next command."""
        result = await self._conn.next_result()
        assert result is not None
        await self._conn.next_result()
        return result
