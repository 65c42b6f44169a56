"""Storing batches of appends on one connection, a statement each.

A batch that fails is halved and tried again until the append that failed stands alone, so only its
caller hears of it. When the connection breaks the outcome is unknown: the writer looks for its own
event ids at their places and appends only what is not there.
"""

import asyncio
import logging
from collections.abc import Sequence
from itertools import groupby
from typing import LiteralString
from uuid import UUID

from psycopg import DatabaseError, OperationalError
from psycopg.errors import UniqueViolation
from psycopg.pq.abc import PGresult

from commands.ports import DuplicateCommand
from domain.errors import Stale, Unavailable
from infra.append_statement import Append, Stored, append_query, stored_at
from infra.blob_statement import store_blobs
from infra.budget_moves import CHANGED_SQLSTATE, EXCEEDED_SQLSTATE
from infra.connections import Connection, Polling
from infra.crash_points import reach
from infra.prepared_statements import PreparedStatements
from infra.refused_appends import refusal_of, refuse_over_budget
from infra.side_rows import SideStatement

log = logging.getLogger(__name__)

RECONNECT_MIN_S = 0.05
RECONNECT_MAX_S = 1.0

# Left to choose, PostgreSQL may plan an append anew each time: half of what it costs then. One
# plan for all must not read a whole table because that was small when it was made.
PLANS: LiteralString = """
SELECT set_config('plan_cache_mode', 'force_generic_plan', false),
       set_config('enable_seqscan', 'off', false)
"""
FIND_APPENDED: LiteralString = """
SELECT event_id, era, tx_id::text::bigint, notification_id FROM events
 WHERE originator_id = ANY(%b) AND event_id = ANY(%b)
"""


class AppendWriter:
    """Nothing before the append assigns a transaction id.

    woken: there is something for it to do. is_alone: nothing else is being stored.
    """

    def __init__(self, conninfo: str, polling: Polling) -> None:
        self._conninfo = conninfo
        self._polling = polling
        self.woken = asyncio.Event()
        self.is_alone = False
        self._is_sent = False
        self._conn: Connection | None = None
        self._statements: PreparedStatements

    def send(self, batch: Sequence[Append]) -> None:
        """Have PostgreSQL begin with a batch before anything else here has a turn, if it can: it is
        left to `store`, which is called with it next.
        """
        if self._conn is not None and not self._conn.closed and not _needs_more(batch):
            self._is_sent = self._statements.send(*_statement_of(batch))

    async def store(self, batch: Sequence[Append], deadline: float) -> None:
        """Every append of the batch is resolved when this returns."""
        is_outcome_unknown = False
        delay_s = RECONNECT_MIN_S
        while True:
            try:
                conn = await self._connected()
                if is_outcome_unknown:
                    batch = await self._without_stored(conn, batch)
                if batch:
                    await self._store_or_halve(conn, batch)
            except OperationalError as error:
                is_outcome_unknown = True
                await self.close()
                if asyncio.get_running_loop().time() + delay_s > deadline:
                    for append in batch:
                        append.fail(Unavailable("the event store cannot be reached"))
                    return
                log.warning("append: connection lost, looking what was stored: %s", error)
                await asyncio.sleep(delay_s)
                delay_s = min(delay_s * 2, RECONNECT_MAX_S)
            except DatabaseError as error:
                log.exception("append: the database refused the statement")
                for append in batch:
                    append.fail(error)
                return
            else:
                return

    async def close(self) -> None:
        if self._conn is not None:
            conn, self._conn = self._conn, None
            await conn.close()

    async def _connected(self) -> Connection:
        """The one on which something was sent says by an error what became of it."""
        if self._conn is None or (self._conn.closed and not self._is_sent):
            self._conn = await Connection.connect(
                self._conninfo, autocommit=True, prepare_threshold=None
            )
            await self._conn.execute(PLANS)
            self._statements = PreparedStatements(self._conn)
        return self._conn

    async def _store_or_halve(self, conn: Connection, batch: Sequence[Append]) -> None:
        try:
            await self._insert(conn, batch)
        except OperationalError:
            raise
        except DatabaseError as error:
            if error.sqlstate in (EXCEEDED_SQLSTATE, CHANGED_SQLSTATE):
                # It says whose they are: the others are stored with one statement more.
                if rest := refuse_over_budget(batch, error):
                    await self._store_or_halve(conn, rest)
                return
            if len(batch) == 1:
                await self._refuse(conn, batch[0], error)
                return
            middle = len(batch) // 2
            await self._store_or_halve(conn, batch[:middle])
            await self._store_or_halve(conn, batch[middle:])

    async def _insert(self, conn: Connection, batch: Sequence[Append]) -> None:
        polling = self._polling if self.is_alone else None
        if self._is_sent:
            self._is_sent = False
            _succeed(batch, await self._statements.sent(polling))
            return
        query, params = _statement_of(batch)
        if _needs_more(batch):
            async with conn.transaction():
                result = await self._statements.execute(query, params)
                await store_blobs(conn, batch)
                rare = [statement for append in batch for statement in append.rare]
                for sql, alike in groupby(rare, key=_sql_of):
                    # Those of one batch are sent together.
                    await conn.cursor().executemany(sql, [one.params for one in alike])
                reach("append.in_transaction")
        else:
            result = await self._statements.execute(query, params, polling=polling)
        _succeed(batch, result)

    async def _refuse(self, conn: Connection, append: Append, error: DatabaseError) -> None:
        """Alone and refused: perhaps it was stored by an earlier try whose acknowledgement got
        lost.
        """
        if (refusal := refusal_of(error)) is not None:
            append.fail(refusal)
            return
        if not isinstance(error, UniqueViolation):
            append.fail(error)
            return
        if not await self._without_stored(conn, [append]):
            return
        if error.diag.constraint_name == "commands_pkey":
            append.fail(DuplicateCommand())
        else:
            append.fail(Stale())

    async def _without_stored(self, conn: Connection, batch: Sequence[Append]) -> list[Append]:
        """Resolves the appends whose events are in the log already; returns the others."""
        rows = [row for append in batch for row in append.events]
        streams = [UUID(bytes=row[0]) for row in rows]
        event_ids = [UUID(bytes=row[4]) for row in rows]
        cursor = conn.cursor(binary=True)
        await cursor.execute(FIND_APPENDED, (streams, event_ids))
        found = {row[0].bytes: (row[1], row[2], row[3]) for row in await cursor.fetchall()}
        missing: list[Append] = []
        for append in batch:
            places = [found.get(row[4]) for row in append.events]
            if append.stored.done():
                continue
            if places and all(place is not None for place in places):
                stored = [place for place in places if place is not None]
                era, tx_id, _ = stored[0]
                append.succeed(Stored(era, tx_id, [place[2] for place in stored]))
            else:
                missing.append(append)
        return missing


def _statement_of(batch: Sequence[Append]) -> tuple[str, list[bytes | None]]:
    """What is sent next."""
    query, params = append_query(batch)
    reach("append.before_statement")
    return query, params


def _needs_more(batch: Sequence[Append]) -> bool:
    """More than the one statement."""
    return any(append.rare or append.blobs for append in batch)


def _succeed(batch: Sequence[Append], result: PGresult) -> None:
    reach("append.after_commit")
    stored, place = stored_at(result), 0
    for append in batch:
        append.succeed(stored, place)
        place += len(append.events)


def _sql_of(statement: SideStatement) -> LiteralString:
    return statement.sql
