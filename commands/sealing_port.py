"""Sealing: what must not be readable without a key of the platform, and not at all once that key is
destroyed.
"""

from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from domain.errors import NotFound
from domain.identifiers import TenantId


class KeyDestroyed(NotFound):
    """It was erased."""


class Tampered(Exception):
    """Sealed bytes were changed, or stand where they were not sealed for."""


@dataclass(frozen=True, slots=True)
class DestroyedTenantKey:
    """A row of an append: the tenant's key ends with it. The append has the proof,
    `Tenant.destroy_key`, and nothing after it that is to be read.
    """


@dataclass(frozen=True, slots=True)
class DestroyedSubjectKey:
    """A row of an append: the key of a data subject ends with it. The append has the proof."""

    subject_id: UUID


SealingRow = DestroyedTenantKey | DestroyedSubjectKey


class Sealing(Protocol):
    """purpose: a literal, one for each kind of content, at most 255 bytes. bound_to: where the
    sealed bytes are kept, such as the id of their row; they open nowhere else.
    """

    async def seal(
        self, tenant_id: TenantId, purpose: str, plaintext: bytes, bound_to: str
    ) -> bytes:
        """Raises KeyDestroyed."""
        ...

    async def open(self, tenant_id: TenantId, purpose: str, sealed: bytes, bound_to: str) -> bytes:
        """Raises KeyDestroyed, Tampered."""
        ...
