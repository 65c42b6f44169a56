"""The checks of `agentledger verify` on the log itself; those of the projections are in
projections/fold.py.

Each check reads the whole log once, with bounded memory, and names what it finds. It may run beside
live traffic: what is still being written is left out by reading only what is settled.
"""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import LiteralString
from uuid import UUID

from eventsourcing.persistence import MapperDeserialisationError
from psycopg import AsyncConnection

from commands.ports import LoggedEvent
from domain.executions import Execution
from infra.closing_topics import STATUS_OF_CLOSING_TOPIC, STATUS_OF_FINAL_TOPIC
from infra.event_codec import UnknownTopic, decode
from infra.event_log import COLUMNS, Row, logged_event, read_stream_unbound
from infra.event_sealing import OpenEvents, is_erased
from infra.history_checks import CreditEntry, Ledger, Outcomes, Untold

VIOLATIONS_SHOWN_MAX = 20
PAGE = 2000
# What lets a run go on to which no worker owed anything.
OPENING = (
    "execution.created",
    "execution.paused",
    "execution.resumed",
    "execution.retried",
    "execution.resolved",
    "execution.compensation_started",
)


@dataclass
class Check:
    """checked: how many things were looked at. violations: the first few, in words."""

    name: str
    checked: int = 0
    violations_count: int = 0
    violations: list[str] = field(default_factory=list[str])

    @property
    def ok(self) -> bool:
        return self.violations_count == 0

    def violated(self, what: str) -> None:
        self.violations_count += 1
        if len(self.violations) < VIOLATIONS_SHOWN_MAX:
            self.violations.append(what)


# fmt: off
# What lies beside the log of these is removed a page at a time.
IS_ERASED: LiteralString = (
    " IN (SELECT tenant_id FROM destroyed_keys"
    "      WHERE subject_id = '00000000-0000-0000-0000-000000000000')"
)
STREAMS: LiteralString = "SELECT count(DISTINCT originator_id) FROM events"
GAPS: LiteralString = (
    "SELECT originator_id, 'versions ' || min(originator_version) || '..' ||"
    " max(originator_version)"
    " || ' but ' || count(*) || ' events'"
    " FROM events GROUP BY originator_id"
    " HAVING min(originator_version) <> 1 OR max(originator_version) <> count(*)"
)
REORDERED: LiteralString = (
    "SELECT originator_id, 'version ' || originator_version || ' stands before an older one in"
    " commit order'"
    " FROM (SELECT originator_id, originator_version, ROW(era, tx_id, notification_id) AS place,"
    "              lag(ROW(era, tx_id, notification_id)) OVER w AS before"
    "         FROM events WINDOW w AS (PARTITION BY originator_id ORDER BY originator_version))"
    " AS placed"
    " WHERE place < before"
)
SEVERAL_TENANTS: LiteralString = (
    "SELECT originator_id, count(DISTINCT tenant_id) || ' tenants in one stream'"
    " FROM events GROUP BY originator_id HAVING count(DISTINCT tenant_id) > 1"
)
MISPLACED: LiteralString = (
    "SELECT originator_id, 'version ' || originator_version || ' is in shard ' ||"
    " coalesce(shard::text, 'none') || ', its stream in ' || shard_of(originator_id)"
    " FROM events WHERE shard IS DISTINCT FROM shard_of(originator_id)"
)
COMMANDS: LiteralString = "SELECT count(*) FROM commands"
LOST_COMMANDS: LiteralString = (
    "SELECT c.command_id, 'acknowledged, but not all of its events are stored' FROM commands AS c"
    " WHERE c.events_count <> (SELECT count(*) FROM events AS e"
    " WHERE e.era = c.era AND e.tx_id = c.tx_id AND e.command_id = c.command_id)"
)
EXECUTIONS: LiteralString = "SELECT count(*) FROM events WHERE topic = 'execution.created'"
# One statement, one snapshot: an execution is in the list unless the last of the events that end it
# or let it go on is one that ends it.
UNOWNED: LiteralString = (
    "WITH known AS (SELECT originator_id, coalesce("
    "   max(originator_version) FILTER (WHERE topic = ANY(%(closing)s))"
    "   > max(originator_version) FILTER (WHERE topic = ANY(%(opening)s)), false) AS is_ended"
    "   FROM events WHERE (topic = ANY(%(closing)s) OR topic = ANY(%(opening)s))"
    "    AND NOT tenant_id" + IS_ERASED + " GROUP BY originator_id)"
    " SELECT coalesce(k.originator_id, o.execution_id),"
    "        CASE WHEN o.execution_id IS NULL THEN 'is not ended and nobody owes its end'"
    "             WHEN k.originator_id IS NULL THEN 'is owed an end but has no events'"
    "             ELSE 'is ended and still owed an end' END"
    "   FROM known AS k FULL JOIN"
    " (SELECT * FROM open_executions WHERE NOT tenant_id" + IS_ERASED + ") AS o"
    "   ON o.execution_id = k.originator_id"
    "  WHERE k.is_ended = (o.execution_id IS NOT NULL) OR k.originator_id IS NULL"
)
BLOB_USES: LiteralString = "SELECT count(*) FROM blob_uses"
LOST_BLOBS: LiteralString = (
    "SELECT u.stream_id, 'refers to a payload that is not stored: ' || encode(u.sha256, 'hex')"
    " FROM blob_uses AS u LEFT JOIN blobs AS b USING (tenant_id, sha256) WHERE b.sha256 IS NULL"
    " AND NOT u.tenant_id" + IS_ERASED
)
BLOB_TOTALS: LiteralString = "SELECT count(*) FROM blob_totals"
WRONG_TOTALS: LiteralString = (
    "SELECT t.tenant_id, t.bytes || ' bytes of payloads are counted, ' ||"
    " coalesce(sum(b.bytes), 0) || ' are stored'"
    " FROM blob_totals AS t LEFT JOIN blobs AS b USING (tenant_id)"
    " WHERE NOT t.tenant_id" + IS_ERASED + " GROUP BY t.tenant_id, t.bytes"
    " HAVING t.bytes <> coalesce(sum(b.bytes), 0)"
)
PRICE_BOOKS: LiteralString = "SELECT count(*) FROM price_books"
WRONG_PRICE_BOOKS: LiteralString = (
    "SELECT book_id, coalesce(b.book_version, 0) || ' versions are known to who prices, ' ||"
    " coalesce(p.versions, 0) || ' are published'"
    " FROM price_books AS b FULL JOIN"
    " (SELECT tenant_id, originator_id AS book_id, count(*) AS versions FROM events"
    "   WHERE topic = 'price_book.published' GROUP BY tenant_id, originator_id) AS p"
    " USING (tenant_id, book_id)"
    " WHERE b.book_version IS DISTINCT FROM p.versions AND NOT tenant_id" + IS_ERASED
)
HAS_ENDED: LiteralString = (
    "SELECT 1 FROM events WHERE originator_id = %s AND topic = ANY(%s) LIMIT 1"
)
# fmt: on


