"""What the tests of seals share: a log of some tenants, sealed, and a way to seal more of it."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

from commands.ports import LoggedEvent
from domain.identifiers import TenantId
from infra.connections import Connection
from infra.event_commitments import EventCommitments
from infra.event_log import BEGINNING, read_commit_order
from infra.log_sealer import LogSealer, SealLimits
from infra.prepared_statements import PreparedStatements
from infra.seal_keys import SealKeys
from infra.seal_proofs import SealProofs
from tests.infra.conftest import Parts
from tests.infra.log_steps import IDS, append_streams


@dataclass
class SteppedClock:
    at: datetime = datetime(2026, 1, 1, tzinfo=UTC)

    def now(self) -> datetime:
        return self.at


@dataclass
class SealedLog:
    """conn: of the role that seals."""

    parts: Parts
    conn: Connection
    clock: SteppedClock = field(default_factory=SteppedClock)

    @property
    def commitments(self) -> EventCommitments:
        return EventCommitments(self.parts.keys)

    @property
    def keys(self) -> SealKeys:
        return SealKeys(self.parts.keys, self.clock, IDS, max_age=timedelta(days=90))

    def sealer(self, *, events_max: int = 1000) -> LogSealer:
        return LogSealer(
            self.parts.conninfo("projector"),
            self.commitments,
            self.keys,
            clock=self.clock,
            limits=SealLimits(every_s=0.01, events_max=events_max, share_max=1),
        )

    async def proofs(self) -> SealProofs:
        return SealProofs(await self.parts.database("api"), self.commitments)

    async def append(self, tenant_id: TenantId, *, events: int) -> list[UUID]:
        """events: an even number, two to a stream."""
        return await append_streams(self.parts.store, tenant_id, streams=events // 2)

    async def seal(self, *, events_max: int = 1000) -> int:
        """All there is, in seals of so many; how many seals that are."""
        sealer, count = self.sealer(events_max=events_max), 0
        while await sealer.seal_next(self.conn, PreparedStatements(self.conn)):
            count += 1
        return count

    async def events(self, tenant_id: TenantId) -> list[LoggedEvent]:
        """As they are stored, in commit order."""
        everything = await read_commit_order(
            PreparedStatements(self.conn), BEGINNING, limit=100_000
        )
        return [event for event in everything if event.tenant_id == tenant_id]
