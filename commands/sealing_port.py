"""Sealing: what must not be readable without a key of the platform, and not at all once that key is
destroyed.
"""

from typing import Protocol

from domain.errors import NotFound
from domain.identifiers import TenantId


class KeyDestroyed(NotFound):
    """It was erased."""


class Tampered(Exception):
    """Sealed bytes were changed, or stand where they were not sealed for."""


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
