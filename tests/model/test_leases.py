"""The leases of the PostgreSQL log against a model of them: whoever joins, stands still, dies and
leaves, no partition has two owners, and in the end every partition has one.

Each step is one statement after the other on a real PostgreSQL; only the passing of time is told to
it, by ending what a member that said nothing had been given.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, LiteralString, TypeVar
from uuid import uuid4

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from psycopg import AsyncConnection

from commands.ports import Batch, Start
from infra.lease_statements import LIVE
from infra.postgres_log import PostgresLog, _Membership
from infra.wakeups import Wakeups
from tests.effort import EFFORT
from tests.infra.conftest import Conninfo, conninfo
from tests.infra.log_steps import IDS

__all__ = ["conninfo"]

Answer = TypeVar("Answer")

PARTITIONS = 5
MEMBERS_MAX = 4
# Nobody's lease runs out by itself while a step takes its time.
LEASE_TTL_S = 3600.0
REAL = settings(
    max_examples=15 * EFFORT,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
END: dict[str, LiteralString] = {
    "members": "UPDATE group_members SET expires_at = clock_timestamp() - interval '1 s'"
    " WHERE consumer_group = %s AND member = %s",
    "leases": "UPDATE partition_leases SET expires_at = clock_timestamp() - interval '1 s'"
    " WHERE consumer_group = %s AND owner = %s",
}
EPOCHS: LiteralString = (
    "SELECT partition, owner, epoch FROM partition_leases WHERE consumer_group = %s"
)


@dataclass(eq=False)
class OneConnection:
    """In place of a pool: what a member asks of it takes its turn on one connection."""

    conn: AsyncConnection

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[AsyncConnection]:
        yield self.conn


@dataclass(eq=False)
class Member:
    """handler: what it was told that it owns. is_silent: it stands still or is dead."""

    log: PostgresLog
    membership: _Membership
    owned: set[int] = field(default_factory=set)
    is_silent: bool = False

    async def assigned(self, partitions: Sequence[int]) -> Mapping[int, Start]:
        assert not self.owned & set(partitions)
        self.owned.update(partitions)
        return {partition: Start(from_end=True) for partition in partitions}

    async def started(self, partitions: Sequence[int]) -> None:
        assert set(partitions) <= self.owned

    async def revoked(self, partitions: Sequence[int], *, at_once: bool = False) -> None:
        del at_once
        self.owned.difference_update(partitions)

    async def handle(self, batches: Sequence[Batch]) -> None:
        raise AssertionError(batches)


class LeasesMachine(RuleBasedStateMachine):
    def __init__(self, loop: asyncio.AbstractEventLoop, conn: AsyncConnection) -> None:
        super().__init__()
        self.loop, self.conn = loop, conn
        self.members: list[Member] = []
        self.epochs: dict[int, tuple[str | None, int]] = {}

    @initialize()
    def begin(self) -> None:
        self.group = f"leases-{uuid4().hex}"

    def some(self, *, silent: bool) -> list[Member]:
        return [member for member in self.members if member.is_silent is silent]

    @precondition(lambda self: len(self.members) < MEMBERS_MAX)
    @rule()
    def join(self) -> None:
        database: Any = OneConnection(self.conn)
        process_id = IDS.new()
        log = PostgresLog(
            database,
            Wakeups(),
            member=process_id,
            partitions_count=PARTITIONS,
            batch_events_max=10,
            poll_min_s=0.1,
            poll_max_s=0.1,
            lease_ttl_s=LEASE_TTL_S,
            pace_s=0,
        )
        member = Member(log, _Membership(self.group, str(process_id)))
        log._memberships[self.group] = member.membership
        # All sessions here are one, which lives: only silence tells who is gone.
        self.loop.run_until_complete(self.conn.execute(LIVE, log._params(member.membership)))
        self.members.append(member)
        self._balance(member)

    @precondition(lambda self: self.some(silent=False))
    @rule(data=st.data())
    def balance(self, data: st.DataObject) -> None:
        self._balance(data.draw(st.sampled_from(self.some(silent=False))))

    @precondition(lambda self: self.some(silent=False))
    @rule(data=st.data())
    def stand_still(self, data: st.DataObject) -> None:
        data.draw(st.sampled_from(self.some(silent=False))).is_silent = True

    @precondition(lambda self: self.some(silent=True))
    @rule(data=st.data())
    def expire(self, data: st.DataObject) -> None:
        """So long that the database and its own clock say that its leases are over."""
        member = data.draw(st.sampled_from(self.some(silent=True)))
        for statement in END.values():
            params = (self.group, member.membership.member)
            self._do(self.conn.execute(statement, params))
        member.membership.lease_ends_at = 0.0

    @precondition(lambda self: self.some(silent=True))
    @rule(data=st.data())
    def go_on(self, data: st.DataObject) -> None:
        """As if nothing had happened; it asks before it does anything else."""
        member = data.draw(st.sampled_from(self.some(silent=True)))
        member.is_silent = False
        self._balance(member)

    @precondition(lambda self: self.some(silent=False))
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        member = data.draw(st.sampled_from(self.some(silent=False)))
        self.members.remove(member)
        self._do(member.log._leave(member.membership, list(member.membership.positions)))

    @invariant()
    def no_partition_has_two_owners(self) -> None:
        for partition in range(PARTITIONS):
            owners = [one for one in self.members if self._is_owned(one, partition)]
            assert len(owners) <= 1, (partition, owners)

    @invariant()
    def who_does_not_own_any_more_has_been_told(self) -> None:
        for member in self.members:
            assert member.owned == set(member.membership.positions)

    @invariant()
    def every_new_owner_has_a_greater_epoch(self) -> None:
        if not self.members:
            return
        rows = self._do(self._fetch(EPOCHS, (self.group,)))
        for partition, owner, epoch in rows:
            known_owner, known_epoch = self.epochs.get(partition, (None, 0))
            assert epoch >= known_epoch
            if owner is not None and owner != known_owner and known_owner is not None:
                assert epoch > known_epoch
            self.epochs[partition] = (owner or known_owner, epoch)

    def teardown(self) -> None:
        """Whoever is silent is dead; the others share everything within two rounds."""
        for member in self.some(silent=True):
            for statement in END.values():
                self._do(self.conn.execute(statement, (self.group, member.membership.member)))
            self.members.remove(member)
        if not self.members:
            return
        for _ in range(2):
            for member in self.members:
                self._balance(member)
        counts = [len(member.owned) for member in self.members]
        assert sum(counts) == PARTITIONS
        assert max(counts) - min(counts) <= 1

    def _is_owned(self, member: Member, partition: int) -> bool:
        async def asked() -> bool:
            return member.log.is_owned(self.group, partition)

        return self._do(asked())

    def _balance(self, member: Member) -> None:
        self._do(member.log._balance(self.conn, self.conn, member.membership, member))

    async def _fetch(self, query: LiteralString, params: Sequence[object]) -> list[Any]:
        return await (await self.conn.execute(query, params)).fetchall()

    def _do(self, work: Awaitable[Answer]) -> Answer:
        async def done() -> Answer:
            return await work

        return self.loop.run_until_complete(done())


def test_a_partition_has_one_owner_at_most_and_in_the_end_exactly_one(conninfo: Conninfo) -> None:
    loop = asyncio.new_event_loop()
    conn = loop.run_until_complete(AsyncConnection.connect(conninfo("relay"), autocommit=True))
    try:
        machine: Any = lambda: LeasesMachine(loop, conn)  # noqa: E731 # hypothesis asks for a class
        run_state_machine_as_test(machine, settings=REAL)
    finally:
        loop.run_until_complete(conn.close())
        loop.close()
