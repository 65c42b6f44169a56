"""The check of `agentledger verify` on the seals: the log is what was sealed, to the last event of
the last seal, and the seals are one chain.

One tenant after the other, with bounded memory. It may run beside the sealer and live traffic: what
is looked at is what the last seal of the beginning covers.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import LiteralString
from uuid import UUID

from psycopg import AsyncConnection

from commands.ports import LoggedEvent, Position
from infra.event_log import BEGINNING, COLUMNS, logged_event
from infra.leaf_comparison import differences
from infra.log_seals import Head, SignedSeal, event_leaf, follows
from infra.merkle import HASH_BYTES
from infra.merkle_tiles import WIDTH, Tile, edge_of, grown, root_of
from infra.seal_keys import read_keys
from infra.seal_rows import HEAD_COLUMNS, head, heads_of, last_seal, next_seals
from infra.verification import Check

SEALS_PAGE = 1000
TILES_PAGE = 50
PAGE = TILES_PAGE * WIDTH

# fmt: off
HEADS_OF_SEALS: LiteralString = (
    "SELECT " + HEAD_COLUMNS + " FROM seal_heads AS h WHERE number > %s AND number <= %s"
    " ORDER BY leaf_index"
)
# Also of tenants all of whose heads are gone.
TENANTS: LiteralString = (
    "SELECT DISTINCT tenant_id FROM events WHERE tenant_id > %(after)s"
    " UNION SELECT DISTINCT tenant_id FROM seal_heads WHERE tenant_id > %(after)s"
    " ORDER BY tenant_id LIMIT 1"
)
HEADS_OF_TENANT: LiteralString = (
    "SELECT " + HEAD_COLUMNS + " FROM seal_heads AS h WHERE tenant_id = %s AND number > %s"
    " AND number <= %s ORDER BY number LIMIT %s"
)
LEAF_TILES: LiteralString = (
    "SELECT hashes, commitments FROM seal_tiles"
    " WHERE tenant_id = %s AND level = 0 AND tile >= %s ORDER BY tile LIMIT %s"
)
EVENTS: LiteralString = (
    "SELECT " + COLUMNS + " FROM events"
    " WHERE tenant_id = %s AND (era, tx_id, notification_id) > (%s::smallint, %s::text::xid8, %s)"
    " AND (era, tx_id, notification_id) <= (%s::smallint, %s::text::xid8, %s)"
    # Qualified: a bare tx_id would be the number among the columns, which no index sorts by.
    " ORDER BY events.tenant_id, events.era, events.tx_id, events.notification_id LIMIT %s"
)
# fmt: on


async def verify_seals(conn: AsyncConnection) -> Check:
    """conn: autocommit, sees every tenant. Counts the events that are sealed."""
    check = Check("the log is what its seals say")
    last = await last_seal(conn)
    if last is None:
        return check
    await _verify_chain(conn, last, check)
    after = UUID(int=0)
    while row := await (await conn.execute(TENANTS, {"after": after})).fetchone():
        after = row[0]
        await _verify_tenant(conn, after, last, check)
    return check


async def _verify_chain(conn: AsyncConnection, last: SignedSeal, check: Check) -> None:
    """Signatures, the hash of the one before, and the tree of heads."""
    keys = {key.key_id: key.public for key in await read_keys(conn)}
    before: SignedSeal | None = None
    edge: dict[Tile, bytes] = {}
    while before is None or before.seal.number < last.seal.number:
        after = 0 if before is None else before.seal.number
        page = await next_seals(conn, after=after, limit=SEALS_PAGE)
        if not page:
            check.violated(f"seals {after + 1} to {last.seal.number} are missing")
            return
        heads: dict[int, list[Head]] = {}
        cursor = await conn.execute(HEADS_OF_SEALS, (after, page[-1].seal.number))
        for found in await cursor.fetchall():
            heads.setdefault(found[1], []).append(head(found))
        for signed in page:
            seal = signed.seal
            if seal.key_id not in keys or not signed.is_signed_by(keys[seal.key_id]):
                check.violated(f"seal {seal.number}: its signature is not of the key {seal.key_id}")
            if not follows(seal, before.seal if before else None):
                check.violated(f"seal {seal.number}: does not follow the one before it")
            size = 0 if before is None else before.seal.tree_size
            leaves = [one.leaf for one in heads.get(seal.number, ())]
            tiles = grown(size, edge, leaves)
            if seal.tree_size != size + len(leaves):
                check.violated(f"seal {seal.number}: has {len(leaves)} heads of tenants")
                return
            if root_of(seal.tree_size, tiles) != seal.root:
                check.violated(f"seal {seal.number}: its root is not that of the heads")
            edge = {tile: tiles[tile] for tile in edge_of(seal.tree_size)}
            before = signed


async def _verify_tenant(
    conn: AsyncConnection, tenant_id: UUID, last: SignedSeal, check: Check
) -> None:
    """Its leaves are what its events are hashed to, and its heads are the roots of its leaves."""
    heads = _heads(conn, tenant_id, last)
    expected = await anext(heads, None)
    edge: dict[Tile, bytes] = {}
    size = 0
    async for page in _compared_leaves(conn, tenant_id, last, check):
        begin = size
        while size < begin + len(page) and expected is not None:
            part = page[size - begin : expected.size - begin]
            tiles = grown(size, edge, part)
            size += len(part)
            edge = {tile: tiles[tile] for tile in edge_of(size)}
            if size == expected.size:
                if root_of(size, tiles) != expected.root:
                    check.violated(
                        f"tenant {tenant_id}: the head of seal {expected.number} is not the root"
                        f" of the first {size} leaves"
                    )
                expected = await anext(heads, None)
    if expected is not None:
        check.violated(f"tenant {tenant_id}: {size} leaves are stored, {expected.size} were sealed")


async def _heads(conn: AsyncConnection, tenant_id: UUID, last: SignedSeal) -> AsyncIterator[Head]:
    number = 0
    while True:
        params = (tenant_id, number, last.seal.number, SEALS_PAGE)
        rows = await (await conn.execute(HEADS_OF_TENANT, params, prepare=True)).fetchall()
        for row in rows:
            yield head(row)
        if len(rows) < SEALS_PAGE:
            return
        number = rows[-1][1]


@dataclass(slots=True)
class _Page:
    """Some of what was sealed of a tenant, from a leaf on, and as many of its events."""

    begin: int
    leaves: list[bytes]
    commitments: list[bytes]
    events: list[LoggedEvent]
    is_last: bool

    def is_same(self, sealed: int, found: int) -> bool:
        return self.leaves[sealed] == event_leaf(self.events[found], self.commitments[sealed])


async def _compared_leaves(
    conn: AsyncConnection, tenant_id: UUID, last: SignedSeal, check: Check
) -> AsyncIterator[list[bytes]]:
    """The stored leaves, page by page, after they were compared with the events. Once events are
    missing, or were put in, the others are not where they were, and are not compared any more.
    """
    begin, place = 0, BEGINNING
    is_compared = True
    heads = await heads_of(conn, [tenant_id], up_to=last.seal.number)
    size = heads[tenant_id].size if heads else 0
    while True:
        page = await _page(conn, tenant_id, (begin, size), (place, last.seal.until))
        if is_compared:
            is_compared = _compare(tenant_id, page, check)
        yield page.leaves
        if page.is_last:
            return
        begin += len(page.leaves)
        place = page.events[-1].position if page.events else last.seal.until


async def _page(
    conn: AsyncConnection,
    tenant_id: UUID,
    bounds: tuple[int, int],
    places: tuple[Position, Position],
) -> _Page:
    """bounds: from a leaf on, a multiple of a tile, up to another: a seal made meanwhile has
    more. places: after the one, up to the other.
    """
    begin, size = bounds
    cursor = conn.cursor(binary=True)
    await cursor.execute(LEAF_TILES, (tenant_id, begin // WIDTH, TILES_PAGE), prepare=True)
    rows: list[tuple[bytes, bytes]] = await cursor.fetchall()
    leaves = _hashes(b"".join(hashes for hashes, _ in rows))[: max(size - begin, 0)]
    commitments = _hashes(b"".join(told for _, told in rows))
    after, until = ((one.era, str(one.tx_id), one.notification_id) for one in places)
    cursor = conn.cursor(binary=True)
    await cursor.execute(EVENTS, (tenant_id, *after, *until, PAGE), prepare=True)
    events = [logged_event(row) for row in await cursor.fetchall()]
    is_last = len(leaves) < PAGE and len(events) < PAGE
    return _Page(begin, leaves, commitments, events, is_last)


def _compare(tenant_id: UUID, page: _Page, check: Check) -> bool:
    """Whether what follows can be compared."""
    check.checked += len(page.leaves)
    found = differences(
        len(page.leaves), len(page.events), page.is_same, is_all=len(page.events) < PAGE
    )
    for kind, sealed, place in found:
        where = f"place {page.begin + sealed} of tenant {tenant_id}"
        if kind == "missing":
            check.violated(f"{where}: the event that was sealed is missing")
            continue
        event = page.events[place]
        named = f"{event.stream_id} version {event.version}"
        match kind:
            case "added":
                check.violated(f"{named}: was put in before {where}")
            case "reordered":
                check.violated(f"{named}: stands at {where}, where another was sealed")
            case "changed":
                check.violated(f"{named}: is not what was sealed at {where}")
    if len(page.events) > len(page.leaves) and not found:
        event = page.events[len(page.leaves)]
        check.violated(f"{event.stream_id} version {event.version}: was put in and never sealed")
        return False
    return all(difference.kind == "changed" for difference in found)


def _hashes(together: bytes) -> list[bytes]:
    return [together[at : at + HASH_BYTES] for at in range(0, len(together), HASH_BYTES)]
