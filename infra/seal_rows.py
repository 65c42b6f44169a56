"""The rows of seals, heads and tiles: reading them, and storing a seal with what belongs to it."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString, NamedTuple
from uuid import UUID

from psycopg import AsyncConnection

from commands.ports import Position
from infra.binary_form import (
    BIGINT,
    BIGINT_OID,
    BYTEA_OID,
    MICROSECOND,
    NULL,
    POSTGRES_EPOCH,
    SMALLINT,
    SMALLINT_OID,
    UUID_OID,
    XID8_OID,
    array,
    bigint_element,
    bytes_element,
    smallint_element,
    uuid_element,
)
from infra.event_log import BEGINNING
from infra.log_seals import Head, Seal, SignedSeal
from infra.merkle_tiles import Tile
from infra.prepared_statements import PreparedStatements

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
# A seal and all that it stands for, or nothing: one statement.
KEEP: LiteralString = (
    "WITH kept_heads AS ("
    " INSERT INTO seal_heads (tenant_id, number, size, root, previous, leaf_index)"
    " SELECT * FROM unnest(%b::uuid[], %b::bigint[], %b::bigint[], %b::bytea[], %b::bigint[],"
    "   %b::bigint[])"
    "), kept_tiles AS ("
    " INSERT INTO seal_tiles"
    "  (tenant_id, level, tile, hashes, commitments, era, tx_id, notification_id)"
    " SELECT * FROM unnest(%b::uuid[], %b::smallint[], %b::bigint[], %b::bytea[], %b::bytea[],"
    "   %b::smallint[], %b::xid8[], %b::bigint[])"
    " ON CONFLICT (tenant_id, level, tile)"
    " DO UPDATE SET hashes = EXCLUDED.hashes, commitments = EXCLUDED.commitments"
    "), kept_head_tiles AS ("
    " INSERT INTO seal_head_tiles (level, tile, hashes)"
    " SELECT * FROM unnest(%b::smallint[], %b::bigint[], %b::bytea[])"
    " ON CONFLICT (level, tile) DO UPDATE SET hashes = EXCLUDED.hashes"
    ") INSERT INTO log_seals (number, tree_size, root, events_count, era, tx_id, notification_id,"
    "   sealed_at, previous, key_id, signature, recorded_until)"
    " VALUES (%b::bigint, %b::bigint, %b::bytea, %b::bigint, %b::smallint, %b::xid8, %b::bigint,"
    "   %b::timestamptz, %b::bytea, %b::text, %b::bytea, greatest(%b::timestamptz,"
    "   (SELECT recorded_until FROM log_seals WHERE number = %b::bigint)))"
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


async def keep(statements: PreparedStatements, sealing: Sealing) -> None:
    """All or nothing. Raises UniqueViolation when another has sealed this place."""
    head_tiles = [*sealing.head_tiles.items()]
    await statements.execute(
        KEEP,
        [
            *_columns(HEAD_OIDS, [_head_row(one) for one in sealing.heads]),
            *_columns(TILE_OIDS, [_tile_row(row) for row in sealing.tiles]),
            *_columns(HEAD_TILE_OIDS, [_head_tile_row(*one) for one in head_tiles]),
            *_seal_row(sealing),
        ],
    )


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


def _seal_row(sealing: Sealing) -> tuple[bytes, ...]:
    seal = sealing.signed.seal
    return (
        BIGINT(seal.number),
        BIGINT(seal.tree_size),
        seal.root,
        BIGINT(seal.events_count),
        SMALLINT(seal.until.era),
        BIGINT(seal.until.tx_id),
        BIGINT(seal.until.notification_id),
        _time(seal.sealed_at),
        seal.previous,
        seal.key_id.encode(),
        sealing.signed.signature,
        _time(sealing.recorded_until),
        BIGINT(seal.number - 1),
    )


def _time(moment: datetime) -> bytes:
    return BIGINT((moment - POSTGRES_EPOCH) // MICROSECOND)


# Elements of arrays, one array for each column.
HEAD_OIDS = (UUID_OID, BIGINT_OID, BIGINT_OID, BYTEA_OID, BIGINT_OID, BIGINT_OID)
TILE_OIDS = (
    *(UUID_OID, SMALLINT_OID, BIGINT_OID, BYTEA_OID, BYTEA_OID),
    *(SMALLINT_OID, XID8_OID, BIGINT_OID),
)
HEAD_TILE_OIDS = (SMALLINT_OID, BIGINT_OID, BYTEA_OID)


def _head_row(one: Head) -> tuple[bytes, ...]:
    return (
        uuid_element(one.tenant_id),
        bigint_element(one.number),
        bigint_element(one.size),
        bytes_element(one.root),
        bigint_element(one.previous),
        bigint_element(one.leaf_index),
    )


def _tile_row(row: TileRow) -> tuple[bytes, ...]:
    first = (NULL, NULL, NULL)
    if row.first is not None:
        era, tx_id, notification_id = row.first
        first = (smallint_element(era), bigint_element(tx_id), bigint_element(notification_id))
    return (
        uuid_element(row.tenant_id),
        *_head_tile_row(row.tile, row.hashes),
        NULL if row.commitments is None else bytes_element(row.commitments),
        *first,
    )


def _head_tile_row(tile: Tile, hashes: bytes) -> tuple[bytes, ...]:
    return smallint_element(tile.level), bigint_element(tile.place), bytes_element(hashes)


def _columns(oids: Sequence[int], rows: Sequence[Sequence[bytes]]) -> list[bytes]:
    count = len(rows)
    columns = zip(*rows, strict=True) if rows else [()] * len(oids)
    return [array(oid, count, column) for oid, column in zip(oids, columns, strict=True)]
