"""What a tenant used, read from the log itself: invoices never depend on a read model that lags.

Payloads beside the log and what is of data subjects are not opened: what was used is in neither.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any, LiteralString, cast
from uuid import UUID

import orjson

from commands.billing_port import IssuedCopy, Series
from commands.ports import LoggedEvent
from commands.sealing_port import KeyDestroyed
from domain.execution_events import upcast_usage
from domain.executions import Execution
from domain.identifiers import JsonObject, TenantId
from domain.invoice_facts import Fact, Place
from domain.usage_events import UsageEvent
from infra.data_keys import DataKeys
from infra.event_log import COLUMNS, Row, logged_event, read_end
from infra.event_sealing import is_erased, opened
from infra.postgres import Database
from infra.sealing import SUBJECT_MARK, nested_in

PAGE = 2_000
OUTCOMES = (Execution.NodeCompleted.TOPIC, Execution.NodeFailed.TOPIC)
TOPICS = (
    *OUTCOMES,
    Execution.UsageUnresolved.TOPIC,
    Execution.UsageResolved.TOPIC,
    UsageEvent.Created.TOPIC,
)

# fmt: off
# Rows are read in the order of an index; what row security lets through is estimated far too low,
# and then everything would be sorted.
IN_ORDER: LiteralString = (
    "SELECT set_config('enable_sort', 'off', true), set_config('enable_bitmapscan', 'off', true)"
)
FACTS: LiteralString = (
    "SELECT " + COLUMNS + " FROM events WHERE tenant_id = %s"
    " AND (era, tx_id, notification_id) > (%s::smallint, %s::text::xid8, %s)"
    " AND (era, tx_id, notification_id) < (%s::smallint, %s::text::xid8, %s)"
    " AND topic = ANY(%s)"
    # Of the table: the columns of the answer have the same names, and no index.
    " ORDER BY events.tenant_id, events.era, events.tx_id, events.notification_id LIMIT %s"
)
UNRESOLVED: LiteralString = (
    "SELECT " + COLUMNS + " FROM events WHERE originator_id = %s AND originator_version < %s"
    " AND topic = %s ORDER BY originator_version DESC"
)
LAST_NUMBER: LiteralString = (
    "SELECT coalesce(max(number), 0) FROM issued_documents WHERE tenant_id = %s AND series = %s"
)
ISSUED: LiteralString = (
    "SELECT number, sealed FROM issued_documents"
    " WHERE tenant_id = %s AND series = 'invoice' AND invoice_id = %s"
)
# fmt: on


class FactReader:
    """rows: of one tenant, by a statement and its parameters. opened: the same events with their
    JSON; it need not open what is of a data subject.
    """

    def __init__(
        self,
        rows: Callable[[TenantId, LiteralString, Sequence[object]], Awaitable[list[Row]]],
        opened_events: Callable[[Sequence[LoggedEvent]], Awaitable[Sequence[LoggedEvent]]],
    ) -> None:
        self._rows = rows
        self._opened_events = opened_events

    async def facts(
        self, tenant_id: TenantId, *, after: Place, before: Place
    ) -> AsyncIterator[Sequence[Fact]]:
        """Raises KeyDestroyed."""
        while True:
            asked = (tenant_id, *_numbers(after), *_numbers(before), list(TOPICS), PAGE)
            rows = await self._rows(tenant_id, FACTS, asked)
            yield [
                fact
                for event in await self._opened(rows)
                if (fact := await self._fact(event)) is not None
            ]
            if len(rows) < PAGE:
                return
            after = (rows[-1][0], rows[-1][1], rows[-1][2])

    async def _opened(self, rows: Sequence[Row]) -> Sequence[LoggedEvent]:
        events = await self._opened_events([logged_event(row) for row in rows])
        if any(is_erased(event) for event in events):
            raise KeyDestroyed
        return events

    async def _fact(self, event: LoggedEvent) -> Fact | None:
        told = told_by(event.state)
        if event.topic == Execution.UsageResolved.TOPIC:
            return fact_of(event, told, happened_at=await self._unresolved_at(event, told))
        return fact_of(event, told)

    async def _unresolved_at(self, event: LoggedEvent, told: JsonObject) -> datetime:
        """When it was used, not when that was found out."""
        asked = (event.stream_id, event.version, Execution.UsageUnresolved.TOPIC)
        rows = await self._rows(event.tenant_id, UNRESOLVED, asked)
        for earlier in await self._opened(rows):
            if is_same_attempt(told_by(earlier.state), told):
                return earlier.recorded_at
        return event.recorded_at


class PostgresBilling:
    """Implements commands.billing_port.Billing. database: the role `api`, which sees one tenant at
    a time.
    """

    def __init__(self, database: Database, keys: DataKeys) -> None:
        self._database = database
        self._keys = keys
        self._reader = FactReader(self._rows, self._opened)

    async def settled(self) -> Place:
        async with self._database.connection() as conn:
            end = await read_end(conn)
        return (end.era, end.tx_id, end.notification_id)

    def facts(
        self, tenant_id: TenantId, *, after: Place, before: Place
    ) -> AsyncIterator[Sequence[Fact]]:
        return self._reader.facts(tenant_id, after=after, before=before)

    async def last_number(self, issuer_id: TenantId, series: Series) -> int:
        async with self._database.tenant_transaction(issuer_id) as conn:
            row = await (await conn.execute(LAST_NUMBER, (issuer_id, series))).fetchone()
        return 0 if row is None else int(row[0])

    async def issued(self, issuer_id: TenantId, invoice_id: UUID) -> IssuedCopy | None:
        async with self._database.tenant_transaction(issuer_id) as conn:
            row = await (await conn.execute(ISSUED, (issuer_id, invoice_id))).fetchone()
        return None if row is None else IssuedCopy(row[0], bytes(row[1]))

    async def _rows(
        self, tenant_id: TenantId, query: LiteralString, asked: Sequence[object]
    ) -> list[Row]:
        async with self._database.tenant_transaction(tenant_id) as conn:
            await conn.execute(IN_ORDER)
            cursor = conn.cursor(binary=True)
            await cursor.execute(query, asked, prepare=True)
            return await cursor.fetchall()

    async def _opened(self, events: Sequence[LoggedEvent]) -> Sequence[LoggedEvent]:
        """With the tenant's key only."""
        if not events:
            return events
        tenant_id = events[0].tenant_id
        key = self._keys.kept(tenant_id) or await self._keys.of(tenant_id)
        return [opened(event, key) for event in events]


