"""The tail of the log, one per API process: it sees where events are, never what they say, and
tells whoever waits.

The role `tail` may read places only (stream, version, tenant, topic). A subscriber is woken and
then reads its own stream under its own tenant.
"""

import asyncio
import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import LiteralString, Self, TypeAlias
from uuid import UUID

from psycopg.pq.abc import PGresult

from commands.ports import Position
from domain.errors import Unavailable
from domain.executions import Execution
from domain.identifiers import TenantId
from infra.binary_form import BIGINT
from infra.connections import Connection
from infra.consumer import Pace
from infra.event_log import place_params, read_end
from infra.postgres import Database
from infra.prepared_statements import PreparedStatements
from infra.wakeups import Wakeups

log = logging.getLogger(__name__)

PAGE = 2000
RETRY_S = 0.5

# The columns of READ_PLACES, which are never NULL.
STREAM_ID, VERSION, TENANT_ID, TOPIC, ERA, TX_ID, NOTIFICATION_ID = range(7)
OF_RUNS = f"{Execution.TOPIC}.".encode()

# fmt: off
READ_PLACES: LiteralString = (
    "SELECT originator_id, originator_version, tenant_id, topic,"
    " era, tx_id::text::bigint, notification_id"
    " FROM events WHERE (era, tx_id, notification_id) > (%b::smallint, %b::text::xid8, %b::bigint)"
    " AND (era < current_era() OR tx_id < pg_snapshot_xmin(pg_current_snapshot()))"
    " ORDER BY events.era, events.tx_id, events.notification_id LIMIT %b::bigint"
)
# fmt: on


@dataclass(eq=False, slots=True)
class Subscription:
    """Woken when the stream, or with stream_id None the tenant, may have something new. A hint:
    read to be sure.

    topics: woken by events of these only; None is by all. is_following: it heard of an event, of
    whatever topic, so that it will hear of every later one. told, by: where the tail finds it
    within its block. One waits at a time: every run that is waited for has one of these, and an
    event and a timeout of asyncio's take three times as long.
    """

    told: "_Told"
    by: bytes
    topics: Collection[str] | None
    is_following: bool = False
    has_news: bool = False
    _waiting: asyncio.Future[None] | None = None

    def __enter__(self) -> Self:
        self.told.setdefault(self.by, set()).add(self)
        return self

    def __exit__(self, *_: object) -> None:
        members = self.told[self.by]
        members.discard(self)
        if not members:
            del self.told[self.by]

    async def wait(self, timeout_s: float) -> bool:
        """Returns at the first news since the last wait: True; or after timeout_s: False."""
        if not self.has_news:
            assert self._waiting is None, "somebody waits already"
            loop = asyncio.get_running_loop()
            self._waiting = loop.create_future()
            timer = loop.call_later(timeout_s, self._go_on)
            try:
                await self._waiting
            finally:
                timer.cancel()
                self._waiting = None
        had_news, self.has_news = self.has_news, False
        return had_news

    def tell(self, topic: str) -> None:
        self.is_following = True
        if self.topics is None or topic in self.topics:
            self.wake()

    def wake(self) -> None:
        self.has_news = True
        self._go_on()

    def _go_on(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)


# By the bytes of an id, as places have it: to make a UUID of each costs more.
_Told: TypeAlias = dict[bytes, set[Subscription]]


class Tail:
    """on_place: called with (stream, version) of what changed, to drop older copies from caches.
    Not of runs: only who drives one keeps it, and nearly all events are theirs.

    pace_s: pages of places are read at most this often.
    """

    def __init__(
        self,
        database: Database,
        wakeups: Wakeups,
        *,
        poll_min_s: float,
        poll_max_s: float,
        on_place: Callable[[UUID, int], None],
        pace_s: float = 0.0,
    ) -> None:
        self._pace_s = pace_s
        self._database = database
        self._wakeups = wakeups
        self._poll_min_s = poll_min_s
        self._poll_max_s = poll_max_s
        self._on_place = on_place
        self._of_stream: _Told = {}
        self._of_tenant: _Told = {}
        self._position: Position | None = None

    def subscribe(
        self,
        *,
        tenant_id: TenantId,
        stream_id: UUID | None = None,
        topics: Collection[str] | None = None,
    ) -> Subscription:
        """It begins and ends with its block."""
        if stream_id is None:
            return Subscription(self._of_tenant, tenant_id.bytes, topics)
        return Subscription(self._of_stream, stream_id.bytes, topics)

    def wake(self, stream_id: UUID) -> None:
        """Somebody in this process knows of news of a stream before the log tells."""
        for subscription in self._of_stream.get(stream_id.bytes, ()):
            subscription.wake()

    def subscriptions_count(self) -> int:
        groups = [*self._of_stream.values(), *self._of_tenant.values()]
        return sum(len(group) for group in groups)

    async def run(self) -> None:
        """Run until cancelled; survives the database going away."""
        while True:
            try:
                async with self._database.connection() as conn:
                    await self._follow(conn)
            except Unavailable as error:
                log.warning("tail: %s", error)
                await asyncio.sleep(RETRY_S)

    async def _follow(self, conn: Connection) -> None:
        if self._position is None:
            self._position = await read_end(conn)
        statements = PreparedStatements(conn)
        pause_s = self._poll_min_s
        pace = Pace(self._pace_s)
        while True:
            await pace.wait()
            seen = self._wakeups.count
            found = await self._read_page(statements)
            if found == PAGE:
                continue
            # An append that is hinted may not be settled yet (older transactions still run), so the
            # pause after news starts short and grows.
            pause_s = self._poll_min_s if found else min(pause_s * 2, self._poll_max_s)
            if self._wakeups.count != seen:
                pause_s = self._poll_min_s
                await asyncio.sleep(pause_s)
            else:
                await self._wakeups.wait(seen, pause_s)

    async def _read_page(self, statements: PreparedStatements) -> int:
        assert self._position is not None
        result = await statements.execute(
            READ_PLACES, [*place_params(self._position), BIGINT(PAGE)]
        )
        if result.ntuples:
            self._tell(result)
            last = result.ntuples - 1
            self._position = Position(
                *(_number(result, last, column) for column in (ERA, TX_ID, NOTIFICATION_ID))
            )
        return result.ntuples

    def _tell(self, result: PGresult) -> None:
        value, of_stream = result.get_value, self._of_stream
        for row in range(result.ntuples):
            stored_id, topic = value(row, STREAM_ID) or b"", value(row, TOPIC) or b""
            if not topic.startswith(OF_RUNS):
                self._on_place(UUID(bytes=stored_id), _number(result, row, VERSION))
            listeners = of_stream.get(stored_id, ())
            if self._of_tenant:
                of_tenant = self._of_tenant.get(value(row, TENANT_ID) or b"", ())
                listeners = [*listeners, *of_tenant]
            for subscription in listeners:
                subscription.tell(topic.decode())


def _number(result: PGresult, row: int, column: int) -> int:
    return int.from_bytes(result.get_value(row, column) or b"")
