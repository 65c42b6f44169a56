"""The real relay's loop (infra/relay.py) between the simulated store and the simulated topic."""

import asyncio
from collections.abc import Sequence
from typing import Any, cast

from commands.ports import LoggedEvent, Position
from infra import relay as real
from infra.consumer import keep_running
from infra.relay import Relay
from infra.wakeups import Wakeups
from tests.simulation.log import NAME, Producer, Topic
from tests.simulation.processes import Environment
from tests.simulation.store import SimulatedStore

WAY_S = 0.004
POLL_S = 5.0
BATCH_EVENTS_MAX = 40
PACE_S = 0.01


class ConnectionLost(Exception):
    """The relay's session with PostgreSQL ended."""


class _Row:
    def __init__(self, row: tuple[int, int, int] | None) -> None:
        self._row = row

    async def fetchone(self) -> tuple[int, int, int] | None:
        return self._row


class RelayConnection:
    """What the relay uses of a connection. position: as PostgreSQL holds it."""

    def __init__(self, store: SimulatedStore, environment: Environment) -> None:
        self._store = store
        self._environment = environment
        self.position: Position | None = None

    async def execute(self, statement: object, params: Sequence[Any]) -> _Row:
        await self._pass()
        if statement is real.READ_POSITION:
            at = self.position
            return _Row(None if at is None else (at.era, at.tx_id, at.notification_id))
        assert statement is real.MOVE_POSITION
        self.position = Position(*params[2:])
        await self._pass()
        return _Row(None)

    async def read_commit_order(self, after: Position, limit: int) -> list[LoggedEvent]:
        await self._pass()
        found = self._store.logged[after.notification_id :][:limit]
        await self._pass()
        return found

    async def _pass(self) -> None:
        faults = self._environment.faults
        await self._environment.pass_by(WAY_S)
        if faults.happens(faults.store_refuses / 4):
            raise ConnectionLost


def statements_of(conn: RelayConnection) -> RelayConnection:
    """In the place of infra.prepared_statements.PreparedStatements."""
    return conn


async def read_commit_order(
    conn: RelayConnection, after: Position, *, limit: int, shards: object = None
) -> list[LoggedEvent]:
    """In the place of infra.event_log.read_commit_order."""
    del shards
    return await conn.read_commit_order(after, limit)


class RelayProcess:
    """Killed at any point of its loop, it begins again where its position is stored."""

    def __init__(self, store: SimulatedStore, topic: Topic, environment: Environment) -> None:
        self._topic = topic
        self._environment = environment
        self._conn = RelayConnection(store, environment)
        self._news = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        topic.relay_connection = self._conn
        store.news.append(self._news)

    async def run(self) -> None:
        await keep_running("relay", self._live_and_die, pause_max_s=2.0)

    def die(self) -> None:
        if self._task is not None:
            self._environment.tell("relay", "dies")
            self._task.cancel()

    async def _live_and_die(self) -> None:
        wakeups = Wakeups()
        relay = Relay(
            "",
            "",
            NAME,
            wakeups,
            partitions_count=self._topic.partitions_count,
            batch_events_max=BATCH_EVENTS_MAX,
            poll_min_s=0.02,
            poll_max_s=POLL_S,
            pace_s=PACE_S,
        )
        conn, kafka = cast("Any", self._conn), cast("Any", Producer(self._topic))
        self._task = asyncio.get_running_loop().create_task(relay._publish_for_ever(conn, kafka))
        hints = asyncio.get_running_loop().create_task(self._hint(wakeups))
        try:
            await asyncio.wait([self._task])
            if not self._task.cancelled() and (error := self._task.exception()) is not None:
                self._environment.tell("relay", f"breaks off: {error!r}")
        finally:
            self._task.cancel()
            hints.cancel()

    async def _hint(self, wakeups: Wakeups) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            wakeups.hint()
