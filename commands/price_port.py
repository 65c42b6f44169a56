"""The port of prices: what holds for a tenant at an instant."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from domain.identifiers import TenantId
from domain.rating import RateCard


@dataclass(frozen=True, slots=True)
class PublishedPrices:
    """A row beside the events: this book has a new version, for whoever keeps books in memory."""

    book_id: UUID
    book_version: int


class Prices(Protocol):
    async def card(self, tenant_id: TenantId, model: str, at: datetime) -> RateCard:
        """What the model costs the tenant then. Waits for nothing when the model is `offline/`.
        What was published counts within seconds.
        """
        ...
