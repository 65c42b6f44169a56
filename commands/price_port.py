"""The port of prices: what holds for a tenant at an instant."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from domain.identifiers import TenantId
from domain.rating import PriceSource


@dataclass(frozen=True, slots=True)
class PublishedPrices:
    """A row beside the events: this book has a new version, for whoever keeps books in memory."""

    book_id: UUID
    book_version: int


class Prices(Protocol):
    async def sources(self, tenant_id: TenantId, model: str, at: datetime) -> Sequence[PriceSource]:
        """The most special first. Waits for nothing when the model is `offline/`. What was
        published counts within seconds.
        """
        ...