async def verify_log(
    conn: AsyncConnection, open_events: OpenEvents, progress: Callable[[str], None]
) -> list[Check]:
    """conn: autocommit, sees every tenant."""
    plan: list[tuple[str, LiteralString, LiteralString]] = [
        ("versions of every stream are contiguous", STREAMS, GAPS),
        ("every stream stands in order in the log", STREAMS, REORDERED),
        ("every stream belongs to one tenant", STREAMS, SEVERAL_TENANTS),
        ("every stream is in its shard", STREAMS, MISPLACED),
        ("every acknowledged command is stored", COMMANDS, LOST_COMMANDS),
        ("every execution is ended or owned", EXECUTIONS, UNOWNED),
        ("every payload beside the log is stored", BLOB_USES, LOST_BLOBS),
        ("the payloads of every tenant are counted", BLOB_TOTALS, WRONG_TOTALS),
        ("every price book is known to who prices", PRICE_BOOKS, WRONG_PRICE_BOOKS),
    ]
    checks: list[Check] = []
    for name, count, violations in plan:
        progress(name)
        checks.append(await _sql_check(conn, name, count, violations))
    progress("every event can be read")
    checks.extend(await _Histories(conn, open_events).read())
    return checks


async def _sql_check(
    conn: AsyncConnection, name: str, count: LiteralString, violations: LiteralString
) -> Check:
    check = Check(name)
    row = await (await conn.execute(count)).fetchone()
    check.checked = int(row[0]) if row else 0
    async for subject, what in await conn.execute(
        violations, {"closing": list(STATUS_OF_CLOSING_TOPIC), "opening": list(OPENING)}
    ):
        check.violated(f"{subject}: {what}")
    return check


