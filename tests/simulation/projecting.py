"""The real projector (projections/projector.py) with its folds, gap repair and positions; only its
tables and its transaction are dictionaries here.
"""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast
from uuid import UUID

from commands.ports import LoggedEvent
from domain.errors import Unavailable
from infra.event_log import BEGINNING
from projections.catalogue import PROJECTIONS
from projections.fold import Applied, Fold, Row
from projections.positions import Move, Overtaken, Place, Spot
from projections.projector import Projector
from projections.rows import Tables
from projections.steps import Share, Step
from projections.table import Key
from tests.simulation.processes import Process
from tests.simulation.store import SimulatedStore

WAY_S = 0.004
SLOW_S = 4.0
READ_MODELS = tuple(
    one
    for one in PROJECTIONS
    if one.name in {"executions", "node_runs", "workflows", "workflow_versions"}
)


@dataclass(eq=False)
class ReadModels:
    """What PostgreSQL holds of all projections. went_back: what was applied, and is no more."""

    store: SimulatedStore
    places: dict[Spot, Place] = field(default_factory=dict)
    streams: dict[tuple[str, UUID], Applied] = field(default_factory=dict)
    rows: dict[str, dict[Key, Row]] = field(
        default_factory=lambda: {one.table: {} for one in READ_MODELS}
    )
    parked: dict[tuple[str, UUID], str] = field(default_factory=dict)
    went_back: list[str] = field(default_factory=list)
    _writes: int = 0

    def begin(self, spots: Sequence[Spot]) -> None:
        for spot in spots:
            self.places.setdefault(spot, Place(BEGINNING, "", 0))

    def write(self, moves: dict[Spot, Move], folds: Sequence[Fold]) -> dict[Spot, Place]:
        """One transaction. Raises Overtaken."""
        if any(self.places[s].row_version != m.expected.row_version for s, m in moves.items()):
            raise Overtaken
        self._writes += 1
        moved = {s: Place(m.position, m.cursor, self._writes) for s, m in moves.items()}
        self.places.update(moved)
        for fold in folds:
            table = fold.projection.table
            self.rows[table].update(fold.rows)
            for stream_id, applied in fold.streams.items():
                before = self.streams.get((table, stream_id), applied)
                if applied.version < before.version:
                    self.went_back.append(f"{table} of {stream_id}: {before} to {applied}")
                self.streams[table, stream_id] = applied
            for stream_id, parked in fold.parked.items():
                self.parked[table, stream_id] = f"{parked.event.topic}: {parked.error!r}"
        return moved


class ProjectorConnection:
    """One projector's way to the read models."""

    def __init__(self, models: ReadModels, process: Process) -> None:
        self.models = models
        self._process = process

    @asynccontextmanager
    async def connection(self) -> AsyncGenerator["ProjectorConnection"]:
        yield self

    async def go(self) -> None:
        environment = self._process.environment
        faults = environment.faults
        await self._process.reach()
        await environment.pass_by(SLOW_S if faults.happens(faults.delivery_is_slow) else WAY_S)
        # Also what a process sends late is sent, when it was only standing still.
        await self._process.reach()
        if faults.happens(faults.store_refuses / 4):
            raise Unavailable("the read models cannot be reached")

    async def come_back(self) -> None:
        environment = self._process.environment
        await environment.pass_by(WAY_S)
        if environment.faults.happens(environment.faults.store_keeps_silent / 4):
            raise Unavailable("the acknowledgement is lost")
        await self._process.reach()


async def as_stored(events: Sequence[LoggedEvent]) -> Sequence[LoggedEvent]:
    """In the place of what opens them: here they lie open."""
    return events


class SimulatedProjector(Projector):
    """Reading, folding, repairing and moving on are the real one's."""

    def __init__(self, models: ReadModels, process: Process, *, partitions_count: int) -> None:
        connection = cast("Any", ProjectorConnection(models, process))
        super().__init__(
            connection, READ_MODELS, open_events=as_stored, partitions_count=partitions_count
        )

    async def _read(self, conn: Any, work: Sequence[Share]) -> list[Fold]:
        await conn.go()
        folds: list[Fold] = []
        for share in work:
            fold = Fold(share.tables.projection)
            table = share.tables.name
            for event, _ in share.facts:
                if (applied := conn.models.streams.get((table, event.stream_id))) is not None:
                    fold.stored_streams[event.stream_id] = applied
            for key in fold.keys(share.facts):
                if (row := conn.models.rows[table].get(key)) is not None:
                    fold.stored_rows[key] = row
            folds.append(fold)
        await conn.come_back()
        return folds

    async def _write(
        self, conn: Any, step: Step, tables: Sequence[Tables], folds: Sequence[Fold]
    ) -> None:
        moves = self._moves(step, tables)
        await conn.go()
        places = conn.models.write(moves, folds)
        await conn.come_back()
        self._places.update(places)


async def begin_places(
    conn: ProjectorConnection, names: Sequence[str], count: int, partitions: Sequence[int]
) -> None:
    """In the place of projections.positions.begin_places."""
    del count
    await conn.go()
    conn.models.begin([Spot(name, partition) for name in names for partition in partitions])
    await conn.come_back()


async def read_places(
    conn: ProjectorConnection, names: Sequence[str], count: int, partitions: Sequence[int]
) -> dict[Spot, Place]:
    """In the place of projections.positions.read_places."""
    del count
    await conn.go()
    spots = [Spot(name, partition) for name in names for partition in partitions]
    found = {spot: conn.models.places[spot] for spot in spots}
    await conn.come_back()
    return found


async def read_stream_unbound(
    conn: ProjectorConnection, stream_id: UUID, *, after_version: int, limit: int
) -> list[LoggedEvent]:
    """In the place of infra.event_log.read_stream_unbound."""
    await conn.go()
    found = [e for e in conn.models.store.stream(stream_id) if e.version > after_version]
    await conn.come_back()
    return found[:limit]
