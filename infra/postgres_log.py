"""The log port on PostgreSQL itself: partitions are leased by row, events are read in commit order.

Every live member of a group computes the same assignment (partition modulo members, by rank of
name), gives up what is no longer its own and claims what is free: nobody's, of a member whose
session has ended, or not renewed in time by the database's clock. The epoch of a lease grows with
every new owner.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import LiteralString
from uuid import UUID

from psycopg import AsyncConnection

from commands.ports import Batch, LoggedEvent, LogHandler, Position, Start, partition_of
from domain.identifiers import SHARDS_COUNT, Shard
from infra.consumer import Pace
from infra.crash_points import reach
from infra.event_log import BEGINNING, read_commit_order, read_end, read_topics
from infra.postgres import Database
from infra.prepared_statements import PreparedStatements
from infra.tracing import POSTGRESQL_LOG
from infra.wakeups import Wakeups

log = logging.getLogger(__name__)

LOCK_CLASS = 0x6167_6C6D  # "aglm": the advisory locks of members.

# fmt: off
# A member holds this lock as long as its session lives: a process that was killed is known to be
# dead at once, and only one that stands still has to be waited for.
LIVE: LiteralString = "SELECT pg_advisory_lock_shared(%(lock_class)s, hashtext(%(member)s))"
LIVE_NO_MORE: LiteralString = (
    "SELECT pg_advisory_unlock_shared(%(lock_class)s, hashtext(%(member)s))"
)
LIVES: LiteralString = (
    "EXISTS (SELECT FROM pg_locks AS k WHERE k.locktype = 'advisory' AND k.objsubid = 2"
    " AND k.database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    " AND k.classid::bigint = %(lock_class)s AND k.objid = hashtext("
)
LIVES_END: LiteralString = ")::oid)"
JOIN: LiteralString = (
    "INSERT INTO group_members (consumer_group, member, expires_at)"
    " VALUES (%(group)s, %(member)s, clock_timestamp() + make_interval(secs => %(ttl_s)s))"
    " ON CONFLICT (consumer_group, member) DO UPDATE SET expires_at = EXCLUDED.expires_at"
)
LIVE_MEMBERS: LiteralString = (
    "SELECT member FROM group_members WHERE consumer_group = %(group)s AND expires_at >"
    " clock_timestamp()"
    " ORDER BY member"
)
FORGET_DEAD: LiteralString = (
    "DELETE FROM group_members WHERE consumer_group = %(group)s"
    " AND (expires_at < clock_timestamp() OR NOT " + LIVES + "member" + LIVES_END + ")"
)
LEAVE: LiteralString = (
    "DELETE FROM group_members WHERE consumer_group = %(group)s AND member = %(member)s"
)
CLAIM: LiteralString = (
    "INSERT INTO partition_leases AS l (consumer_group, partition, owner, epoch, expires_at)"
    " SELECT %(group)s, p, %(member)s, 1, clock_timestamp() + make_interval(secs => %(ttl_s)s)"
    "   FROM unnest(%(partitions)s::smallint[]) AS p"
    " ON CONFLICT (consumer_group, partition) DO UPDATE"
    "   SET owner = EXCLUDED.owner, expires_at = EXCLUDED.expires_at,"
    "       epoch = l.epoch + CASE WHEN l.owner = EXCLUDED.owner THEN 0 ELSE 1 END"
    " WHERE l.owner = EXCLUDED.owner OR l.owner IS NULL OR l.expires_at < clock_timestamp()"
    "    OR NOT " + LIVES + "l.owner" + LIVES_END +
    " RETURNING l.partition"
)
RELEASE: LiteralString = (
    "UPDATE partition_leases SET owner = NULL, expires_at = '-infinity'"
    " WHERE consumer_group = %(group)s AND owner = %(member)s AND partition = ANY(%(partitions)s)"
)
# fmt: on


def cursor_text(position: Position) -> str:
    return f"{position.era}-{position.tx_id}-{position.notification_id}"


def cursor_position(text: str) -> Position:
    era, tx_id, notification_id = text.split("-", 2)
    return Position(int(era), int(tx_id), int(notification_id))


@dataclass(eq=False)
class _Membership:
    """One consumer of a group: what it owns and how far each partition is read."""

    group: str
    member: str
    topics: frozenset[str] | None = None
    positions: dict[int, Position] = field(default_factory=dict[int, Position])
    lease_ends_at: float = 0.0
    handling: asyncio.Lock = field(default_factory=asyncio.Lock)


@asynccontextmanager
async def _alive(conn: AsyncConnection, params: dict[str, object]) -> AsyncGenerator[None]:
    """Others see that this member lives, for as long as the block and the session last."""
    await conn.execute(LIVE, params)
    try:
        yield
    finally:
        with contextlib.suppress(Exception):
            await conn.execute(LIVE_NO_MORE, params)


class PostgresLog:
    """Implements commands.ports.Log. database: the role `relay`. lease_ttl_s: how long a dead owner
    is waited for.
    """

    topic = POSTGRESQL_LOG

    def __init__(
        self,
        database: Database,
        wakeups: Wakeups,
        *,
        member: UUID,
        partitions_count: int,
        batch_events_max: int,
        poll_min_s: float,
        poll_max_s: float,
        lease_ttl_s: float,
        pace_s: float,
    ) -> None:
        self._pace_s = pace_s
        self.partitions_count = partitions_count
        self._database = database
        self._wakeups = wakeups
        self._member = str(member)
        self._batch_events_max = batch_events_max
        self._poll_min_s = poll_min_s
        self._poll_max_s = poll_max_s
        self._lease_ttl_s = lease_ttl_s
        self._memberships: dict[str, _Membership] = {}

    def is_owned(self, group: str, partition: int) -> bool:
        membership = self._memberships.get(group)
        now = asyncio.get_running_loop().time()
        return (
            membership is not None
            and partition in membership.positions
            and now < membership.lease_ends_at
        )

    def is_joined(self, group: str) -> bool:
        """Also while it owns nothing: its place among the members was renewed in time."""
        membership = self._memberships.get(group)
        return (
            membership is not None and asyncio.get_running_loop().time() < membership.lease_ends_at
        )

    async def is_connected(self, group: str) -> bool:
        return self.is_joined(group)

    def lags(self, group: str) -> Mapping[int, int]:  # noqa: ARG002 # as Watched has it
        """Nobody knows without counting; how old events are when they are handled tells enough."""
        return {}

    async def consume(
        self, group: str, handler: LogHandler, *, topics: frozenset[str] | None = None
    ) -> None:
        membership = _Membership(group, self._member, topics)
        self._memberships[group] = membership
        try:
            async with (
                self._database.connection() as leases,
                self._database.connection() as reader,
                _alive(leases, self._params(membership)),
            ):
                await self._balance(leases, reader, membership, handler)
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(self._keep_balance(leases, reader, membership, handler))
                    tasks.create_task(self._read(reader, membership, handler))
        finally:
            owned = list(membership.positions)
            membership.positions.clear()
            with contextlib.suppress(Exception):
                await handler.revoked(owned)
            with contextlib.suppress(Exception):
                await self._leave(membership, owned)

    async def _keep_balance(
        self,
        leases: AsyncConnection,
        reader: AsyncConnection,
        membership: _Membership,
        handler: LogHandler,
    ) -> None:
        while True:
            await asyncio.sleep(self._lease_ttl_s / 4)
            await self._balance(leases, reader, membership, handler)

    async def _balance(
        self,
        leases: AsyncConnection,
        reader: AsyncConnection,
        membership: _Membership,
        handler: LogHandler,
    ) -> None:
        """Renew, give up, claim. What was lost to another owner is revoked at once."""
        asked_at = asyncio.get_running_loop().time()
        params = self._params(membership)
        await leases.execute(JOIN, params)
        await leases.execute(FORGET_DEAD, params)
        cursor = await leases.execute(LIVE_MEMBERS, params)
        members = [str(row[0]) for row in await cursor.fetchall()]
        rank = members.index(membership.member)
        wanted = [p for p in range(self.partitions_count) if p % len(members) == rank]

        surplus = [p for p in membership.positions if p not in wanted]
        if surplus:
            await self._revoke(membership, handler, surplus)
            reach("lease.before_release")
            await leases.execute(RELEASE, self._params(membership, surplus))
            reach("lease.after_release")
        reach("lease.before_claim")
        cursor = await leases.execute(CLAIM, self._params(membership, wanted))
        reach("lease.after_claim")
        claimed = {int(row[0]) for row in await cursor.fetchall()}
        membership.lease_ends_at = asked_at + self._lease_ttl_s

        lost = [p for p in membership.positions if p not in claimed]
        if lost:
            log.warning("group %s: partitions %s have another owner", membership.group, lost)
            await self._revoke(membership, handler, lost)
        gained = sorted(claimed - set(membership.positions))
        if gained:
            await self._assign(reader, membership, handler, gained)

    async def _assign(
        self,
        reader: AsyncConnection,
        membership: _Membership,
        handler: LogHandler,
        partitions: Sequence[int],
    ) -> None:
        starts = await handler.assigned(partitions)
        async with membership.handling:
            for partition in partitions:
                start = starts.get(partition, Start())
                # A cursor of Kafka says nothing here: then all is read again, and the reader's
                # fences skip what it knows.
                if start.cursor is not None and "@" not in start.cursor:
                    membership.positions[partition] = cursor_position(start.cursor)
                elif start.from_end:
                    membership.positions[partition] = await read_end(reader)
                else:
                    membership.positions[partition] = BEGINNING
        await handler.started(partitions)
        reach("postgres_log.after_assignment")

    async def _revoke(
        self, membership: _Membership, handler: LogHandler, partitions: Sequence[int]
    ) -> None:
        async with membership.handling:
            for partition in partitions:
                membership.positions.pop(partition, None)
        await handler.revoked(partitions)

    async def _read(
        self, reader: AsyncConnection, membership: _Membership, handler: LogHandler
    ) -> None:
        statements = PreparedStatements(reader)
        pause_s = self._poll_min_s
        pace = Pace(self._pace_s)
        while True:
            await pace.wait()
            seen = self._wakeups.count
            async with membership.handling:
                found = await self._read_page(statements, membership, handler)
            if found == self._batch_events_max:
                continue
            if found:
                pace.handled()
            pause_s = self._poll_min_s if found else min(pause_s * 2, self._poll_max_s)
            if self._wakeups.count != seen:
                # News came while we read; what it announces may not be settled for a moment.
                pause_s = self._poll_min_s
                await asyncio.sleep(pause_s)
            else:
                await self._wakeups.wait(seen, pause_s)

    async def _read_page(
        self, statements: PreparedStatements, membership: _Membership, handler: LogHandler
    ) -> int:
        positions = membership.positions
        if not positions:
            return 0
        events, read_to = await self._next_events(statements, membership)
        batches = self._batches(events, positions)
        if batches:
            reach("postgres_log.before_handling")
            await handler.handle(batches)
            reach("postgres_log.after_handling")
        for partition, position in positions.items():
            positions[partition] = max(position, read_to)
        return len(events)

    async def _next_events(
        self, statements: PreparedStatements, membership: _Membership
    ) -> tuple[Sequence[LoggedEvent], Position]:
        """The events behind the partition that is least far, and the place up to which that is all
        there is for us.
        """
        positions, limit = membership.positions, self._batch_events_max
        after = min(positions.values())
        if membership.topics is not None:
            return await read_topics(
                statements,
                after,
                topics=sorted(membership.topics),
                shards=self._shards_of(positions),
                limit=limit,
            )
        shards = self._shards_of(positions) if len(positions) < self.partitions_count else None
        events = await read_commit_order(statements, after, limit=limit, shards=shards)
        return events, events[-1].position if events else after

    def _batches(
        self, events: Sequence[LoggedEvent], positions: dict[int, Position]
    ) -> list[Batch]:
        of_partition: dict[int, list[LoggedEvent]] = {}
        for event in events:
            partition = partition_of(event.shard, self.partitions_count)
            if partition in positions and event.position > positions[partition]:
                of_partition.setdefault(partition, []).append(event)
        return [
            Batch(partition, own, cursor_text(own[-1].position))
            for partition, own in of_partition.items()
        ]

    def _shards_of(self, partitions: dict[int, Position]) -> list[int]:
        return [
            shard
            for shard in range(SHARDS_COUNT)
            if partition_of(Shard(shard), self.partitions_count) in partitions
        ]

    async def _leave(self, membership: _Membership, partitions: Sequence[int]) -> None:
        async with self._database.connection() as conn:
            reach("lease.before_leave")
            await conn.execute(RELEASE, self._params(membership, partitions))
            await conn.execute(LEAVE, self._params(membership))
            reach("lease.after_leave")

    def _params(self, membership: _Membership, partitions: Sequence[int] = ()) -> dict[str, object]:
        return {
            "group": membership.group,
            "member": membership.member,
            "ttl_s": self._lease_ttl_s,
            "lock_class": LOCK_CLASS,
            "partitions": list(partitions),
        }
