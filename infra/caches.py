"""What is read often and changes seldom, in two levels: this process's memory, and, where one is
set, a server that speaks the Redis protocol and is shared by all.

    get ──► first level (infra/lru.py) ──► second (infra/shared_cache.py) ──► whoever has the truth

Only what can be read again is kept here. In the second level a value lies under its tenant's name,
sealed with its tenant's key: a value of somebody else's making is no value, and none can be read
after its tenant's key is destroyed.
"""

from collections.abc import Callable
from typing import Protocol

from commands.sealing_port import KeyDestroyed, Tampered
from domain.identifiers import TenantId
from infra.data_keys import DataKeys
from infra.lru import Lru

# Part of every key: values of another shape are never read.
SCHEMA_VERSION = 1
PURPOSE = "caches"
FIRST, SECOND = "l1", "l2"


class SecondLevel(Protocol):
    """Says None, and keeps nothing, when it cannot be reached; never raises, never waits long."""

    async def get(self, key: str) -> bytes | None: ...

    async def put(self, key: str, value: bytes) -> None: ...


class Cache:
    """name: of what is kept. asked: told the name, the level, and whether it had the value."""

    def __init__(
        self,
        name: str,
        first: Lru[str],
        second: SecondLevel | None,
        keys: DataKeys,
        *,
        asked: Callable[[str, str, bool], None],
    ) -> None:
        self._name = name
        self._first = first
        self._second = second
        self._keys = keys
        self._asked = asked

    async def get(self, tenant_id: TenantId, key: str) -> bytes | None:
        value = self._first.get(tenant_id, key)
        self._asked(self._name, FIRST, value is not None)
        if value is None and self._second is not None:
            value = await self._get_second(self._second, tenant_id, key)
            self._asked(self._name, SECOND, value is not None)
            if value is not None:
                self._first.put(tenant_id, key, value)
        return value

    async def put(self, tenant_id: TenantId, key: str, value: bytes) -> None:
        self._first.put(tenant_id, key, value)
        if self._second is None:
            return
        name = self._shared_name(tenant_id, key)
        try:
            sealed = await self._keys.seal(tenant_id, PURPOSE, value, name)
        except KeyDestroyed:
            return
        await self._second.put(name, sealed)

    def forget_tenant(self, tenant_id: TenantId) -> None:
        """In this process. What all share ends with the tenant's key."""
        self._first.forget_tenant(tenant_id)

    async def _get_second(self, second: SecondLevel, tenant_id: TenantId, key: str) -> bytes | None:
        name = self._shared_name(tenant_id, key)
        sealed = await second.get(name)
        if sealed is None:
            return None
        try:
            return await self._keys.open(tenant_id, PURPOSE, sealed, name)
        except (KeyDestroyed, Tampered):
            return None

    def _shared_name(self, tenant_id: TenantId, key: str) -> str:
        return f"agentledger:{SCHEMA_VERSION}:{tenant_id}:{self._name}:{key}"
