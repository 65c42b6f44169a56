"""Data subjects: persons inside a tenant whose data has a key of its own. Two ports of their own:
what commands ask, and what whoever erases works through.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol
from uuid import UUID

from domain.identifiers import TenantId


class DataSubjects(Protocol):
    def subject_id(self, tenant_id: TenantId, name: str) -> UUID:
        """The same for the same name in a tenant, and told by nobody from whom the key is kept."""
        ...

    async def is_known(self, tenant_id: TenantId, subject_id: UUID) -> bool:
        """Whether anything was ever sealed for them that is not erased."""
        ...

    async def is_erased(self, tenant_id: TenantId, subject_id: UUID) -> bool:
        """As of at most a minute ago; at once where the log tells of it. No wait when it was asked
        lately.
        """
        ...


class Erased(NamedTuple):
    """Somebody whose key is destroyed, by the event of this id."""

    tenant_id: TenantId
    subject_id: UUID
    cause_id: UUID | None = None


class SubjectStream(NamedTuple):
    """kind: the topic of the aggregate."""

    stream_id: UUID
    kind: str


class SubjectErasures(Protocol):
    """Those whose key is destroyed and of whom something may be left. Shared by workers: what one
    has claimed no other does until the lease has run out.
    """

    async def claim(self, lease_s: float) -> Erased | None: ...

    async def erase_rows(self, erased: Erased) -> int:
        """Removes what lies beside the log of a person; how many rows that were."""
        ...

    async def streams(
        self, erased: Erased, *, after: UUID | None, limit: int
    ) -> Sequence[SubjectStream]:
        """Those that do not say yet that they are erased."""
        ...

    async def forget(self, erased: Erased, stream_id: UUID) -> None:
        """It says so now, or has nothing to say."""
        ...

    async def end_sweep(self, erased: Erased, *, again_s: float) -> None:
        """Nothing was left. The first time, it is looked again after so long."""
        ...
