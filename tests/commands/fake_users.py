"""What is known of people, from the rows of a store in memory."""

from collections.abc import Sequence
from hashlib import sha256
from typing import Protocol
from uuid import UUID

from eventsourcing.persistence import StoredEvent

from commands.credential_port import StoredApiKey
from commands.identity_port import RemovedRole, StoredRole, StoredUserAccess
from commands.ports import SideRow
from domain.envelope import Envelope
from domain.identifiers import TenantId


class StoreOfRows(Protocol):
    """events and envelopes: side by side, in order."""

    events: list[StoredEvent]
    envelopes: list[Envelope]
    owned_side_rows: list[tuple[TenantId, SideRow]]


class FakeUsers:
    """The rows in the store."""

    def __init__(self, store: StoreOfRows) -> None:
        self._store = store

    def email_hash(self, email: str) -> bytes:
        return f"hash of {email.casefold()}".encode()

    async def find_by_email(self, tenant_id: TenantId, email_hash: bytes) -> UUID | None:
        rows = self._access(tenant_id).values()
        return next((row.user_id for row in rows if row.email_hash == email_hash), None)

    async def administrators(self, tenant_id: TenantId) -> list[UUID]:
        rows = self._access(tenant_id).values()
        return [row.user_id for row in rows if (row.role, row.status) == ("ADMIN", "ACTIVE")]

    async def count_with_role(self, tenant_id: TenantId, role: str) -> int:
        return sum(row.role == role for row in self._access(tenant_id).values())

    async def permissions_of(self, tenant_id: TenantId, role_id: UUID) -> Sequence[str] | None:
        found: Sequence[str] | None = None
        for owner, row in self._store.owned_side_rows:
            match row:
                case StoredRole(role_id=stored_id) if (owner, stored_id) == (tenant_id, role_id):
                    found = row.permissions
                case RemovedRole(role_id=removed_id) if (owner, removed_id) == (tenant_id, role_id):
                    found = None
                case _:
                    pass
        return found

    def _access(self, tenant_id: TenantId) -> dict[UUID, StoredUserAccess]:
        return {
            row.user_id: row
            for owner, row in self._store.owned_side_rows
            if owner == tenant_id and isinstance(row, StoredUserAccess)
        }

    async def began(self, tenant_id: TenantId, user_id: UUID, stream_id: UUID) -> bool:
        for event, envelope in zip(self._store.events, self._store.envelopes, strict=True):
            if event.originator_id == stream_id and envelope.tenant_id == tenant_id:
                return await self.is_actor(tenant_id, user_id, envelope.actor)
        return False

    async def is_actor(self, tenant_id: TenantId, user_id: UUID, actor: str) -> bool:
        keys = {
            f"api_key:{row.api_key_id}"
            for owner, row in self._store.owned_side_rows
            if owner == tenant_id and isinstance(row, StoredApiKey) and row.user_id == user_id
        }
        return actor in {f"user:{user_id}", *keys}

    def invitation_proofs(
        self, tenant_id: TenantId, user_id: UUID, expires_at: str
    ) -> Sequence[bytes]:
        return [sha256(f"{tenant_id}{user_id}{expires_at}".encode()).digest()]
