"""The rows of seals, heads and tiles: reading them, and storing a seal with what belongs to it."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString, NamedTuple
from uuid import UUID

from psycopg import AsyncConnection

from commands.ports import Position
from infra.event_log import BEGINNING
from infra.log_seals import Head, Seal, SignedSeal
from infra.merkle_tiles import Tile

# fmt: off
SEAL_COLUMNS: LiteralString = (
    "s.number, s.tree_size, s.root, s.events_count, p.era, p.tx_id::text::bigint,"
    " p.notification_id, s.era, s.tx_id::text::bigint, s.notification_id, s.sealed_at, s.previous,"
    " s.key_id, s.signature"
)
SEALS: LiteralString = (
    "SELECT " + SEAL_COLUMNS + " FROM log_seals AS s"
    " LEFT JOIN log_seals AS p ON p.number = s.number - 1"
)
NEWEST_SEALS: LiteralString = SEALS + " WHERE s.number < %s ORDER BY s.number DESC LIMIT %s"
NEXT_SEALS: LiteralString = SEALS + " WHERE s.number > %s ORDER BY s.number LIMIT %s"
SEAL_OF: LiteralString = SEALS + " WHERE s.number = %s"
HEAD_COLUMNS: LiteralString = "h.tenant_id, h.number, h.size, h.root, h.previous, h.leaf_index"
# The newest of each tenant, up to a seal.
HEADS: LiteralString = (
    "SELECT " + HEAD_COLUMNS + " FROM unnest(%s::uuid[]) AS t (tenant_id) CROSS JOIN LATERAL"
    " (SELECT * FROM seal_heads WHERE tenant_id = t.tenant_id AND number <= %s"
    "   ORDER BY number DESC LIMIT 1) AS h"
)
TILES: LiteralString = (
    "SELECT t.tenant_id, t.level, t.tile, t.hashes, t.commitments"
    " FROM unnest(%s::uuid[], %s::smallint[], %s::bigint[]) AS w (tenant_id, level, tile)"
    " JOIN seal_tiles AS t USING (tenant_id, level, tile)"
)
HEAD_TILES: LiteralString = (
    "SELECT t.level, t.tile, t.hashes"
    " FROM unnest(%s::smallint[], %s::bigint[]) AS w (level, tile)"
    " JOIN seal_head_tiles AS t USING (level, tile)"
)
KEEP_TILES: LiteralString = (
    "INSERT INTO seal_tiles"
    " (tenant_id, level, tile, hashes, commitments, era, tx_id, notification_id)"
    " SELECT tenant_id, level, tile, hashes, commitments, era, tx_id::text::xid8, notification_id"
    " FROM unnest(%s::uuid[], %s::smallint[], %s::bigint[], %s::bytea[], %s::bytea[],"
    "   %s::smallint[], %s::bigint[], %s::bigint[])"
    " AS w (tenant_id, level, tile, hashes, commitments, era, tx_id, notification_id)"
    " ON CONFLICT (tenant_id, level, tile)"
    " DO UPDATE SET hashes = EXCLUDED.hashes, commitments = EXCLUDED.commitments"
)
KEEP_HEAD_TILES: LiteralString = (
    "INSERT INTO seal_head_tiles (level, tile, hashes)"
    " SELECT * FROM unnest(%s::smallint[], %s::bigint[], %s::bytea[])"
    " ON CONFLICT (level, tile) DO UPDATE SET hashes = EXCLUDED.hashes"
)
KEEP_HEADS: LiteralString = (
    "INSERT INTO seal_heads (tenant_id, number, size, root, previous, leaf_index)"
    " SELECT * FROM unnest(%s::uuid[], %s::bigint[], %s::bigint[], %s::bytea[], %s::bigint[],"
    "   %s::bigint[])"
)
KEEP_SEAL: LiteralString = (
    "INSERT INTO log_seals (number, tree_size, root, events_count, era, tx_id, notification_id,"
    "   sealed_at, previous, key_id, signature, recorded_until)"
    " VALUES (%s, %s, %s, %s, %s, %s::text::xid8, %s, %s, %s, %s, %s,"
    "   greatest(%s, (SELECT recorded_until FROM log_seals WHERE number = %s)))"
)
# fmt: on
NUMBER_MAX = (1 << 63) - 1


class TileRow(NamedTuple):
    """commitments, first: of level 0 only."""

    tenant_id: UUID
    tile: Tile
    hashes: bytes
    commitments: bytes | None
    first: Position | None


@dataclass(frozen=True, slots=True)
class Sealing:
    """All that is stored with a seal. recorded_until: the latest time at which one of its events
    was recorded.
    """

    signed: SignedSeal
    recorded_until: datetime
    heads: Sequence[Head]
    tiles: Sequence[TileRow]
    head_tiles: Mapping[Tile, bytes]


async def last_seal(conn: AsyncConnection) -> SignedSeal | None:
    found = await newest_seals(conn, before=NUMBER_MAX, limit=1)
    return found[0] if found else None


async def newest_seals(conn: AsyncConnection, *, before: int, limit: int) -> list[SignedSeal]:
    return await _seals(conn, NEWEST_SEALS, (before, limit))


async def next_seals(conn: AsyncConnection, *, after: int, limit: int) -> list[SignedSeal]:
    return await _seals(conn, NEXT_SEALS, (after, limit))


async def seal_of(conn: AsyncConnection, number: int) -> SignedSeal | None:
    found = await _seals(conn, SEAL_OF, (number,))
    return found[0] if found else None


async def heads_of(
    conn: AsyncConnection, tenant_ids: Collection[UUID], *, up_to: int = NUMBER_MAX
) -> dict[UUID, Head]:
    """The newest head of each tenant that has one, of the seals up to a number."""
    cursor = await conn.execute(HEADS, (list(tenant_ids), up_to), prepare=True)
    return {row[0]: head(row) for row in await cursor.fetchall()}


async def tiles_of(
    conn: AsyncConnection, wanted: Iterable[tuple[UUID, Tile]]
) -> dict[UUID, dict[Tile, tuple[bytes, bytes | None]]]:
    """Hashes and commitments of those that are stored, by tenant."""
    asked = list(wanted)
    columns = (
        [tenant_id for tenant_id, _ in asked],
        [tile.level for _, tile in asked],
        [tile.place for _, tile in asked],
    )
    cursor = conn.cursor(binary=True)
    await cursor.execute(TILES, columns, prepare=True)
    found: dict[UUID, dict[Tile, tuple[bytes, bytes | None]]] = {}
    for tenant_id, level, index, hashes, commitments in await cursor.fetchall():
        found.setdefault(tenant_id, {})[Tile(level, index)] = hashes, commitments
    return found


async def head_tiles_of(conn: AsyncConnection, wanted: Collection[Tile]) -> dict[Tile, bytes]:
    columns = ([tile.level for tile in wanted], [tile.place for tile in wanted])
    cursor = conn.cursor(binary=True)
    await cursor.execute(HEAD_TILES, columns, prepare=True)
    return {Tile(level, index): hashes for level, index, hashes in await cursor.fetchall()}


async def keep(conn: AsyncConnection, sealing: Sealing) -> None:
    """All or nothing. Raises UniqueViolation when another has sealed this place."""
    async with conn.transaction():
        await conn.execute(KEEP_SEAL, _seal_row(sealing))
        await conn.execute(KEEP_HEADS, _columns([_head_row(one) for one in sealing.heads]))
        await conn.execute(KEEP_TILES, _columns([_tile_row(row) for row in sealing.tiles]))
        head_rows = [(*tile, hashes) for tile, hashes in sealing.head_tiles.items()]
        await conn.execute(KEEP_HEAD_TILES, _columns(head_rows))


async def _seals(
    conn: AsyncConnection, query: LiteralString, params: Sequence[int]
) -> list[SignedSeal]:
    cursor = conn.cursor(binary=True)
    await cursor.execute(query, params, prepare=True)
    return [_signed_seal(row) for row in await cursor.fetchall()]


def _signed_seal(row: Sequence[Any]) -> SignedSeal:
    number, tree_size, root, events_count, *places, sealed_at, previous, key_id, signature = row
    after = BEGINNING if places[0] is None else Position(*places[:3])
    until = Position(*places[3:])
    seal = Seal(number, tree_size, root, events_count, after, until, sealed_at, previous, key_id)
    return SignedSeal(seal, signature)


def head(row: Sequence[Any]) -> Head:
    """row: as HEAD_COLUMNS has it."""
    return Head(row[0], row[1], row[2], bytes(row[3]), row[4], row[5])


def _seal_row(sealing: Sealing) -> tuple[object, ...]:
    seal = sealing.signed.seal
    return (
        seal.number,
        seal.tree_size,
        seal.root,
        seal.events_count,
        seal.until.era,
        str(seal.until.tx_id),
        seal.until.notification_id,
        seal.sealed_at,
        seal.previous,
        seal.key_id,
        sealing.signed.signature,
        sealing.recorded_until,
        seal.number - 1,
    )


def _head_row(one: Head) -> tuple[object, ...]:
    return one.tenant_id, one.number, one.size, one.root, one.previous, one.leaf_index


def _tile_row(row: TileRow) -> tuple[object, ...]:
    first = (None, None, None) if row.first is None else row.first
    return row.tenant_id, row.tile.level, row.tile.place, row.hashes, row.commitments, *first


def _columns(rows: Sequence[Sequence[object]]) -> list[list[object]]:
    return [list(column) for column in zip(*rows, strict=True)]
