"""What the log tests share: plain events, and a handler that remembers what it was given."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from commands.ports import Batch, LoggedEvent, Start
from domain.credentials import ApiKey
from domain.envelope import Envelope
from domain.identifiers import TenantId
from infra.append_statement import Append
from infra.clock import Uuid7Ids
from infra.event_store import PostgresEventStore

IDS = Uuid7Ids()
WAIT_S = 60.0

KILL_WRITERS = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
 WHERE usename = 'agentledger_writer' AND datname = current_database()
"""


async def until(condition: Callable[[], bool], what: str, *, wait_s: float = WAIT_S) -> None:
    """Waits, bounded, for a condition that another task brings about."""
    deadline = asyncio.get_running_loop().time() + wait_s
    while not condition():
        assert asyncio.get_running_loop().time() < deadline, f"waited {wait_s} s for: {what}"
        await asyncio.sleep(0.01)


def an_append() -> Append:
    return Append(
        Envelope(TenantId(IDS.new()), "test"),
        [(IDS.new_bytes(), bytes(8), "api_key.created", b"{}", IDS.new_bytes(), None)],
    )


def a_key(stream_id: UUID | None = None) -> ApiKey:
    """A small aggregate with one pending event."""
    return ApiKey._create(  # the library's documented way to choose the id
        ApiKey.Created,
        id=stream_id or IDS.new(),
        name="key",
        prefix="al_x",
        scopes=[],
        user_id=None,
        expires_at=None,
    )


async def append_streams(
    store: PostgresEventStore, tenant_id: TenantId, *, streams: int, revoke: bool = True
) -> list[UUID]:
    """That many streams of two events each, appended concurrently."""

    async def one() -> UUID:
        key = a_key()
        await store.append([key], Envelope(tenant_id, "test"))
        if revoke:
            key.revoke()
            await store.append([key], Envelope(tenant_id, "test"))
        return key.id

    return list(await asyncio.gather(*(one() for _ in range(streams))))


@dataclass(eq=False)
class Recorder:
    """A LogHandler that keeps its place as a projection would, and everything it saw."""

    from_end: bool = False
    cursors: dict[int, str] = field(default_factory=dict)
    owned: set[int] = field(default_factory=set)
    events: list[LoggedEvent] = field(default_factory=list)
    fail_next: Exception | None = None
    started_count: int = 0

    async def assigned(self, partitions: Sequence[int]) -> Mapping[int, Start]:
        self.owned.update(partitions)
        return {
            p: Start(cursor=self.cursors.get(p), from_end=self.from_end and p not in self.cursors)
            for p in partitions
        }

    async def started(self, partitions: Sequence[int]) -> None:
        self.started_count += len(partitions)

    async def revoked(self, partitions: Sequence[int], *, at_once: bool = False) -> None:
        del at_once
        self.owned.difference_update(partitions)

    async def handle(self, batches: Sequence[Batch]) -> None:
        if self.fail_next is not None:
            error, self.fail_next = self.fail_next, None
            raise error
        for batch in batches:
            assert batch.partition in self.owned
            self.events.extend(batch.events)
            self.cursors[batch.partition] = batch.cursor

    def versions(self) -> dict[UUID, list[int]]:
        """Per stream, the versions in the order they came; repeated deliveries once."""
        seen: dict[UUID, list[int]] = {}
        for event in self.events:
            versions = seen.setdefault(event.stream_id, [])
            if event.version not in versions:
                versions.append(event.version)
        return seen
