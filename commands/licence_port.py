"""Licences beside the log: which are revoked, as a row of the append that says so
(infra/licence_rows.py), and what is published of them. Adapter: infra/published_licences.py.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from domain.errors import NotFound
from domain.identifiers import JsonObject, TenantId


class IssuerNotFound(NotFound):
    """Nobody of this id issues licences."""


@dataclass(frozen=True, slots=True)
class StoredRevocation:
    """Documents of the licence up to this serial do not count any more. until: none of them would
    count afterwards anyhow.
    """

    licence_id: UUID
    serial: int
    revoked_at: datetime
    until: datetime


class LicencePublications(Protocol):
    """Signed with the keys of an issuer. Raises Unavailable."""

    async def document(self, issuer_id: TenantId, licence_id: UUID) -> str:
        """The newest. Raises LicenceNotFound, LicenceRevoked."""
        ...

    async def keys(self, issuer_id: TenantId) -> JsonObject:
        """The public halves (RFC 7517), the newest first. Raises IssuerNotFound."""
        ...

    async def revocations(self, issuer_id: TenantId) -> str:
        """The signed list, as of now. Raises IssuerNotFound."""
        ...
