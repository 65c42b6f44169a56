"""What authentication asks about people, and what commands have to know of them that no single
stream tells. The rows are written with the events.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol
from uuid import UUID

from domain.identifiers import TenantId
from domain.identity import UserStatus


@dataclass(frozen=True, slots=True)
class StoredUserAccess:
    """What somebody may do now. email_hash: of Users.email_hash; unique in the tenant, and given
    free only by who is erased, who has none. role: as domain/identity.py has it.
    """

    user_id: UUID
    email_hash: bytes | None = field(repr=False)
    role: str
    status: UserStatus


@dataclass(frozen=True, slots=True)
class StoredRole:
    """A role of the tenant's own making; see domain/roles.py."""

    role_id: UUID
    permissions: Sequence[str]


@dataclass(frozen=True, slots=True)
class RemovedRole:
    """Who still has it may do nothing from now on."""

    role_id: UUID


AccessRow = StoredUserAccess | StoredRole | RemovedRole


class Users(Protocol):
    def email_hash(self, email: str) -> bytes:
        """Finds people by their address, which lies in no table that is not derived from the log.
        The same for all tenants, whatever the case of its letters.
        """
        ...

    async def find_by_email(self, tenant_id: TenantId, email_hash: bytes) -> UUID | None: ...

    async def administrators(self, tenant_id: TenantId) -> Sequence[UUID]:
        """The active users with the role ADMIN, 10,000 at most."""
        ...

    async def count_with_role(self, tenant_id: TenantId, role: str) -> int:
        """Whatever their status; 1,000 at most."""
        ...

    async def permissions_of(self, tenant_id: TenantId, role_id: UUID) -> Sequence[str] | None:
        """Of a role of the tenant's own making; None when there is none."""
        ...

    async def began(self, tenant_id: TenantId, user_id: UUID, stream_id: UUID) -> bool:
        """Whether this person, or a key of theirs, recorded the first event of the stream."""
        ...

    async def is_actor(self, tenant_id: TenantId, user_id: UUID, actor: str) -> bool:
        """Whether the actor is this person, or a key of theirs."""
        ...

    def invitation_proofs(
        self, tenant_id: TenantId, user_id: UUID, expires_at: str
    ) -> Sequence[bytes]:
        """Of domain/invitations.py; nobody else can make them. The first is for a new invitation,
        each is taken.
        """
        ...
