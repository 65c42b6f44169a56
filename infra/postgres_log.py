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
from functools import lru_cache
from uuid import UUID

from psycopg import AsyncConnection

from commands.ports import Batch, LoggedEvent, LogHandler, Position, Start, partition_of
from domain.identifiers import SHARDS_COUNT, Shard
from infra.connections import Connection
from infra.consumer import Pace
from infra.crash_points import reach
from infra.event_log import BEGINNING, read_commit_order, read_end, read_topics
from infra.lease_statements import (
    CLAIM,
    FORGET_DEAD,
    JOIN,
    LEAVE,
    LIVE,
    LIVE_MEMBERS,
    LIVE_NO_MORE,
    LOCK_CLASS,
    RELEASE,
)
from infra.postgres import Database
from infra.prepared_statements import PreparedStatements
from infra.tracing import POSTGRESQL_LOG
from infra.wakeups import Wakeups

log = logging.getLogger(__name__)

# Mostly nothing is in flight, and a partition is given up in the round that finds it to be others'.
LEAVE_AT_ONCE_S = 0.05


def cursor_text(position: Position) -> str:
    return f"{position.era}-{position.tx_id}-{position.notification_id}"


def cursor_position(text: str) -> Position:
    era, tx_id, notification_id = text.split("-", 2)
    return Position(int(era), int(tx_id), int(notification_id))


@lru_cache(maxsize=64)
def _shards_of(partitions: tuple[int, ...], partitions_count: int) -> tuple[int, ...]:
    """The same at every look, until the partitions are divided anew."""
    return tuple(
        shard
        for shard in range(SHARDS_COUNT)
        if partition_of(Shard(shard), partitions_count) in partitions
    )


@dataclass(eq=False)
class _Membership:
    """One consumer of a group: what it owns and how far each partition is read."""

    group: str
    member: str
    topics: frozenset[str] | None = None
    positions: dict[int, Position] = field(default_factory=dict[int, Position])
    lease_ends_at: float = 0.0
    handling: asyncio.Lock = field(default_factory=asyncio.Lock)
    # What goes to others as soon as nothing of it is in flight; the lease lasts so long.
    leaving: dict[int, asyncio.Task[None]] = field(default_factory=dict[int, asyncio.Task[None]])
    has_left: asyncio.Event = field(default_factory=asyncio.Event)


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
                try:
                    await self._balance(leases, reader, membership, handler)
                    async with asyncio.TaskGroup() as tasks:
                        tasks.create_task(self._keep_balance(leases, reader, membership, handler))
                        tasks.create_task(self._read(reader, membership, handler))
                except asyncio.CancelledError:
                    await self._stop_in_order(leases, membership, handler)
                    raise
        finally:
            owned = [*membership.positions, *membership.leaving]
            membership.positions.clear()
            with contextlib.suppress(Exception):
                await handler.revoked(owned, at_once=True)
            await asyncio.gather(*membership.leaving.values(), return_exceptions=True)
            with contextlib.suppress(Exception):
                await self._leave(membership, owned)

    async def _stop_in_order(
        self, leases: AsyncConnection, membership: _Membership, handler: LogHandler
    ) -> None:
        """What is in flight comes to its end under the lease; nobody waits for this member's share
        of the rest.
        """
        try:
            await leases.execute(LEAVE, self._params(membership))
            await self._begin_leaving(membership, handler, list(membership.positions))
            while membership.leaving:
                await self._release_left(leases, membership)
                if membership.leaving:
                    await leases.execute(CLAIM, self._params(membership, list(membership.leaving)))
                    await self._until_balance_is_due(membership)
        except Exception:
            log.warning("group %s: not left in order", membership.group, exc_info=True)

    async def _keep_balance(
        self,
        leases: AsyncConnection,
        reader: AsyncConnection,
        membership: _Membership,
        handler: LogHandler,
    ) -> None:
        while True:
            await self._until_balance_is_due(membership)
            await self._balance(leases, reader, membership, handler)

    async def _until_balance_is_due(self, membership: _Membership) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._lease_ttl_s / 4):
                await membership.has_left.wait()
        membership.has_left.clear()

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
            await self._begin_leaving(membership, handler, surplus)
        await self._release_left(leases, membership)
        reach("lease.before_claim")
        kept = sorted({*wanted, *membership.leaving})
        cursor = await leases.execute(CLAIM, self._params(membership, kept))
        reach("lease.after_claim")
        claimed = {int(row[0]) for row in await cursor.fetchall()}
        membership.lease_ends_at = asked_at + self._lease_ttl_s

        lost = [p for p in (*membership.positions, *membership.leaving) if p not in claimed]
        if lost:
            log.warning("group %s: partitions %s have another owner", membership.group, lost)
            await self._forget(membership, lost)
            await handler.revoked(lost, at_once=True)
        gained = sorted(claimed - membership.positions.keys() - membership.leaving.keys())
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

    async def _begin_leaving(
        self, membership: _Membership, handler: LogHandler, partitions: Sequence[int]
    ) -> None:
        """Each of them goes to others as soon as nothing of it is in flight."""
        await self._forget(membership, partitions)
        for partition in partitions:
            task = asyncio.create_task(handler.revoked([partition]))
            task.add_done_callback(lambda _: membership.has_left.set())
            membership.leaving[partition] = task
        if membership.leaving:
            await asyncio.wait(membership.leaving.values(), timeout=LEAVE_AT_ONCE_S)

    async def _release_left(self, leases: AsyncConnection, membership: _Membership) -> None:
        left = [partition for partition, task in membership.leaving.items() if task.done()]
        if not left:
            return
        for partition in left:
            membership.leaving.pop(partition).result()
        reach("lease.before_release")
        await leases.execute(RELEASE, self._params(membership, left))
        reach("lease.after_release")

    async def _forget(self, membership: _Membership, partitions: Sequence[int]) -> None:
        async with membership.handling:
            for partition in partitions:
                membership.positions.pop(partition, None)

    async def _read(self, reader: Connection, membership: _Membership, handler: LogHandler) -> None:
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
                topics=membership.topics,
                shards=_shards_of(tuple(positions), self.partitions_count),
                limit=limit,
            )
        shards = None
        if len(positions) < self.partitions_count:
            shards = _shards_of(tuple(positions), self.partitions_count)
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
