"""What a tenant can be shown of the seals: that an event of its own was sealed, and that a later
seal only adds to an earlier one. A proof reads two tiles for each factor of 64 in the size of a
tree.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import LiteralString
from uuid import UUID

from psycopg import AsyncConnection

from commands.ports import LoggedEvent, Position
from domain.identifiers import JsonObject, TenantId
from infra.event_commitments import EventCommitments
from infra.event_log import read_stream
from infra.log_seals import NO_COMMITMENT, Head, SignedSeal, record, state_hash
from infra.merkle import (
    HASH_BYTES,
    Range,
    consistency_ranges,
    inclusion_ranges,
    range_hash,
)
from infra.merkle_tiles import WIDTH, node_in, tiles_for
from infra.postgres import Database
from infra.seal_keys import read_keys
from infra.seal_rows import head_tiles_of, heads_of, last_seal, newest_seals, seal_of, tiles_of

# fmt: off
# The tile of an event, by the place of the event in the log. Qualified: a bare tx_id would be the
# number among the columns, which no index sorts by.
TILE_AT: LiteralString = (
    "SELECT tile, era, tx_id::text::bigint, notification_id, commitments FROM seal_tiles"
    " WHERE tenant_id = %s AND level = 0"
    " AND (era, tx_id, notification_id) <= (%s::smallint, %s::text::xid8, %s)"
    " ORDER BY seal_tiles.era DESC, seal_tiles.tx_id DESC, seal_tiles.notification_id DESC LIMIT 1"
)
COUNT_BETWEEN: LiteralString = (
    "SELECT count(*) FROM (SELECT FROM events WHERE tenant_id = %s"
    " AND (era, tx_id, notification_id) >= (%s::smallint, %s::text::xid8, %s)"
    " AND (era, tx_id, notification_id) < (%s::smallint, %s::text::xid8, %s) LIMIT %s) AS found"
)
# fmt: on


@dataclass(frozen=True, slots=True)
class HeadProof:
    """That the head of a tenant is in the tree of heads of a seal."""

    signed: SignedSeal
    head: Head
    path: Sequence[bytes]


@dataclass(frozen=True, slots=True)
class EventProof:
    """That an event is in the tree of its tenant, at `index`. blinding: None for what cannot be
    read any more.
    """

    index: int
    record: bytes
    commitment: bytes
    blinding: bytes | None
    path: Sequence[bytes]
    head_proof: HeadProof


@dataclass(frozen=True, slots=True)
class ConsistencyProof:
    """That the tree of heads, and the tree of the tenant, as of the second seal begin with those of
    the first. first_head: None when the tenant had no event then, second_head likewise.
    """

    first: SignedSeal
    second: SignedSeal
    path: Sequence[bytes]
    first_head: Head | None
    second_head: Head | None
    tenant_path: Sequence[bytes]


class SealProofs:
    """database: the role `api`."""

    def __init__(self, database: Database, commitments: EventCommitments) -> None:
        self._database = database
        self._commitments = commitments

    async def published_keys(self) -> Sequence[JsonObject]:
        """All that ever signed, as JWKs, the newest first."""
        async with self._database.connection() as conn:
            return [key.jwk for key in await read_keys(conn)]

    async def seals(
        self, tenant_id: TenantId, *, before: int, limit: int
    ) -> list[tuple[SignedSeal, Head | None]]:
        """Newest first, each with the head that the tenant had then."""
        async with self._database.tenant_transaction(tenant_id) as conn:
            seals = await newest_seals(conn, before=before, limit=limit)
            return [(one, await _head(conn, tenant_id, one.seal.number)) for one in seals]

    async def newest(self, tenant_id: TenantId) -> HeadProof | None:
        """None when nothing of the tenant is sealed."""
        async with self._database.tenant_transaction(tenant_id) as conn:
            signed = await last_seal(conn)
            return None if signed is None else await _head_proof(conn, tenant_id, signed)

    async def of_event(
        self, tenant_id: TenantId, stream_id: UUID, version: int, *, number: int | None = None
    ) -> EventProof | None:
        """As of a seal, or of the newest. None when there is no such event or seal, or the event is
        not sealed in it.
        """
        found = await read_stream(
            self._database, tenant_id, stream_id, after_version=version - 1, limit=1
        )
        if not found or found[0].version != version:
            return None
        event = found[0]
        async with self._database.tenant_transaction(tenant_id) as conn:
            signed = await (last_seal(conn) if number is None else seal_of(conn, number))
            proof = None if signed is None else await _head_proof(conn, tenant_id, signed)
            placed = await _leaf_of(conn, tenant_id, event.position)
            if proof is None or placed is None or placed[0] >= proof.head.size:
                return None
            index, commitment = placed
            path = await _tenant_path(conn, tenant_id, inclusion_ranges(index, proof.head.size))
        blinding = await self._blinding(event, commitment)
        told = record(event, state_hash(event.state), commitment)
        return EventProof(index, told, commitment, blinding, path, proof)

    async def consistency(
        self, tenant_id: TenantId, first: int, second: int
    ) -> ConsistencyProof | None:
        """None when there is no such seal. first: not after second."""
        async with self._database.tenant_transaction(tenant_id) as conn:
            older, newer = await seal_of(conn, first), await seal_of(conn, second)
            if older is None or newer is None:
                return None
            ranges = consistency_ranges(older.seal.tree_size, newer.seal.tree_size)
            path = await _path_of_heads(conn, ranges)
            before = await _head(conn, tenant_id, first)
            after = await _head(conn, tenant_id, second)
            tenant_path: Sequence[bytes] = ()
            if before is not None and after is not None:
                ranges = consistency_ranges(before.size, after.size)
                tenant_path = await _tenant_path(conn, tenant_id, ranges)
        return ConsistencyProof(older, newer, path, before, after, tenant_path)

    async def _blinding(self, event: LoggedEvent, commitment: bytes) -> bytes | None:
        (opening,) = await self._commitments.openings([event])
        if opening is None or commitment == NO_COMMITMENT:
            return None
        return opening.blinding


async def _head(conn: AsyncConnection, tenant_id: TenantId, number: int) -> Head | None:
    return (await heads_of(conn, [tenant_id], up_to=number)).get(tenant_id)


async def _head_proof(
    conn: AsyncConnection, tenant_id: TenantId, signed: SignedSeal
) -> HeadProof | None:
    head = await _head(conn, tenant_id, signed.seal.number)
    if head is None:
        return None
    ranges = inclusion_ranges(head.leaf_index, signed.seal.tree_size)
    return HeadProof(signed, head, await _path_of_heads(conn, ranges))


async def _leaf_of(
    conn: AsyncConnection, tenant_id: TenantId, place: Position
) -> tuple[int, bytes] | None:
    """The index of an event in the tree of its tenant, and what was committed to."""
    at = (place.era, str(place.tx_id), place.notification_id)
    row = await (await conn.execute(TILE_AT, (tenant_id, *at))).fetchone()
    if row is None:
        return None
    tile, era, tx_id, notification_id, commitments = row
    first = (era, str(tx_id), notification_id)
    counted = await conn.execute(COUNT_BETWEEN, (tenant_id, *first, *at, WIDTH))
    (inside,) = await counted.fetchone() or (WIDTH,)
    commitment = bytes(commitments[inside * HASH_BYTES : (inside + 1) * HASH_BYTES])
    return (tile * WIDTH + inside, commitment) if commitment else None


async def _tenant_path(
    conn: AsyncConnection, tenant_id: TenantId, ranges: Sequence[Range]
) -> list[bytes]:
    found = await tiles_of(conn, [(tenant_id, tile) for tile in tiles_for(ranges)])
    tiles = {tile: hashes for tile, (hashes, _) in found.get(tenant_id, {}).items()}
    return [range_hash(leaves, lambda node: node_in(tiles, node)) for leaves in ranges]


async def _path_of_heads(conn: AsyncConnection, ranges: Sequence[Range]) -> list[bytes]:
    tiles = await head_tiles_of(conn, tiles_for(ranges))
    return [range_hash(leaves, lambda node: node_in(tiles, node)) for leaves in ranges]
