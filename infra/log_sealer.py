"""Seals the log: reads it in commit order like any consumer, and signs what it read.

One sealer is active in an installation: it holds an advisory lock on its connection, the others
wait. A seal is stored in one short transaction with the hashes that it stands for; after any
failure the sealer begins again at the last seal. Appends know nothing of it.
"""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import LiteralString
from uuid import UUID

from psycopg import AsyncConnection

from commands.ports import Clock, Position
from infra.connections import Connection
from infra.event_commitments import EventCommitments
from infra.event_log import BEGINNING
from infra.log_seals import NO_SEAL, Head, Seal, SignedSeal
from infra.merkle import HASH_BYTES
from infra.merkle_tiles import WIDTH, Tile, edge_of, grown, root_of
from infra.metrics import METRICS
from infra.prepared_statements import PreparedStatements
from infra.seal_keys import SealKeys
from infra.seal_rows import (
    Sealing,
    TileRow,
    head_tiles_of,
    heads_of,
    keep,
    last_seal,
    tiles_of,
)
from infra.unsealed_log import TENANT, Unsealed, leaf_of, position_in, read_unsealed, time_of

log = logging.getLogger(__name__)

LOCK = 0x6167_736C  # "agsl"
STANDBY_RETRY_S = 1.0
# Read and hashed together: as long as the others of this process wait at most.
PAGE_EVENTS = 500
# A stopped process keeps its session, and with it the lock; the server ends a session that is
# silent for so long. More than any pause here.
LIMIT_SILENCE: LiteralString = "SET idle_session_timeout = '30s'"


@dataclass(frozen=True, slots=True)
class SealLimits:
    """every_s: how long an event waits for its seal when little happens. events_max: of one seal.
    share_max: of the time of one processor.
    """

    every_s: float
    events_max: int
    share_max: float


@dataclass(slots=True)
class _Added:
    """What a tenant's tree gets. heads: of the records, for the places that are in them."""

    leaves: list[bytes] = field(default_factory=list[bytes])
    commitments: list[bytes] = field(default_factory=list[bytes])
    heads: list[bytes] = field(default_factory=list[bytes])


@dataclass(slots=True)
class _Gathered:
    """The events of a seal. recorded: of the latest, as it is in a row."""

    after: Position
    until: Position
    count: int = 0
    recorded: bytes = b""
    # By the bytes of their ids: to hash a UUID is a function of Python's.
    of_tenants: dict[bytes, _Added] = field(default_factory=dict[bytes, _Added])

    def take(self, events: Sequence[Unsealed], commitments: Sequence[bytes]) -> None:
        of_tenants = self.of_tenants
        for event, commitment in zip(events, commitments, strict=True):
            tenant = event.head[TENANT]
            of_tenant = of_tenants.get(tenant)
            if of_tenant is None:
                of_tenant = of_tenants[tenant] = _Added()
            of_tenant.leaves.append(leaf_of(event, commitment))
            of_tenant.commitments.append(commitment)
            of_tenant.heads.append(event.head)
        self.count += len(events)
        self.recorded = max(self.recorded, *[event.recorded for event in events])
        self.until = position_in(events[-1].head)


