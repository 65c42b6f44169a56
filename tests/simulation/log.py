"""A model of Kafka: a topic, producers that lose sends and acknowledgements, and consumer groups
that share partitions, expel members that are silent, and deliver more than once.

What is published are the bytes and headers of infra/kafka.py, and they are read back by it.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from aiokafka.errors import KafkaError

from commands.ports import Batch, LoggedEvent, LogHandler, Start
from infra.kafka_records import event_of
from tests.simulation.processes import Environment, Process
from tests.simulation.store import SimulatedStore

NAME = "events"
WAY_S = 0.003
SLOW_S = 4.0
SESSION_S = 10.0
POLL_S = 5.0
BATCH_EVENTS_MAX = 50
REPEATED_MAX = 8
RESTART_S = 1.0


@dataclass(frozen=True, slots=True)
class Record:
    """As infra.kafka.event_of reads it."""

    key: bytes
    value: bytes
    headers: Sequence[tuple[str, bytes]]


@dataclass(eq=False)
class Topic:
    environment: Environment
    partitions_count: int
    partitions: list[list[LoggedEvent]] = field(init=False)
    news: list[asyncio.Event] = field(default_factory=list)
    # Only for the bug that moves a position too early.
    relay_connection: object = None

    def __post_init__(self) -> None:
        self.partitions = [[] for _ in range(self.partitions_count)]

    def add(self, partition: int, record: Record) -> None:
        event = event_of(record)  # pyright: ignore[reportArgumentType] # what it reads of a record
        self.partitions[partition].append(event)
        self.environment.tell("log", f"{partition}: {str(event.stream_id)[-4:]}@{event.version}")
        for one in self.news:
            one.set()


class Producer:
    """What the relay uses of AIOKafkaProducer. Idempotent: what follows a lost send of a partition
    is not taken either, so that order holds.
    """

    def __init__(self, topic: Topic) -> None:
        self.topic = topic
        self._environment = topic.environment
        self._waiting: dict[int, deque[tuple[Record, asyncio.Future[object]]]] = {}
        self._broken: set[int] = set()

    async def send(self, _topic: str, **record: Any) -> "asyncio.Future[object]":
        partition = record["partition"]
        answer: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        answer.add_done_callback(lambda one: one.cancelled() or one.exception())
        sent = Record(record["key"], record["value"], record["headers"])
        if partition not in self._waiting:
            self._waiting[partition] = deque()
            # What was sent arrives also when the relay has died meanwhile.
            self._environment.spawn(self._deliver(partition))
        self._waiting[partition].append((sent, answer))
        return answer

    async def _deliver(self, partition: int) -> None:
        faults = self._environment.faults
        waiting = self._waiting[partition]
        while waiting:
            await self._environment.pass_by(
                SLOW_S if faults.happens(faults.delivery_is_slow) else WAY_S
            )
            for _ in range(len(waiting)):
                self._take(partition, *waiting.popleft())
        del self._waiting[partition]

    def _take(self, partition: int, record: Record, answer: "asyncio.Future[object]") -> None:
        faults = self._environment.faults
        if partition in self._broken or faults.happens(faults.send_is_lost):
            self._broken.add(partition)
            self._fail(answer)
            return
        self.topic.add(partition, record)
        if faults.happens(faults.send_is_not_acknowledged):
            self._broken.add(partition)
            self._fail(answer)
        elif not answer.done():
            answer.set_result(None)

    def _fail(self, answer: "asyncio.Future[object]") -> None:
        if not answer.done():
            answer.set_exception(KafkaError("the send was not acknowledged"))


@dataclass(eq=False)
class Group:
    """Who owns which partition. dropped: events that were never delivered to this group."""

    name: str
    topic: Topic
    store: SimulatedStore
    members: list["Member"] = field(default_factory=list)
    owners: dict[int, "Member"] = field(default_factory=dict)
    dropped: set[tuple[object, int]] = field(default_factory=set)
    _turn: int = 0

    def rebalance(self, *, turn: int = 0) -> None:
        """Give up first, take over then: a partition has one owner, as far as the group knows."""
        self._turn += turn
        live = [member for member in self.members if member.is_heard]
        if not live:
            return
        for partition in range(self.topic.partitions_count):
            wanted = live[(partition + self._turn) % len(live)]
            owner = self.owners.get(partition)
            if owner is None:
                self.owners[partition] = wanted
                wanted.gain(partition)
            elif owner is not wanted:
                owner.lose(partition)

    def expel(self, member: "Member") -> None:
        """It was silent for too long. Alive, it does not know yet."""
        member.is_heard = False
        for partition in [p for p, owner in self.owners.items() if owner is member]:
            del self.owners[partition]
        self.rebalance()

    def release(self, member: "Member", partition: int) -> None:
        if self.owners.get(partition) is member:
            del self.owners[partition]
        self.rebalance()


class Member:
    """One consumer. Implements what handlers use of commands.ports.Log."""

    def __init__(self, group: Group, process: Process, handler: LogHandler | None = None) -> None:
        self.partitions_count = group.topic.partitions_count
        self.is_heard = True
        self.handler = handler
        self._group = group
        self._process = process
        self._environment = process.environment
        self._offsets: dict[int, int] = {}
        self._gained: list[int] = []
        self._lost: list[int] = []
        self._news = asyncio.Event()
        self._epoch = 0
        group.topic.news.append(self._news)
        group.members.append(self)
        process.on_death.append(lambda: self.be_silent(None))

    def is_owned(self, group: str, partition: int) -> bool:
        del group
        return partition in self._offsets

    def gain(self, partition: int) -> None:
        self._gained.append(partition)
        self._news.set()

    def lose(self, partition: int) -> None:
        self._lost.append(partition)
        self._news.set()

    def be_silent(self, seconds: float | None) -> None:
        """None: for ever. Expelled, when that is longer than its session."""
        self._epoch += 1
        if seconds is None or seconds > SESSION_S:
            epoch = self._epoch
            loop = asyncio.get_running_loop()
            loop.call_later(SESSION_S, lambda: epoch == self._epoch and self._group.expel(self))

    async def run(self) -> None:
        """Begins anew after whatever its handler raises."""
        while True:
            try:
                await self._consume()
            except Exception as error:  # noqa: BLE001 # as infra/consumer.py does
                self._environment.tell(self._process.name, f"consumer stops: {error!r}")
            await self._leave()
            await asyncio.sleep(RESTART_S)
            await self._process.reach()
            self.is_heard = True
            self._group.rebalance()

    async def _consume(self) -> None:
        while True:
            await self._process.reach()
            if not self.is_heard:
                return
            await self._change_hands()
            batches = self._fetched()
            if batches:
                await self._environment.pass_by(WAY_S)
                await self._handle(batches)
            else:
                self._news.clear()
                try:
                    async with asyncio.timeout(POLL_S):
                        await self._news.wait()
                except TimeoutError:
                    pass

    async def _handle(self, batches: Sequence[tuple[Batch, int]]) -> None:
        assert self.handler is not None
        await self._process.reach()
        await self.handler.handle([batch for batch, _ in batches])
        for batch, offset in batches:
            if batch.partition in self._offsets:
                self._offsets[batch.partition] = offset

    async def _leave(self) -> None:
        owned = sorted(self._offsets)
        self._offsets.clear()
        self._gained.clear()
        self._lost.clear()
        assert self.handler is not None
        await self.handler.revoked(owned)
        self.is_heard = False
        self._group.expel(self)

    async def _change_hands(self) -> None:
        assert self.handler is not None
        lost, self._lost = sorted(set(self._lost)), []
        gained, self._gained = sorted(set(self._gained) - set(lost)), []
        if owned := [p for p in lost if p in self._offsets]:
            for partition in owned:
                del self._offsets[partition]
            await self.handler.revoked(owned)
        for partition in lost:
            self._group.release(self, partition)
        if gained:
            self._environment.tell(self._process.name, f"owns {gained} of {self._group.name}")
            starts = await self.handler.assigned(gained)
            for partition in gained:
                self._offsets[partition] = self._start(partition, starts[partition])
            await self.handler.started(gained)

    def _start(self, partition: int, start: Start) -> int:
        if start.from_end:
            return len(self._group.topic.partitions[partition])
        return int((start.cursor or "@0").rpartition("@")[2])

    def _fetched(self) -> list[tuple[Batch, int]]:
        """With where each partition goes on."""
        faults = self._environment.faults
        batches: list[tuple[Batch, int]] = []
        for partition, offset in self._offsets.items():
            records = self._group.topic.partitions[partition]
            if offset >= len(records):
                continue
            begin = offset
            if faults.happens(faults.delivery_is_repeated):
                begin -= self._environment.chance.integer(0, min(REPEATED_MAX, offset))
            end = min(len(records), offset + self._environment.chance.integer(1, BATCH_EVENTS_MAX))
            events = [event for event in records[begin:end] if not self._is_dropped(event)]
            if events:
                batches.append((Batch(partition, events, f"{NAME}@{end}"), end))
            else:
                self._offsets[partition] = end
        return batches

    def _is_dropped(self, event: LoggedEvent) -> bool:
        """Only what a later event of the stream reveals: nobody could miss the last one."""
        faults = self._environment.faults
        key = (event.stream_id, event.version)
        if key in self._group.dropped:
            return True
        is_last = self._group.store.newest_version(event.stream_id) == event.version
        if not is_last and faults.happens(faults.delivery_is_dropped):
            self._environment.tell(self._group.name, f"drops {str(key[0])[-4:]}@{key[1]}")
            self._group.dropped.add(key)
            return True
        return False
