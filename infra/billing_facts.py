"""What a tenant used, read from the log itself: invoices never depend on a read model that lags.

Payloads beside the log and what is of data subjects are not opened: what was used is in neither.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from datetime import UTC, datetime
from typing import Any, LiteralString, NamedTuple, TypeAlias, cast
from uuid import UUID

import orjson
from pydantic import TypeAdapter
from typing_extensions import TypedDict

from commands.billing_port import IssuedCopy, Series
from domain.embedding_calls import EmbeddingCall
from domain.execution_events import upcast_usage
from domain.executions import Execution
from domain.identifiers import TenantId
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
# By what says that it was found out later, what said that nobody knew.
UNRESOLVED_BY = {
    Execution.UsageResolved.TOPIC: Execution.UsageUnresolved.TOPIC,
    EmbeddingCall.UsageResolved.TOPIC: EmbeddingCall.UsageUnresolved.TOPIC,
}
TOPICS = (
    *OUTCOMES,
    *UNRESOLVED_BY.keys(),
    *UNRESOLVED_BY.values(),
    Execution.RunMetered.TOPIC,
    UsageEvent.Created.TOPIC,
    StorageMeasurement.Created.TOPIC,
    EmbeddingCall.Created.TOPIC,
    EmbeddingCall.Completed.TOPIC,
    EmbeddingCall.Failed.TOPIC,
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
    " recorded_at, state"
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


class ToldUsage(TypedDict):
    prices: str
    lines: Any


class Told(TypedDict, total=False):
    """What of an event of usage makes a fact; all else in it, outputs above all, is passed over."""

    path: str
    attempt: int
    model: str | None
    happened_at: str
    usage: ToldUsage | None
    tokens_in: int
    tokens_out: int
    cost_usd_pico: int | None


# A third less than to make objects of all that an event says.
READ_TOLD: Callable[[bytes], Told] = TypeAdapter(Told).validator.validate_json


class FactRow(NamedTuple):
    """An event of usage, as far as facts are made of it. state: its JSON."""

    era: int
    tx_id: int
    notification_id: int
    stream_id: UUID
    version: int
    topic: str
    recorded_at: datetime
    state: bytes

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
            if (unresolved := UNRESOLVED_BY.get(row.topic)) is not None:
                happened_at = await self._unresolved_at(tenant_id, row, told, unresolved)
            fact = fact_of(row, told, happened_at=happened_at)
            if fact is not None:
                page.append(fact)
        return page

    async def _unresolved_at(
        self, tenant_id: TenantId, row: FactRow, told: Told, topic: str
    ) -> datetime:
        """When it was used, not when that was found out. topic: of what said that nobody knew."""
        asked = (row.stream_id, row.version, topic)
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
        states = opened_states([(row[3], row[4], row[7]) for row in rows], key)
        return [FactRow._make((*row[:7], state)) for row, state in zip(rows, states, strict=True)]


def _numbers(place: Place) -> tuple[int, str, int]:
    return place[0], str(place[1]), place[2]


def is_same_attempt(one: Told, other: Told) -> bool:
    return _attempt(one) == _attempt(other)


def _attempt(told: Told) -> tuple[str, int]:
    return told.get("path", ""), told.get("attempt", 0)


def told_by(state: bytes) -> Told:
    """What an event says, without what is of a data subject."""
    if state[:1] == SUBJECT_MARK:
        inner = nested_in(state)
        state = state if inner is None else inner.beside
    try:
        return READ_TOLD(state)
    except ValueError:
        # Nobody ends their invoices by an output that is deeper than that parser goes.
        return orjson.loads(state)


def fact_of(row: FactRow, told: Told, *, happened_at: datetime | None = None) -> Fact | None:
    """happened_at: of what was resolved. None for what nobody paid for."""
    era, tx_id, notification_id, stream_id, _, topic, recorded_at, _ = row
    if "usage" not in told and topic in OUTCOMES:
        upcast_usage(cast("dict[str, Any]", told))
    usage = told.get("usage")
    if usage is None and topic not in UNRESOLVED_BY.values():
        return None
    if "happened_at" in told:
        happened_at = datetime.fromisoformat(told["happened_at"]).astimezone(UTC)
    return Fact(
        (era, tx_id, notification_id),
        happened_at or recorded_at,
        stream_id,
        *_attempt(told),
        told.get("model") or "",
        "" if usage is None else usage["prices"],
        None if usage is None else usage["lines"],
    )
