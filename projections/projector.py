"""The consumer behind every read model: events in, rows out, each event exactly once in effect.

    decode, read versions and rows, fold    ->  one transaction: positions (compare-and-set),
    (no transaction is open meanwhile)          rows, versions, dead letters

An open write transaction holds back every reader of the log, so reading and folding happen before
it begins; the compare-and-set on the positions proves afterwards that what was read still holds
(projections/positions.py).
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from uuid import UUID

from psycopg import AsyncConnection

from commands.ports import Batch, Position, Start
from infra.crash_points import reach
from infra.event_log import read_stream_unbound
from infra.event_sealing import OpenEvents
from infra.personal_members import ERASED_TOPICS
from infra.postgres import Database
from projections.dead_letters import record_parked
from projections.fold import Fold, Gap
from projections.positions import (
    Move,
    Overtaken,
    Place,
    Spot,
    begin_places,
    move_places,
    read_places,
)
from projections.refold import refold
from projections.rows import UNWRITABLE, Asked, Tables, row_documents, stream_documents
from projections.steps import STEP_EVENTS_MAX, Mark, Share, Step, halves, shares, steps
from projections.table import AnyProjection

OVERTAKEN_MAX = 5


class Fenced(Exception):
    """Another projector has moved a position of a partition that was ours."""


class Projector:
    """A commands.ports.LogHandler, of a log that opens its events. database: the role `projector`.

    on_applied: told after each commit how far every projection has come, per partition.
    """

    def __init__(
        self,
        database: Database,
        projections: Sequence[AnyProjection],
        *,
        open_events: OpenEvents,
        partitions_count: int,
        on_applied: Callable[[dict[int, Position]], None] | None = None,
    ) -> None:
        self._database = database
        self._open_events = open_events
        self._tables = tuple(Tables(projection, projection.table) for projection in projections)
        self._partitions_count = partitions_count
        self._on_applied = on_applied
        self._places: dict[Spot, Place] = {}
        self._handling = asyncio.Lock()

    async def assigned(self, partitions: Sequence[int]) -> dict[int, Start]:
        """Each partition begins where the projection that is furthest behind in it stands."""
        names = [tables.name for tables in self._tables]
        async with self._handling, self._database.connection() as conn:
            await begin_places(conn, names, self._partitions_count, partitions)
            places = await read_places(conn, names, self._partitions_count, partitions)
            self._places.update(places)
        reach("projector.after_assignment")
        return {p: Start(self._hindmost(p).cursor or None) for p in partitions}

    async def started(self, partitions: Sequence[int]) -> None:
        """Nothing to do: the positions say where to go on."""

    async def revoked(self, partitions: Sequence[int], *, at_once: bool = False) -> None:  # noqa: ARG002 # a batch is short
        async with self._handling:
            for spot in [spot for spot in self._places if spot.partition in partitions]:
                del self._places[spot]

    async def handle(self, batches: Sequence[Batch]) -> None:
        """Raises Fenced, and whatever the database raises when it is not well."""
        async with self._handling, self._database.connection() as conn:
            owned = {spot.partition for spot in self._places}
            for step in steps([batch for batch in batches if batch.partition in owned]):
                await self._apply(conn, step)
                if self._on_applied is not None:
                    self._on_applied({p: self._hindmost(p).position for p in step.marks})

    async def _apply(self, conn: AsyncConnection, step: Step) -> None:
        """Apply a step, whatever is in it: an event that cannot be written parks its stream."""
        await self._refold_erased(conn, step)
        try:
            await self._apply_writable(conn, step, self._tables)
        except UNWRITABLE:
            await self._park_unwritable(conn, step.part(step.events), self._tables)
            # All of it is applied or parked now; what is left is to move on.
            await self._apply_writable(conn, step, self._tables)

    async def _refold_erased(self, conn: AsyncConnection, step: Step) -> None:
        """Before the step, which then finds those streams applied."""
        for event in step.events:
            if event.topic in ERASED_TOPICS:
                for table in self._tables:
                    if event.topic in table.projection.stream_topics:
                        await refold(conn, table.projection, self._open_events, event.stream_id)

    async def _apply_writable(
        self,
        conn: AsyncConnection,
        step: Step,
        tables: Sequence[Tables],
        *,
        is_repair: bool = False,
    ) -> None:
        work = [share for share in shares(step, tables) if share.facts]
        for _ in range(OVERTAKEN_MAX):
            folds = await self._read(conn, work)
            gaps = {} if is_repair else _widest_gaps(folds, work)
            if gaps:
                for stream_id, gap in gaps.items():
                    await self._repair(conn, step, tables, stream_id=stream_id, gap=gap)
                folds = await self._read(conn, work)
            for fold, share in zip(folds, work, strict=True):
                for event, fact in share.facts:
                    fold.take(event, fact)
            try:
                await self._write(conn, step, tables, folds)
            except Overtaken:
                await self._read_places_again(conn, step.marks)
            else:
                return
        raise Fenced(f"the positions of partitions {sorted(step.marks)} kept moving")

    async def _read(self, conn: AsyncConnection, work: Sequence[Share]) -> list[Fold]:
        """What is stored of everything that the events touch, in one round trip."""
        folds = [Fold(share.tables.projection) for share in work]
        asked: list[tuple[Asked, Fold]] = []
        async with conn.pipeline():
            for fold, share in zip(folds, work, strict=True):
                if share.facts:
                    streams = {(event.tenant_id, event.stream_id) for event, _ in share.facts}
                    keys = fold.keys(share.facts)
                    asked.append((await share.tables.ask(conn, streams, keys), fold))
        for answer, fold in asked:
            await answer.into(fold)
        return folds

    async def _write(
        self, conn: AsyncConnection, step: Step, tables: Sequence[Tables], folds: Sequence[Fold]
    ) -> None:
        """The step's one transaction. Raises Overtaken; then nothing is written."""
        moves = self._moves(step, tables)
        table_of = {table.projection: table for table in tables}
        documents = [(list(row_documents(fold)), list(stream_documents(fold))) for fold in folds]
        async with conn.pipeline() as pipeline, conn.transaction():
            # Read models can be made again: a crash may lose the newest commits of this session,
            # in order and together with the positions.
            await conn.execute("SET LOCAL synchronous_commit = off")
            moving = await move_places(conn, self._partitions_count, moves)
            for fold, (rows, streams) in zip(folds, documents, strict=True):
                table = table_of[fold.projection]
                for document in rows:
                    await table.write_rows(conn, document)
                for document in streams:
                    await table.write_streams(conn, document)
                await record_parked(conn, fold.projection, fold.parked)
            await pipeline.sync()
            places = await moving.places()
            reach("projector.before_commit")
        reach("projector.after_commit")
        self._places.update(places)

    def _moves(self, step: Step, tables: Sequence[Tables]) -> dict[Spot, Move]:
        """Every position is written, also one that stays: that is what fences other writers."""
        moves: dict[Spot, Move] = {}
        for partition, mark in step.marks.items():
            hindmost = self._hindmost(partition).position
            made: dict[int, Move] = {}
            for table in tables:
                spot = Spot(table.name, partition)
                place = self._places[spot]
                move = made.get(id(place))
                if move is None:
                    move = made[id(place)] = _move(place, mark, hindmost)
                moves[spot] = move
        return moves

    async def _repair(
        self,
        conn: AsyncConnection,
        step: Step,
        tables: Sequence[Tables],
        *,
        stream_id: UUID,
        gap: Gap,
    ) -> None:
        """Apply a stream's events from the store, as far as it has them."""
        after_version = gap.after_version
        while after_version + 1 < gap.before_version:
            limit = min(STEP_EVENTS_MAX, gap.before_version - after_version - 1)
            page = await read_stream_unbound(
                conn, stream_id, after_version=after_version, limit=limit
            )
            page = [event for event in page if event.version < gap.before_version]
            if not page:
                return
            page = await self._open_events(page)
            await self._apply_writable(conn, step.part(page), tables, is_repair=True)
            after_version = page[-1].version

    async def _park_unwritable(
        self, conn: AsyncConnection, step: Step, tables: Sequence[Tables]
    ) -> None:
        """Halve the work until what fails is one event of one projection; park its stream."""
        for part, some_tables in halves(step, tables):
            try:
                await self._apply_writable(conn, part, some_tables)
            except UNWRITABLE as error:
                if len(part.events) > 1 or len(some_tables) > 1:
                    await self._park_unwritable(conn, part, some_tables)
                    continue
                (fold,) = await self._read(conn, shares(part, some_tables))
                fold.park(part.events[0], error)
                await self._write(conn, part, some_tables, [fold])

    async def _read_places_again(self, conn: AsyncConnection, partitions: Iterable[int]) -> None:
        """A replay or a rebuild leaves the places as they were; a new owner does not: Fenced."""
        names = [table.name for table in self._tables]
        places = await read_places(conn, names, self._partitions_count, list(partitions))
        for spot, place in places.items():
            known = self._places[spot]
            if (place.position, place.cursor) != (known.position, known.cursor):
                raise Fenced(f"partition {spot.partition} of {spot.projection} has another owner")
        self._places.update(places)

    def _hindmost(self, partition: int) -> Place:
        places = [self._places[Spot(table.name, partition)] for table in self._tables]
        distinct = {id(place): place for place in places}.values()
        return min(distinct, key=lambda place: place.position)


def _move(place: Place, mark: Mark | None, hindmost: Position) -> Move:
    if mark is None or hindmost < place.position > mark.position:
        return Move(place, place.position, place.cursor, None)
    position = max(place.position, mark.position)
    cursor = place.cursor if mark.cursor is None else mark.cursor
    return Move(place, position, cursor, mark.recorded_at)


def _widest_gaps(folds: Sequence[Fold], work: Sequence[Share]) -> dict[UUID, Gap]:
    """Per stream, what is missing to the projection that misses most."""
    gaps: dict[UUID, Gap] = {}
    for fold, share in zip(folds, work, strict=True):
        for stream_id, gap in fold.gaps(event for event, _ in share.facts).items():
            known = gaps.get(stream_id, gap)
            gaps[stream_id] = Gap(
                min(known.after_version, gap.after_version),
                max(known.before_version, gap.before_version),
            )
    return gaps
