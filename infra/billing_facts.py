"""What a tenant used, read from the log itself: invoices never depend on a read model that lags.

Payloads beside the log and what is of data subjects are not opened: what was used is in neither.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from datetime import UTC, datetime
from typing import Any, LiteralString, NamedTuple, TypeAlias, cast
from uuid import UUID

import orjson

from commands.billing_port import IssuedCopy, Series
from domain.embedding_calls import EmbeddingCall
from domain.execution_events import upcast_usage
from domain.executions import Execution
from domain.identifiers import JsonObject, TenantId
from domain.invoice_facts import Fact, Place
from domain.storage_measurements import StorageMeasurement
from domain.usage_events import UsageEvent
from infra.data_keys import DataKeys
from infra.event_log import read_end
from infra.event_sealing import opened_states
from infra.postgres import Database
from infra.sealing import SUBJECT_MARK, nested_in

PAGE = 2_000
# How many facts are looked at in a row: 1 ms.
TURN = 100
OUTCOMES = (Execution.NodeCompleted.TOPIC, Execution.NodeFailed.TOPIC)
TOPICS = (
    *OUTCOMES,
    Execution.UsageUnresolved.TOPIC,
    Execution.UsageResolved.TOPIC,
    Execution.RunMetered.TOPIC,
    UsageEvent.Created.TOPIC,
    StorageMeasurement.Created.TOPIC,
    EmbeddingCall.Created.TOPIC,
)

# fmt: off
# Rows are read in the order of the tenant's index. What row security lets through is estimated far
# too low, and then everything would be sorted; and so is what lies between two places of one era,
# if the planner sees them, and then it may read the log of all tenants.
IN_ORDER: LiteralString = (
    "SELECT set_config('enable_sort', 'off', true), set_config('enable_bitmapscan', 'off', true),"
    " set_config('plan_cache_mode', 'force_generic_plan', true)"
)
FEW_COLUMNS: LiteralString = (
    "SELECT era, tx_id::text::bigint, notification_id, originator_id, originator_version, topic,"
    " state, recorded_at"
)
FACTS: LiteralString = (
    " FROM events WHERE tenant_id = %s"
    " AND (era, tx_id, notification_id) > (%s::smallint, %s::text::xid8, %s::bigint)"
    " AND (era, tx_id, notification_id) < (%s::smallint, %s::text::xid8, %s::bigint)"
    " AND topic = ANY(%s)"
    # Of the table: the columns of the answer have the same names, and no index.
    " ORDER BY events.tenant_id, events.era, events.tx_id, events.notification_id LIMIT %s::bigint"
)
UNRESOLVED: LiteralString = (
    " FROM events WHERE originator_id = %s AND originator_version < %s AND topic = %s"
    " ORDER BY originator_version DESC"
)
LAST_NUMBER: LiteralString = (
    "SELECT coalesce(max(number), 0) FROM issued_documents WHERE tenant_id = %s AND series = %s"
)
ISSUED: LiteralString = (
    "SELECT number, sealed FROM issued_documents"
    " WHERE tenant_id = %s AND series = 'invoice' AND invoice_id = %s"
)
# fmt: on


class FactRow(NamedTuple):
    """An event of usage, as far as facts are made of it. state: its JSON."""

    era: int
    tx_id: int
    notification_id: int
    stream_id: UUID
    version: int
    topic: str
    state: bytes
    recorded_at: datetime

    @property
    def place(self) -> Place:
        return self[:3]


# Of one tenant, by a statement from its FROM on and its parameters. Raises KeyDestroyed. What is of
# a data subject may stay sealed.
ReadOpened: TypeAlias = Callable[
    [TenantId, LiteralString, Sequence[object]], Coroutine[Any, Any, Sequence[FactRow]]
]


class FactReader:
    """reads_ahead: the next page is read while one is looked at; `read` may then be called while
    another of its calls goes on.
    """

    def __init__(self, read: ReadOpened, *, reads_ahead: bool = False) -> None:
        self._read = read
        self._reads_ahead = reads_ahead

    async def facts(
        self, tenant_id: TenantId, *, after: Place, before: Place
    ) -> AsyncIterator[Sequence[Fact]]:
        """Raises KeyDestroyed."""

        def begun(place: Place) -> asyncio.Task[Sequence[FactRow]]:
            asked = (tenant_id, *_numbers(place), *_numbers(before), list(TOPICS), PAGE)
            return asyncio.create_task(self._read(tenant_id, FACTS, asked))

        reading = begun(after)
        try:
            while True:
                rows = await reading
                is_last = len(rows) < PAGE
                if self._reads_ahead and not is_last:
                    reading = begun(rows[-1].place)
                yield await self._page(tenant_id, rows)
                if is_last:
                    return
                if not self._reads_ahead:
                    reading = begun(rows[-1].place)
        finally:
            reading.cancel()

    async def _page(self, tenant_id: TenantId, rows: Sequence[FactRow]) -> Sequence[Fact]:
        page: list[Fact] = []
        for number, row in enumerate(rows):
            if number % TURN == 0:
                await asyncio.sleep(0)  # Others go on, what is read ahead among them.
            told = told_by(row.state)
            happened_at = None
            if row.topic == Execution.UsageResolved.TOPIC:
                happened_at = await self._unresolved_at(tenant_id, row, told)
            fact = fact_of(row, told, happened_at=happened_at)
            if fact is not None:
                page.append(fact)
        return page

    async def _unresolved_at(self, tenant_id: TenantId, row: FactRow, told: JsonObject) -> datetime:
        """When it was used, not when that was found out."""
        asked = (row.stream_id, row.version, Execution.UsageUnresolved.TOPIC)
        for earlier in await self._read(tenant_id, UNRESOLVED, asked):
            if is_same_attempt(told_by(earlier.state), told):
                return earlier.recorded_at
        return row.recorded_at


class PostgresBilling:
    """Implements commands.billing_port.Billing. database: the role `api`, which sees one tenant at
    a time.
    """

    def __init__(self, database: Database, keys: DataKeys) -> None:
        self._database = database
        self._keys = keys
        self._reader = FactReader(self._read, reads_ahead=True)

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

    async def _read(
        self, tenant_id: TenantId, query: LiteralString, asked: Sequence[object]
    ) -> Sequence[FactRow]:
        """Opened with the tenant's key only."""
        async with self._database.tenant_transaction(tenant_id) as conn:
            await conn.execute(IN_ORDER)
            cursor = conn.cursor(binary=True)
            await cursor.execute(FEW_COLUMNS + query, asked, prepare=True)
            rows = await cursor.fetchall()
        if not rows:
            return ()
        key = self._keys.kept(tenant_id) or await self._keys.of(tenant_id)
        states = opened_states([row[3:7] for row in rows], key)
        return [
            FactRow(era, tx_id, number, stream_id, version, topic, state, recorded_at)
            for (era, tx_id, number, stream_id, version, topic, _, recorded_at), state in zip(
                rows, states, strict=True
            )
        ]


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


def fact_of(row: FactRow, told: JsonObject, *, happened_at: datetime | None = None) -> Fact | None:
    """happened_at: of what was resolved. None for what nobody paid for."""
    if row.topic in OUTCOMES and "usage" not in told:
        upcast_usage(cast("dict[str, Any]", told))
    usage = cast("dict[str, Any] | None", told.get("usage"))
    if usage is None and row.topic != Execution.UsageUnresolved.TOPIC:
        return None
    if "happened_at" in told:
        happened_at = datetime.fromisoformat(str(told["happened_at"])).astimezone(UTC)
    return Fact(
        row.place,
        happened_at or row.recorded_at,
        row.stream_id,
        str(told.get("path", "")),
        int(str(told.get("attempt", 0))),
        str(told.get("model") or ""),
        "" if usage is None else str(usage["prices"]),
        None if usage is None else usage["lines"],
    )
