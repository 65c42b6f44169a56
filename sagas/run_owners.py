"""Whose run it is: the person behind the credential that began it, or the run above it.

An API key never changes hands, so what was found once is kept.
"""

from collections import OrderedDict
from uuid import UUID

from commands.ports import EventStore
from domain.credentials import ApiKey
from domain.identifiers import TenantId

OWNERS_MAX = 10_000


class RunOwners:
    def __init__(self, events: EventStore) -> None:
        self._events = events
        self._known: OrderedDict[tuple[TenantId, str], UUID | None] = OrderedDict()

    async def owner_of(self, tenant_id: TenantId, created_by: str) -> UUID | None:
        """created_by: as the run has it. None: nobody in particular. Raises Unavailable."""
        kind, _, name = created_by.partition(":")
        if kind == "user":
            return uuid_or_none(name)
        key_id = uuid_or_none(name) if kind == "api_key" else None
        if key_id is None:
            return None
        known = (tenant_id, created_by)
        if known not in self._known:
            self._known[known] = await self._of_key(tenant_id, key_id)
            if len(self._known) > OWNERS_MAX:
                self._known.popitem(last=False)
        return self._known[known]

    async def _of_key(self, tenant_id: TenantId, key_id: UUID) -> UUID | None:
        key = await self._events.load(ApiKey, key_id, tenant_id)
        if key is None:
            return None
        self._events.keep(key, tenant_id)
        return uuid_or_none(key.user_id or "")


def uuid_or_none(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
