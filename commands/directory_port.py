"""What is looked up in the directories of identity providers (SCIM), and the rows for it. The rows
are written with the events, so what was told is found at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, Protocol
from uuid import UUID

from domain.identifiers import TenantId

DirectoryKind = Literal["user", "group"]


@dataclass(frozen=True, slots=True)
class StoredDirectoryToken:
    """The API key that speaks for the directory of a provider."""

    api_key_id: UUID
    provider_id: UUID


@dataclass(frozen=True, slots=True)
class StoredDirectoryEntry:
    """name_hash: of Directory.text_hash; unique in the directory. external_id_hash: likewise, of
    what the directory itself calls it.
    """

    provider_id: UUID
    kind: DirectoryKind
    entry_id: UUID
    name_hash: bytes = field(repr=False)
    external_id_hash: bytes | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class RemovedDirectoryEntry:
    """With its members, or out of its groups."""

    entry_id: UUID


@dataclass(frozen=True, slots=True)
class ChangedDirectoryMembers:
    group_id: UUID
    added: Sequence[UUID]
    removed: Sequence[UUID]


DirectoryRow = (
    StoredDirectoryToken | StoredDirectoryEntry | RemovedDirectoryEntry | ChangedDirectoryMembers
)


class DirectoryPage(NamedTuple):
    """total: of all that fit, on whatever page."""

    entry_ids: Sequence[UUID]
    total: int


class Directory(Protocol):
    def text_hash(self, text: str) -> bytes:
        """Keyed; the same whatever the case of the letters."""
        ...

    async def provider_of(self, tenant_id: TenantId, api_key_id: UUID) -> UUID | None:
        """Whose directory the key speaks for."""
        ...

    async def page(
        self,
        tenant_id: TenantId,
        provider_id: UUID,
        kind: DirectoryKind,
        *,
        name: str | None = None,
        external_id: str | None = None,
        offset: int = 0,
        limit: int,
    ) -> DirectoryPage:
        """Of those that have this name and external id, in the order in which they came."""
        ...

    async def groups_of(
        self, tenant_id: TenantId, user_ids: Sequence[UUID]
    ) -> dict[UUID, list[UUID]]:
        """By user; only those that are in groups."""
        ...