def _numbers(place: Place) -> tuple[int, str, int]:
    return place[0], str(place[1]), place[2]


def is_same_attempt(one: JsonObject, other: JsonObject) -> bool:
    return (one["path"], one["attempt"]) == (other["path"], other["attempt"])


def told_by(state: bytes) -> JsonObject:
    """What an event says, without what is of a data subject."""
    if state[:1] == SUBJECT_MARK:
        inner = nested_in(state)
        state = state if inner is None else inner.beside
    return orjson.loads(state)


def fact_of(
    event: LoggedEvent, told: JsonObject, *, happened_at: datetime | None = None
) -> Fact | None:
    """happened_at: of what was resolved. None for what nobody paid for."""
    place = (event.position.era, event.position.tx_id, event.position.notification_id)
    if event.topic in OUTCOMES and "usage" not in told:
        upcast_usage(cast("dict[str, Any]", told))
    is_unknown = event.topic == Execution.UsageUnresolved.TOPIC
    usage = cast("dict[str, Any] | None", told.get("usage"))
    if usage is None and not is_unknown:
        return None
    if event.topic == UsageEvent.Created.TOPIC:
        happened_at = datetime.fromisoformat(str(told["happened_at"])).astimezone(UTC)
    return Fact(
        place=place,
        happened_at=happened_at or event.recorded_at,
        stream_id=event.stream_id,
        path=str(told.get("path", "")),
        attempt=int(str(told.get("attempt", 0))),
        model=str(told.get("model") or ""),
        prices="" if usage is None else str(usage["prices"]),
        lines=None if usage is None else usage["lines"],
    )
