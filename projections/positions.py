"""Where each projection stands in each partition, moved by compare-and-set.

Whoever writes rows of a projection (projector, replay, rebuild) also writes its position rows in
that transaction, first. So a position row that nobody has written since it was read proves that the
rows read after it still hold; and writers wait for each other there, before they hold anything.
An empty cursor is the beginning of the log.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import LiteralString, NamedTuple

import orjson
from psycopg import AsyncConnection, AsyncCursor

from commands.ports import Position, partition_of
from domain.identifiers import Shard
from infra.event_log import BEGINNING


class Spot(NamedTuple):
    """One projection (by its table) in one partition."""

    projection: str
    partition: int


@dataclass(frozen=True, slots=True)
class Place:
    """How far everything is applied, where the log goes on, and which version of the row said so.

    row_version: PostgreSQL's xmin, the transaction that wrote the row. Equal: nobody wrote since.
    """

    position: Position
    cursor: str
    row_version: int


@dataclass(frozen=True, slots=True)
class Move:
    """expected: the place known. recorded_at: of the newest event applied, None to leave it."""

    expected: Place
    position: Position
    cursor: str
    recorded_at: datetime | None


class Overtaken(Exception):
    """Somebody else wrote a position row since it was read; nothing was changed."""


# fmt: off
BEGIN_PLACES: LiteralString = (
    "INSERT INTO projection_positions"
    " (projection, partitions_count, partition, era, tx_id, notification_id, cursor)"
    " SELECT projection, %(count)s, partition, 0, 0, 0, ''"
    "   FROM unnest(%(projections)s::text[]) AS projection,"
    "        unnest(%(partitions)s::smallint[]) AS partition"
    " ON CONFLICT DO NOTHING"
)
READ_PLACES: LiteralString = (
    "SELECT projection, partition, era, tx_id, notification_id, cursor, xmin::text::bigint"
    " FROM projection_positions WHERE partitions_count = %(count)s"
    " AND projection = ANY(%(projections)s) AND partition = ANY(%(partitions)s)"
)
# A record for each place that projections have in common: mostly all of them stand together.
MOVE_PLACES: LiteralString = (
    "WITH moved AS (UPDATE projection_positions AS p SET era = n.era, tx_id = n.tx_id,"
    "  notification_id = n.notification_id, cursor = n.cursor, applied_at = clock_timestamp(),"
    "  recorded_at = coalesce(n.recorded_at, p.recorded_at)"
    " FROM json_to_recordset(%s) AS n(projections text[], partition smallint, row_version text,"
    "  era smallint, tx_id bigint, notification_id bigint, cursor text, recorded_at timestamptz)"
    " WHERE p.projection = ANY(n.projections) AND p.partitions_count = %s"
    "  AND p.partition = n.partition AND p.xmin = n.row_version::xid"
    " RETURNING p.xmin::text::bigint AS row_version)"
    " SELECT count(*), max(row_version) FROM moved"
)
POSITIONS: LiteralString = (
    "SELECT partitions_count, partition, era, tx_id, notification_id"
    " FROM agentledger.projection_positions WHERE projection = %s"
)
TAKE_POSITIONS_OF_SHARD: LiteralString = (
    "UPDATE agentledger.projection_positions SET applied_at = clock_timestamp()"
    " WHERE projection = %s AND partition = %s %% partitions_count"
)
TAKE_POSITIONS: LiteralString = (
    "UPDATE agentledger.projection_positions SET applied_at = clock_timestamp()"
    " WHERE projection = %s RETURNING era, tx_id, notification_id"
)
# The partitions that this projection has not begun go on where another one stands.
ADOPT_POSITIONS: LiteralString = (
    "INSERT INTO agentledger.projection_positions AS p"
    " (projection, partitions_count, partition, era, tx_id, notification_id, cursor, recorded_at)"
    " SELECT DISTINCT ON (o.partitions_count, o.partition) %(projection)s, o.partitions_count,"
    "  o.partition, o.era, o.tx_id, o.notification_id, o.cursor, o.recorded_at"
    " FROM agentledger.projection_positions AS o"
    " WHERE o.projection <> %(projection)s AND o.cursor <> ''"
    " ORDER BY o.partitions_count, o.partition, o.era DESC, o.tx_id DESC, o.notification_id DESC"
    " ON CONFLICT (projection, partitions_count, partition) DO UPDATE"
    "  SET era = EXCLUDED.era, tx_id = EXCLUDED.tx_id, notification_id = EXCLUDED.notification_id,"
    "      cursor = EXCLUDED.cursor, recorded_at = EXCLUDED.recorded_at"
    "  WHERE p.cursor = ''"
)
# fmt: on


async def begin_places(
    conn: AsyncConnection,
    projections: Sequence[str],
    partitions_count: int,
    partitions: Sequence[int],
) -> None:
    """Make the rows that are missing, at the beginning of the log."""
    await conn.execute(BEGIN_PLACES, _which(projections, partitions_count, partitions))


async def read_places(
    conn: AsyncConnection,
    projections: Sequence[str],
    partitions_count: int,
    partitions: Sequence[int],
) -> dict[Spot, Place]:
    cursor = await conn.execute(READ_PLACES, _which(projections, partitions_count, partitions))
    places: dict[Spot, Place] = {}
    # Projections that stand together share one object, and move together.
    shared: dict[Place, Place] = {}
    async for projection, partition, era, tx_id, notification_id, text, version in cursor:
        place = Place(Position(era, tx_id, notification_id), text, version)
        places[Spot(projection, partition)] = shared.setdefault(place, place)
    return places


class Moving:
    """A compare-and-set on its way: sent in a pipeline by `move_places`, decided by `places`."""

    def __init__(self, moves: Mapping[Spot, Move], cursor: AsyncCursor[tuple[int, int]]) -> None:
        self._moves = moves
        self._cursor = cursor

    async def places(self) -> dict[Spot, Place]:
        """The places as they are now. Raises Overtaken."""
        row = await self._cursor.fetchone()
        if row is None or row[0] != len(self._moves):
            raise Overtaken
        moved = {
            id(move): Place(move.position, move.cursor, row[1]) for move in self._moves.values()
        }
        return {spot: moved[id(move)] for spot, move in self._moves.items()}


async def move_places(
    conn: AsyncConnection, partitions_count: int, moves: Mapping[Spot, Move]
) -> Moving:
    """A move that several projections have in common should be one object."""
    together: dict[tuple[int, int], tuple[Move, list[str]]] = {}
    for spot, move in moves.items():
        together.setdefault((spot.partition, id(move)), (move, []))[1].append(spot.projection)
    document = [
        {
            "projections": projections,
            "partition": partition,
            "row_version": str(move.expected.row_version),
            "era": move.position.era,
            "tx_id": move.position.tx_id,
            "notification_id": move.position.notification_id,
            "cursor": move.cursor,
            "recorded_at": move.recorded_at,
        }
        for (partition, _), (move, projections) in together.items()
    ]
    cursor = conn.cursor()
    await cursor.execute(
        MOVE_PLACES, (orjson.dumps(document).decode(), partitions_count), prepare=True
    )
    return Moving(moves, cursor)


async def take_positions_of_shard(conn: AsyncConnection, projection: str, shard: int) -> None:
    """Keep projectors from writing rows of this shard's streams until the transaction ends."""
    await conn.execute(TAKE_POSITIONS_OF_SHARD, (projection, shard))


async def take_positions(conn: AsyncConnection, projection: str) -> Position:
    """The same for all partitions; those not begun adopt a place first. The furthest position."""
    await conn.execute(ADOPT_POSITIONS, {"projection": projection})
    cursor = await conn.execute(TAKE_POSITIONS, (projection,))
    return max((Position(*row) for row in await cursor.fetchall()), default=BEGINNING)


async def positions_of_shards(
    conn: AsyncConnection, projection: str, shards_count: int
) -> list[Position]:
    """How far each shard is applied.

    Another number of partitions is another numbering, which begins anew: the furthest counts.
    """
    positions = [BEGINNING] * shards_count
    for count, partition, *place in await (await conn.execute(POSITIONS, (projection,))).fetchall():
        for shard in range(shards_count):
            if partition_of(Shard(shard), count) == partition:
                positions[shard] = max(positions[shard], Position(*place))
    return positions


def _which(
    projections: Sequence[str], partitions_count: int, partitions: Sequence[int]
) -> dict[str, object]:
    return {
        "projections": list(projections),
        "count": partitions_count,
        "partitions": list(partitions),
    }
