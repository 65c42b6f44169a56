"""What counting the bytes that tenants keep needs from the world. Adapter: infra/storage.py."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from domain.identifiers import TenantId
from domain.storage_measurements import KeptBytes, LogPlace


class Storage(Protocol):
    async def tenants(self, *, after: TenantId, limit: int) -> Sequence[TenantId]:
        """In the order of their ids."""
        ...

    async def kept(self, tenant_id: TenantId, *, after: LogPlace, before: datetime) -> KeptBytes:
        """Beside the log now; and what came to the log behind a place and before an instant."""
        ...
