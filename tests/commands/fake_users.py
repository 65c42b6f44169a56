"""What is known of people, from the rows of a store in memory."""

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from commands.identity_port import RemovedRole, StoredRole, StoredUserAccess
from commands.ports import SideRow
from domain.identifiers import TenantId


class StoreOfRows(Protocol):
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
