"""The rows of directories, looked up in the store of the fakes."""

from collections.abc import Iterator, Sequence
from typing import Protocol
from uuid import UUID

from commands.directory_port import (
    ChangedDirectoryMembers,
    DirectoryKind,
    DirectoryPage,
    RemovedDirectoryEntry,
    StoredDirectoryEntry,
    StoredDirectoryToken,
)
from domain.identifiers import TenantId


class Rows(Protocol):
    """Of FakeEventStore: what was stored, with its tenant."""

    @property
    def owned_side_rows(self) -> Sequence[tuple[TenantId, object]]: ...


class FakeDirectory:
    def __init__(self, store: Rows) -> None:
        self._store = store

    def text_hash(self, text: str) -> bytes:
        return f"hash of {text.casefold()}".encode()

    async def provider_of(self, tenant_id: TenantId, api_key_id: UUID) -> UUID | None:
        for row in self._rows(tenant_id):
            if isinstance(row, StoredDirectoryToken) and row.api_key_id == api_key_id:
                return row.provider_id
        return None

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
        entries: dict[UUID, StoredDirectoryEntry] = {}
        for row in self._rows(tenant_id):
            if isinstance(row, StoredDirectoryEntry):
                entries[row.entry_id] = row
            elif isinstance(row, RemovedDirectoryEntry):
                entries.pop(row.entry_id, None)
        fitting = sorted(
            entry.entry_id
            for entry in entries.values()
            if (entry.provider_id, entry.kind) == (provider_id, kind)
            and (name is None or entry.name_hash == self.text_hash(name))
            and (external_id is None or entry.external_id_hash == self.text_hash(external_id))
        )
        return DirectoryPage(fitting[offset : offset + limit], len(fitting))

    async def groups_of(
        self, tenant_id: TenantId, user_ids: Sequence[UUID]
    ) -> dict[UUID, list[UUID]]:
        members: set[tuple[UUID, UUID]] = set()
        for row in self._rows(tenant_id):
            if isinstance(row, ChangedDirectoryMembers):
                members -= {(user_id, row.group_id) for user_id in row.removed}
                members |= {(user_id, row.group_id) for user_id in row.added}
            elif isinstance(row, RemovedDirectoryEntry):
                members = {pair for pair in members if row.entry_id not in pair}
        found: dict[UUID, list[UUID]] = {}
        for user_id, group_id in sorted(members):
            if user_id in user_ids:
                found.setdefault(user_id, []).append(group_id)
        return found

    def _rows(self, tenant_id: TenantId) -> Iterator[object]:
        return (row for owner, row in self._store.owned_side_rows if owner == tenant_id)
