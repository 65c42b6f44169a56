"""Everything of one tenant, page by page: its newest seal and the hashes under it, its events with
what they say and what proves it, the rows of every read model, and the payloads that lie beside the
log. No secret is in any of these. infra/export_proofs.py reads the seal and what it proves.

Read under the tenant, a short transaction per page; between pages nothing is held, so that a slow
reader delays nobody. Events are those that were settled when each page was read, in commit order.
"""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import LiteralString, Protocol

import orjson
from psycopg import sql

from commands.ports import LoggedEvent, Position
from domain.identifiers import TenantId
from infra.event_commitments import EventCommitments
from infra.event_log import COLUMNS, logged_event
from infra.event_sealing import OpenEvents, is_erased
from infra.log_seals import Opening, state_hash
from infra.postgres import Database
from infra.seal_documents import head_document, seal_document
from infra.seal_proofs import HeadProof, SealProofs
from infra.tenant_archive import ArchiveFile
from projections.table import AnyProjection

PAGE_ROWS = 200

EVENTS: LiteralString = (
    "SELECT " + COLUMNS + " FROM events"
    " WHERE tenant_id = %s AND (era, tx_id, notification_id) > (%s::smallint, %s::text::xid8, %s)"
    " AND (era < current_era() OR tx_id < pg_snapshot_xmin(pg_current_snapshot()))"
    # Qualified: a bare tx_id would be the number among the columns, which no index sorts by.
    " ORDER BY events.tenant_id, events.era, events.tx_id, events.notification_id LIMIT %s"
)
# Read after the seal was chosen: they may have more than it covers, and never less.
TILES: LiteralString = (
    "SELECT level, tile, hashes, commitments FROM seal_tiles"
    " WHERE tenant_id = %s AND (level, tile) > (%s, %s) ORDER BY level, tile LIMIT %s"
)
PAYLOADS: LiteralString = (
    "SELECT sha256 FROM blobs WHERE tenant_id = %s AND sha256 > %s ORDER BY sha256 LIMIT %s"
)


class Payloads(Protocol):
    async def content(self, tenant_id: TenantId, sha256: bytes) -> bytes | None: ...


@dataclass(slots=True)
class PostgresTenantExport:
    """database: the role `api`. running_count: how many this process makes at the moment."""

    database: Database
    open_events: OpenEvents
    payloads: Payloads
    projections: Sequence[AnyProjection]
    proofs: SealProofs
    commitments: EventCommitments
    running_count: int = 0

    async def files(self, tenant_id: TenantId) -> AsyncGenerator[ArchiveFile]:
        async for file in self._seals(tenant_id):
            yield file
        async for file in self._events(tenant_id):
            yield file
        for projection in self.projections:
            async for file in self._rows(tenant_id, projection):
                yield file
        async for file in self._payloads(tenant_id):
            yield file

    async def _seals(self, tenant_id: TenantId) -> AsyncGenerator[ArchiveFile]:
        """First of all, for whoever reads events needs them."""
        newest = await self.proofs.newest(tenant_id)
        if newest is None:
            return
        yield _lines("seals", 1, [orjson.dumps(_head_proof(newest))])
        after, number = (-1, -1), 0
        while True:
            async with self.database.tenant_transaction(tenant_id) as conn:
                cursor = conn.cursor(binary=True)
                await cursor.execute(TILES, (tenant_id, *after, PAGE_ROWS))
                page = await cursor.fetchall()
            if not page:
                return
            number += 1
            yield _lines("seals/tiles", number, [_tile_line(*row) for row in page])
            after = page[-1][:2]

    async def _events(self, tenant_id: TenantId) -> AsyncGenerator[ArchiveFile]:
        position = Position(0, 0, 0)
        number = 0
        while True:
            params = (tenant_id, position.era, str(position.tx_id), position.notification_id)
            async with self.database.tenant_transaction(tenant_id) as conn:
                cursor = conn.cursor(binary=True)
                await cursor.execute(EVENTS, (*params, PAGE_ROWS))
                page = [logged_event(row) for row in await cursor.fetchall()]
            if not page:
                return
            number += 1
            openings = await self.commitments.openings(page)
            opened = await self.open_events(page)
            lines = [_line(*told) for told in zip(page, opened, openings, strict=True)]
            yield _lines("events", number, lines)
            position = page[-1].position

    async def _rows(
        self, tenant_id: TenantId, projection: AnyProjection
    ) -> AsyncGenerator[ArchiveFile]:
        first, following = _queries(projection)
        after: tuple[object, ...] | None = None
        number = 0
        while True:
            async with self.database.tenant_transaction(tenant_id) as conn:
                if after is None:
                    cursor = await conn.execute(first, (tenant_id, PAGE_ROWS))
                else:
                    cursor = await conn.execute(following, (tenant_id, *after, PAGE_ROWS))
                page = await cursor.fetchall()
            if not page:
                return
            number += 1
            name = f"read_models/{projection.name}"
            yield _lines(name, number, [str(row[0]).encode() for row in page])
            after = tuple(page[-1][1:])
            if not after:
                return

    async def _payloads(self, tenant_id: TenantId) -> AsyncGenerator[ArchiveFile]:
        after = b""
        while True:
            async with self.database.tenant_transaction(tenant_id) as conn:
                cursor = await conn.execute(PAYLOADS, (tenant_id, after, PAGE_ROWS))
                hashes = [bytes(row[0]) for row in await cursor.fetchall()]
            if not hashes:
                return
            for sha256 in hashes:
                content = await self.payloads.content(tenant_id, sha256)
                if content is not None:
                    yield ArchiveFile(f"payloads/{sha256.hex()}.json", content, 1)
            after = hashes[-1]


