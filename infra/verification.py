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
from infra.event_codec import UnknownTopic, decode
from infra.event_log import COLUMNS, Row, logged_event

VIOLATIONS_SHOWN_MAX = 20
PAGE = 2000


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
COMMANDS: LiteralString = "SELECT count(*) FROM commands"
LOST_COMMANDS: LiteralString = (
    "SELECT c.command_id, 'acknowledged, but not all of its events are stored' FROM commands AS c"
    " WHERE c.events_count <> (SELECT count(*) FROM events AS e"
    " WHERE e.era = c.era AND e.tx_id = c.tx_id AND e.command_id = c.command_id)"
)
EXECUTIONS: LiteralString = "SELECT count(*) FROM events WHERE topic = 'execution.created'"
# One statement, one snapshot: an execution is in the list exactly when it has no last event.
UNOWNED: LiteralString = (
    "WITH created AS (SELECT originator_id FROM events WHERE topic = 'execution.created'),"
    " ended AS (SELECT originator_id FROM events"
    "            WHERE topic IN ('execution.completed', 'execution.failed', 'execution.cancelled'))"
    " SELECT coalesce(c.originator_id, o.execution_id),"
    "        CASE WHEN o.execution_id IS NULL THEN 'is not ended and nobody owes its end'"
    "             WHEN c.originator_id IS NULL THEN 'is owed an end but has no events'"
    "             ELSE 'is ended and still owed an end' END"
    "   FROM created AS c LEFT JOIN ended AS e USING (originator_id)"
    "   FULL JOIN open_executions AS o ON o.execution_id = c.originator_id"
    "  WHERE (e.originator_id IS NULL) <> (o.execution_id IS NOT NULL)"
    "     OR c.originator_id IS NULL"
)
# fmt: on


async def verify_log(conn: AsyncConnection, progress: Callable[[str], None]) -> list[Check]:
    """conn: autocommit, sees every tenant."""
    plan: list[tuple[str, LiteralString, LiteralString]] = [
        ("versions of every stream are contiguous", STREAMS, GAPS),
        ("every stream stands in order in the log", STREAMS, REORDERED),
        ("every stream belongs to one tenant", STREAMS, SEVERAL_TENANTS),
        ("every acknowledged command is stored", COMMANDS, LOST_COMMANDS),
        ("every execution is ended or owned", EXECUTIONS, UNOWNED),
    ]
    checks: list[Check] = []
    for name, count, violations in plan:
        progress(name)
        checks.append(await _sql_check(conn, name, count, violations))
    progress("every event can be read")
    checks.extend(await _read_every_event(conn))
    return checks


async def _sql_check(
    conn: AsyncConnection, name: str, count: LiteralString, violations: LiteralString
) -> Check:
    check = Check(name)
    row = await (await conn.execute(count)).fetchone()
    check.checked = int(row[0]) if row else 0
    async for subject, what in await conn.execute(violations):
        check.violated(f"{subject}: {what}")
    return check


async def _read_every_event(conn: AsyncConnection) -> list[Check]:
    """Decodes the whole log by stream; counts the outcomes of attempts and the definitions that
    runs pin.
    """
    readable = Check("every event can be read")
    once = Check("no effect is accepted twice")
    pinned = Check("every execution's definition is stored")
    stream: UUID | None = None
    outcomes: set[tuple[str, int]] = set()
    async for event in events_by_stream(conn):
        readable.checked += 1
        if event.stream_id != stream:
            stream, outcomes = event.stream_id, set()
        try:
            fact = decode(event)
        except (UnknownTopic, MapperDeserialisationError) as error:
            readable.violated(f"{event.stream_id} version {event.version}: {error}")
            continue
        match fact:
            case Execution.NodeCompleted() | Execution.NodeFailed():
                once.checked += 1
                attempt = (fact.path, fact.attempt)
                if attempt in outcomes:
                    once.violated(f"{stream}: {fact.path} attempt {fact.attempt} has two outcomes")
                outcomes.add(attempt)
            case Execution.Created():
                pinned.checked += 1
                if not await _is_definition_stored(conn, event.tenant_id, fact.definition_hash):
                    pinned.violated(f"{stream}: definition {fact.definition_hash}")
            case _:
                pass
    return [readable, once, pinned]


async def events_by_stream(conn: AsyncConnection) -> AsyncIterator[LoggedEvent]:
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
        for row in rows:
            yield logged_event(row)
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