class LogSealer:
    """conninfo: the role `projector`."""

    def __init__(
        self,
        conninfo: str,
        commitments: EventCommitments,
        keys: SealKeys,
        *,
        clock: Clock,
        limits: SealLimits,
    ) -> None:
        self._conninfo = conninfo
        self._commitments = commitments
        self._keys = keys
        self._clock = clock
        self._limits = limits
        self.is_active = False
        self.sealed_count = 0

    async def run(self) -> None:
        """Be the active sealer or wait to become it, until cancelled. Raises on any failure: the
        caller restarts it.
        """
        async with await Connection.connect(
            self._conninfo, autocommit=True, prepare_threshold=None
        ) as conn:
            await conn.execute(LIMIT_SILENCE)
            statements = PreparedStatements(conn)
            await self._become_active(conn)
            self.is_active = True
            try:
                while True:
                    if await self.seal_next(conn, statements) < self._limits.events_max:
                        await asyncio.sleep(self._limits.every_s)
            finally:
                self.is_active = False

    async def _become_active(self, conn: AsyncConnection) -> None:
        while True:
            row = await (await conn.execute("SELECT pg_try_advisory_lock(%s)", (LOCK,))).fetchone()
            if row is not None and row[0]:
                return
            await asyncio.sleep(STANDBY_RETRY_S)

    async def seal_next(self, conn: AsyncConnection, statements: PreparedStatements) -> int:
        """Seals what is settled and not sealed yet, up to a limit; how many events that are.
        statements: of conn.
        """
        before = await last_seal(conn)
        gathered = await self._gathered(
            statements, BEGINNING if before is None else before.seal.until
        )
        if gathered.count == 0:
            return 0
        began_at = asyncio.get_running_loop().time()
        await keep(statements, await self._sealing(conn, before, gathered))
        self.sealed_count += gathered.count
        METRICS.store.sealed.inc(gathered.count)
        await self._give_way(began_at)
        return gathered.count

    async def _gathered(self, statements: PreparedStatements, after: Position) -> _Gathered:
        loop = asyncio.get_running_loop()
        gathered = _Gathered(after, after)
        while (left := self._limits.events_max - gathered.count) > 0:
            limit = min(left, PAGE_EVENTS)
            events = await read_unsealed(statements, gathered.until, limit=limit)
            began_at = loop.time()
            if events:
                gathered.take(events, await self._commitments.commitments(events))
            await self._give_way(began_at)
            if len(events) < limit:
                break
        return gathered

    async def _give_way(self, began_at: float) -> None:
        """Others of this process have their turn."""
        worked_s = asyncio.get_running_loop().time() - began_at
        await asyncio.sleep(worked_s * (1 / self._limits.share_max - 1))

    async def _sealing(
        self,
        conn: AsyncConnection,
        before: SignedSeal | None,
        gathered: _Gathered,
    ) -> Sealing:
        number = 1 if before is None else before.seal.number + 1
        tree_size = 0 if before is None else before.seal.tree_size
        added = {UUID(bytes=tenant): of_tenant for tenant, of_tenant in gathered.of_tenants.items()}
        heads, tiles = await _grown_trees(conn, added, number=number, tree_size=tree_size)
        edge = await head_tiles_of(conn, edge_of(tree_size))
        head_tiles = grown(tree_size, edge, [one.leaf for one in heads])
        key_id, private = await self._keys.signing(conn)
        seal = Seal(
            number=number,
            tree_size=tree_size + len(heads),
            root=root_of(tree_size + len(heads), head_tiles),
            events_count=gathered.count,
            after=gathered.after,
            until=gathered.until,
            sealed_at=self._clock.now(),
            previous=NO_SEAL if before is None else before.seal.hash,
            key_id=key_id,
        )
        changed = {tile: hashes for tile, hashes in head_tiles.items() if edge.get(tile) != hashes}
        signed = SignedSeal(seal, private.sign(seal.text))
        return Sealing(signed, time_of(gathered.recorded), heads, tiles, changed)


async def _grown_trees(
    conn: AsyncConnection, added: dict[UUID, _Added], *, number: int, tree_size: int
) -> tuple[list[Head], list[TileRow]]:
    """The new heads of tenants, in the order of their ids, and the tiles that changed."""
    before = await heads_of(conn, added)
    sizes = {tenant_id: before[tenant_id].size if tenant_id in before else 0 for tenant_id in added}
    edges = await tiles_of(
        conn, [(tenant_id, tile) for tenant_id in added for tile in edge_of(sizes[tenant_id])]
    )
    heads: list[Head] = []
    rows: list[TileRow] = []
    for tenant_id in sorted(added):
        size, edge = sizes[tenant_id], edges.get(tenant_id, {})
        stored = {tile: hashes for tile, (hashes, _) in edge.items()}
        tiles = grown(size, stored, added[tenant_id].leaves)
        new_size = size + len(added[tenant_id].leaves)
        previous = before[tenant_id].number if tenant_id in before else 0
        leaf_index = tree_size + len(heads)
        root = root_of(new_size, tiles)
        heads.append(Head(tenant_id, number, new_size, root, previous, leaf_index))
        commitments = edge.get(Tile(0, size // WIDTH), (b"", b""))[1] or b""
        changed = {tile: hashes for tile, hashes in tiles.items() if stored.get(tile) != hashes}
        rows += _rows(tenant_id, changed, commitments, added[tenant_id])
    return heads, rows


def _rows(
    tenant_id: UUID, changed: dict[Tile, bytes], commitments: bytes, added: _Added
) -> list[TileRow]:
    """commitments: those that the tile has that grows."""
    rows = [
        TileRow(tenant_id, tile, hashes, None, None)
        for tile, hashes in changed.items()
        if tile.level > 0
    ]
    together = commitments + b"".join(added.commitments)
    begun = len(commitments) // HASH_BYTES
    leaf_tiles = sorted(tile for tile in changed if tile.level == 0)
    for number, tile in enumerate(leaf_tiles):
        begin = number * WIDTH
        told = together[begin * HASH_BYTES : (begin + WIDTH) * HASH_BYTES]
        # A tile that was begun earlier keeps its first place.
        first = position_in(added.heads[max(begin - begun, 0)])
        rows.append(TileRow(tenant_id, tile, changed[tile], told, first))
    return rows