def _head_proof(proof: HeadProof) -> dict[str, object]:
    return {
        "seal": seal_document(proof.signed),
        "head": head_document(proof.head),
        "path": [one.hex() for one in proof.path],
    }


def _tile_line(level: int, tile: int, hashes: bytes, commitments: bytes | None) -> bytes:
    told: dict[str, object] = {"level": level, "tile": tile, "hashes": hashes.hex()}
    if commitments is not None:
        told["commitments"] = commitments.hex()
    return orjson.dumps(told)


def _line(stored: LoggedEvent, event: LoggedEvent, opening: Opening | None) -> bytes:
    """The same event twice, as it is stored and as it is read."""
    era, tx_id, notification_id = event.position
    return orjson.dumps(
        {
            "position": [era, tx_id, notification_id],
            "stream_id": event.stream_id,
            "version": event.version,
            "topic": event.topic,
            "recorded_at": event.recorded_at,
            "actor": event.actor,
            "event_id": event.event_id,
            "command_id": event.command_id,
            "causation_id": event.causation_id,
            "correlation_id": event.correlation_id,
            "traceparent": event.traceparent,
            "seal": {
                "state_sha256": state_hash(stored.state).hex(),
                "blinding": None if opening is None else opening.blinding.hex(),
            },
            "data": None if is_erased(event) else orjson.Fragment(event.state),
        }
    )


def _lines(kind: str, number: int, lines: Sequence[bytes]) -> ArchiveFile:
    content = b"".join(line + b"\n" for line in lines)
    return ArchiveFile(f"{kind}/{number:06d}.jsonl", content, len(lines))


def _queries(projection: AnyProjection) -> tuple[sql.Composed, sql.Composed]:
    """The first page of the rows of a tenant, and the one after a key."""
    keys = [sql.Identifier(name) for name in projection.key if name != "tenant_id"]
    columns = sql.SQL(", ").join([sql.SQL("row_to_json(r)::text"), *keys])
    order = sql.SQL(", ").join([sql.Identifier("tenant_id"), *keys])
    table = sql.Identifier(projection.table)
    base = sql.SQL("SELECT {} FROM {} AS r WHERE tenant_id = %s").format(columns, table)
    tail = sql.SQL(" ORDER BY {} LIMIT %s").format(order)
    if not keys:
        return base + tail, base + tail
    after = sql.SQL(" AND ({}) > ({})").format(
        sql.SQL(", ").join(keys), sql.SQL(", ").join(sql.Placeholder() for _ in keys)
    )
    return base + tail, base + after + tail
