"""What is stored of shares beside their events: who sees and runs what is asked at every look."""

from dataclasses import dataclass
from uuid import UUID

from domain.sharing import Access


@dataclass(frozen=True, slots=True)
class StoredShare:
    """grantee: of domain/sharing.py."""

    shared_id: UUID
    grantee: str
    access: Access


@dataclass(frozen=True, slots=True)
class RemovedShare:
    shared_id: UUID
    grantee: str
    access: Access


@dataclass(frozen=True, slots=True)
class ChangedPublicity:
    """Of a workflow that was public before, or is again."""

    workflow_id: UUID
    is_public: bool


ShareRow = StoredShare | RemovedShare | ChangedPublicity