@dataclass
class _Histories:
    """The checks that need every event decoded, stream after stream."""

    conn: AsyncConnection
    open_events: OpenEvents
    readable: Check = field(default_factory=lambda: Check("every event can be read"))
    once: Check = field(default_factory=lambda: Check("no effect is accepted twice"))
    pinned: Check = field(default_factory=lambda: Check("every execution's definition is stored"))
    told: Check = field(default_factory=lambda: Check("every child that ended told its parent"))
    credited: Check = field(default_factory=lambda: Check("credits are kept by double entry"))
    stream: UUID | None = None
    version: int = 0
    ledger: Ledger = field(default_factory=Ledger)
    outcomes: Outcomes = field(default_factory=Outcomes)
    untold: Untold = field(default_factory=Untold)

    async def read(self) -> list[Check]:
        async for event in events_by_stream(self.conn, self.open_events):
            if event.stream_id != self.stream:
                await self._end_stream()
                self.stream, self.outcomes, self.untold = event.stream_id, Outcomes(), Untold()
                self.ledger = Ledger()
            self.version = event.version
            self.readable.checked += 1
            if is_erased(event):
                continue
            try:
                fact = decode(event)
            except (UnknownTopic, MapperDeserialisationError) as error:
                self.readable.violated(f"{event.stream_id} version {event.version}: {error}")
                continue
            if isinstance(fact, CreditEntry):
                self._take_credits(fact)
            await self._take(event, fact)
        await self._end_stream()
        return [self.readable, self.once, self.pinned, self.told, self.credited]

    def _take_credits(self, fact: CreditEntry) -> None:
        self.credited.checked += 1
        if mistake := self.ledger.mistake(fact):
            self.credited.violated(f"{self.stream} version {self.version}: {mistake}")

    async def _take(self, event: LoggedEvent, fact: object) -> None:
        match fact:
            case Execution.NodeCompleted() | Execution.NodeFailed():
                self.once.checked += 1
                if second := self.outcomes.second(fact):
                    self.once.violated(f"{self.stream}: {second}")
            case Execution.Created() | Execution.Upgraded():
                self.pinned.checked += 1
                definition_hash = fact.definition_hash
                if not await _is_definition_stored(self.conn, event.tenant_id, definition_hash):
                    self.pinned.violated(f"{self.stream}: definition {definition_hash}")
            case Execution.Retried():
                self.outcomes.begin_again(fact.paths)
            case Execution.ChildStarted():
                self.told.checked += fact.is_awaited
                self.untold.started(fact)
            case Execution.ChildEnded():
                self.untold.ended(fact)
            case _ if event.topic in STATUS_OF_FINAL_TOPIC:
                self.untold.children.clear()
            case _:
                pass

    async def _end_stream(self) -> None:
        """A child tells its parent in the append that ends it; so what is read of the parent after
        the child was seen to have ended has it.
        """
        for child_id in self.untold.children:
            parent = self.stream
            assert parent is not None
            ended = await self.conn.execute(
                HAS_ENDED, (child_id, list(STATUS_OF_FINAL_TOPIC)), prepare=True
            )
            if await ended.fetchone() and not await self._has_heard(parent, child_id):
                self.told.violated(f"{child_id}: has ended, and its parent {parent} was not told")

    async def _has_heard(self, parent: UUID, child_id: str) -> bool:
        """Of the end of a child, or no more in need of it, since its stream was read."""
        version = self.version
        while page := await read_stream_unbound(
            self.conn, parent, after_version=version, limit=PAGE
        ):
            for event in await self.open_events(page):
                if event.topic in STATUS_OF_FINAL_TOPIC or is_erased(event):
                    return True
                if event.topic == "execution.child_ended":
                    fact = decode(event)
                    assert isinstance(fact, Execution.ChildEnded)
                    if fact.child_id == child_id:
                        return True
            version = page[-1].version
        return False


async def events_by_stream(
    conn: AsyncConnection, open_events: OpenEvents
) -> AsyncIterator[LoggedEvent]:
    """Every event, stream after stream, each in order of versions."""
    after: tuple[UUID, int] = (UUID(int=0), -1)
    query: LiteralString = (
        "SELECT " + COLUMNS + " FROM events WHERE (originator_id, originator_version) > (%s, %s)"
        " ORDER BY originator_id, originator_version LIMIT %s"
    )
    while True:
        cursor = conn.cursor(binary=True)
        await cursor.execute(query, (*after, PAGE), prepare=True)
        rows: list[Row] = await cursor.fetchall()
        for event in await open_events([logged_event(row) for row in rows]):
            yield event
        if len(rows) < PAGE:
            return
        after = (rows[-1][3], rows[-1][4])


async def _is_definition_stored(
    conn: AsyncConnection, tenant_id: UUID, definition_hash: str
) -> bool:
    cursor = await conn.execute(
        "SELECT 1 FROM definitions WHERE tenant_id = %s AND definition_hash = %s",
        (tenant_id, definition_hash),
        prepare=True,
    )
    return await cursor.fetchone() is not None
