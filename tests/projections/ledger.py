"""A database with a log and read models, for the tests of what keeps them."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from psycopg import sql

from commands.ports import Batch, LoggedEvent, Position, partition_of
from domain.identifiers import shard_of
from infra.clock import SystemClock, Uuid7Ids
from infra.connections import Connection
from infra.event_commitments import EventCommitments
from infra.event_log import BEGINNING, read_commit_order
from infra.event_sealing import EventSeals
from infra.log_sealer import LogSealer, SealLimits
from infra.postgres import Database, Role, role_conninfo
from infra.prepared_statements import PreparedStatements
from infra.seal_keys import SealKeys
from projections.catalogue import PROJECTIONS
from projections.fold import Row, rows_after
from projections.projector import Projector
from projections.rows import Tables
from projections.table import AnyProjection, Key
from projections.verification import verify_projection
from tests.infra.keys import data_keys_on
from tests.projections.histories import Stream

PARTITIONS = 4
ALL_PARTITIONS = range(PARTITIONS)

INSERT = """
INSERT INTO events
  (originator_id, shard, originator_version, topic, state, tenant_id, event_id, actor, recorded_at)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)
"""


@dataclass
class Ledger:
    """owner: sees and may do everything."""

    url: str
    master_key: str
    owner: Connection
    databases: dict[Role, Database] = field(default_factory=dict)
    seals: EventSeals | None = None

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Connection]:
        async with await Connection.connect(
            self.url,
            autocommit=True,
            options="-c search_path=agentledger,pg_catalog -c timezone=UTC",
        ) as conn:
            yield conn

    async def database(self, role: Role) -> Database:
        if role not in self.databases:
            conninfo = role_conninfo(
                self.url, role, master_key=self.master_key, statement_timeout_s=10
            )
            self.databases[role] = Database(conninfo, pool_size_max=4)
            await self.databases[role].open()
        return self.databases[role]

    async def opened(self, events: Sequence[LoggedEvent]) -> Sequence[LoggedEvent]:
        if self.seals is None:
            self.seals = EventSeals(data_keys_on(await self.database("projector")))
        return await self.seals.opened(events)

    async def projector(
        self,
        projections: Sequence[AnyProjection] = PROJECTIONS,
        *,
        on_applied: Callable[[dict[int, Position]], None] | None = None,
        partitions_count: int = PARTITIONS,
    ) -> Projector:
        """One that owns every partition."""
        projector = Projector(
            await self.database("projector"),
            projections,
            open_events=self.opened,
            partitions_count=partitions_count,
            on_applied=on_applied,
        )
        await projector.assigned(range(partitions_count))
        return projector

    async def append(self, events: Sequence[LoggedEvent]) -> None:
        """In one transaction, as a plain insert."""
        async with self.owner.transaction(), self.owner.cursor() as cursor:
            await cursor.executemany(
                INSERT,
                [
                    (
                        event.stream_id,
                        shard_of(event.stream_id),
                        event.version,
                        event.topic,
                        event.state,
                        event.tenant_id,
                        event.event_id,
                        event.actor,
                        event.recorded_at,
                    )
                    for event in events
                ],
            )

    async def seal(self, *, events_max: int = 1000) -> int:
        """One seal over what is not sealed yet; how many events it covers."""
        database = await self.database("projector")
        keys, clock = data_keys_on(database), SystemClock()
        sealer = LogSealer(
            database.conninfo,
            EventCommitments(keys),
            SealKeys(keys, clock, Uuid7Ids(), max_age=timedelta(days=1)),
            clock=clock,
            limits=SealLimits(every_s=1, events_max=events_max, share_max=1),
        )
        async with await Connection.connect(
            database.conninfo, autocommit=True, prepare_threshold=None
        ) as conn:
            return await sealer.seal_next(conn, PreparedStatements(conn))

    async def log(self, *streams: Stream) -> list[LoggedEvent]:
        """Everything in commit order, or what belongs to some streams."""
        wanted = {stream.stream_id for stream in streams}
        events = await read_commit_order(PreparedStatements(self.owner), BEGINNING, limit=1_000_000)
        return [event for event in events if not wanted or event.stream_id in wanted]

    async def rows(self, projection: AnyProjection) -> dict[Key, Row]:
        tables = Tables(projection, projection.table)
        query = sql.SQL("SELECT {} FROM {} AS r").format(tables.selected_columns, tables.rows)
        rows = [
            tables.row_of(record) for record in await (await self.owner.execute(query)).fetchall()
        ]
        return {projection.key_of(row): row for row in rows}

    async def fetch(self, query: str, *params: object) -> list[tuple[Any, ...]]:
        cursor = await self.owner.execute(query.encode(), params)
        return await cursor.fetchall() if cursor.description else []

    async def scalar(self, query: str, *params: object) -> Any:
        ((value,),) = await self.fetch(query, *params)
        return value

    async def violations(self, projections: Sequence[AnyProjection] = PROJECTIONS) -> list[str]:
        checks = [
            await verify_projection(self.owner, projection, self.opened)
            for projection in projections
        ]
        return [violation for check in checks for violation in check.violations]


def batches(events: Sequence[LoggedEvent], *, cursor: str = "end") -> list[Batch]:
    """One batch per partition."""
    return [
        Batch(partition, own, cursor)
        for partition in ALL_PARTITIONS
        if (own := [e for e in events if partition_of(e.shard, PARTITIONS) == partition])
    ]


def folded_once(projection: AnyProjection, streams: Sequence[Stream]) -> dict[Key, Row]:
    """What the table must hold after all events of these streams, computed without a database."""
    rows = [
        row
        for stream in streams
        if stream.aggregate in (projection.aggregate, *projection.also)
        for row in rows_after(projection, stream.events)
    ]
    return {projection.key_of(row): row for row in rows}
