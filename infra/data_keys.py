"""The data key of every tenant: made when it is first needed, kept in memory for a bounded time,
and gone for ever once it is destroyed.

    key from the master key (infra/key_encryption.py)
      └─ wraps the data key of a tenant: 32 random bytes, one row
           └─ HKDF by purpose: events, snapshots, secrets, ... (infra/sealing.py)

Whoever seals or opens many things asks for the keys of a batch once, and then waits for nothing.
"""

import asyncio
import os
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping
from typing import LiteralString
from uuid import UUID

from commands.sealing_port import KeyDestroyed
from domain.errors import Unavailable
from domain.identifiers import PLATFORM, TenantId
from infra.key_encryption import KeyEncryption, WrappedKey, unwrap, wrap
from infra.postgres import Database
from infra.sealing import KEY_BYTES, Cipher

KEYS_KEPT_MAX = 10_000
KEYS_KEPT_S = 60.0
# Of one tenant: each value in the vault has a purpose of its own.
CIPHERS_KEPT_MAX = 256
# Somebody else may retire the key that a new one was wrapped by; then it is wrapped again.
MAKE_ATTEMPTS_MAX = 3

KEYS_OF: LiteralString = "SELECT * FROM data_keys_of(%s)"
KEEP: LiteralString = "SELECT keep_data_key(%s, %s, %s, %s, %s)"


class KeyNotMade(Unavailable):
    """The data key of the tenant could not be made; try again."""


class TenantKey:
    """The key of one tenant, as it was when it was asked for. data_key: None once it is
    destroyed.
    """

    __slots__ = ("_ciphers", "_data_key", "tenant_id", "until_s")

    def __init__(self, tenant_id: TenantId, data_key: bytes | None, until_s: float) -> None:
        self.tenant_id = tenant_id
        self.until_s = until_s
        self._data_key = data_key
        self._ciphers: dict[str, Cipher] = {}

    @property
    def is_destroyed(self) -> bool:
        return self._data_key is None

    def cipher(self, purpose: str) -> Cipher:
        """Raises KeyDestroyed."""
        cipher = self._ciphers.get(purpose)
        if cipher is None:
            if self._data_key is None:
                raise KeyDestroyed
            if len(self._ciphers) >= CIPHERS_KEPT_MAX:
                self._ciphers.clear()
            cipher = self._ciphers[purpose] = Cipher(self._data_key, self.tenant_id, purpose)
        return cipher


class DataKeys:
    """Implements commands.sealing_port.Sealing. database: a role that may ask for keys (api,
    worker, projector). monotonic_s: a clock that never jumps.
    """

    def __init__(
        self,
        database: Database,
        key_encryption: KeyEncryption,
        *,
        monotonic_s: Callable[[], float],
    ) -> None:
        self._database = database
        self._key_encryption = key_encryption
        self._monotonic_s = monotonic_s
        self._kept: OrderedDict[TenantId, TenantKey] = OrderedDict()
        self._asking: dict[TenantId, asyncio.Task[TenantKey]] = {}
        # For each lookup on its way, what was forgotten meanwhile.
        self._forgotten: dict[object, set[UUID]] = {}

    async def seal(
        self, tenant_id: TenantId, purpose: str, plaintext: bytes, bound_to: str
    ) -> bytes:
        cipher = await self.cipher(tenant_id, purpose)
        return cipher.seal(plaintext, bound_to.encode())

    async def open(self, tenant_id: TenantId, purpose: str, sealed: bytes, bound_to: str) -> bytes:
        cipher = await self.cipher(tenant_id, purpose)
        return cipher.open(sealed, bound_to.encode())

    async def seal_for_platform(self, purpose: str, plaintext: bytes, bound_to: str) -> bytes:
        """What belongs to no tenant."""
        return await self.seal(PLATFORM, purpose, plaintext, bound_to)

    async def open_for_platform(self, purpose: str, sealed: bytes, bound_to: str) -> bytes:
        return await self.open(PLATFORM, purpose, sealed, bound_to)

    async def cipher(self, tenant_id: TenantId, purpose: str) -> Cipher:
        """Raises KeyDestroyed."""
        return (self.kept(tenant_id) or await self.of(tenant_id)).cipher(purpose)

    def kept(self, tenant_id: TenantId) -> TenantKey | None:
        """Without waiting, if it is in memory; for what is done for every event."""
        kept = self._kept.get(tenant_id)
        return None if kept is None or kept.until_s <= self._monotonic_s() else kept

    async def of(self, tenant_id: TenantId) -> TenantKey:
        """However many ask at a time, the database is asked once."""
        kept = self.kept(tenant_id)
        if kept is not None:
            return kept
        asking = self._asking.get(tenant_id)
        if asking is None:
            asking = self._asking[tenant_id] = asyncio.create_task(self._ask(tenant_id))
        return await asyncio.shield(asking)

    async def _ask(self, tenant_id: TenantId) -> TenantKey:
        asking = asyncio.current_task()
        try:
            return (await self._look_up((tenant_id,)))[tenant_id]
        finally:
            if self._asking.get(tenant_id) is asking:
                del self._asking[tenant_id]

    async def of_all(self, tenant_ids: Collection[TenantId]) -> Mapping[TenantId, TenantKey]:
        """One for each tenant, in no order, read together."""
        keys = {tenant_id: key for tenant_id in tenant_ids if (key := self.kept(tenant_id))}
        missing = [tenant_id for tenant_id in tenant_ids if tenant_id not in keys]
        return keys | await self._look_up(missing) if missing else keys

    async def ciphers(
        self, tenant_ids: Collection[TenantId], purpose: str
    ) -> Mapping[TenantId, Cipher | None]:
        """As of_all; None where the key is destroyed."""
        keys = await self.of_all(tenant_ids)
        return {
            tenant_id: None if key.is_destroyed else key.cipher(purpose)
            for tenant_id, key in keys.items()
        }

    def forget(self, tenant_id: UUID) -> bool:
        """The key may have been destroyed; its next use is looked up again. Whether it was kept."""
        for forgotten in self._forgotten.values():
            forgotten.add(tenant_id)
        self._asking.pop(TenantId(tenant_id), None)
        return self._kept.pop(TenantId(tenant_id), None) is not None

    async def _look_up(self, tenant_ids: Collection[TenantId]) -> dict[TenantId, TenantKey]:
        lookup = object()
        forgotten = self._forgotten[lookup] = set[UUID]()
        try:
            found = await self._read_or_make(tenant_ids)
        finally:
            del self._forgotten[lookup]
        until_s = self._monotonic_s() + KEYS_KEPT_S
        looked_up = {
            tenant_id: TenantKey(tenant_id, key, until_s) for tenant_id, key in found.items()
        }
        # What was read may be older than a change that was told meanwhile.
        for tenant_id in looked_up.keys() - forgotten:
            self._kept.pop(tenant_id, None)
            self._kept[tenant_id] = looked_up[tenant_id]
        while len(self._kept) > KEYS_KEPT_MAX:
            self._kept.popitem(last=False)
        return looked_up

    async def _read_or_make(self, tenant_ids: Collection[TenantId]) -> dict[TenantId, bytes | None]:
        found = await self._read(tenant_ids)
        for _ in range(MAKE_ATTEMPTS_MAX):
            missing = [tenant_id for tenant_id in tenant_ids if tenant_id not in found]
            if not missing:
                return found
            await self._make(missing)
            found |= await self._read(missing)
        if found.keys() >= set(tenant_ids):
            return found
        raise KeyNotMade

    async def _read(self, tenant_ids: Collection[TenantId]) -> dict[TenantId, bytes | None]:
        async with self._database.connection() as conn:
            rows = await (await conn.execute(KEYS_OF, (list(tenant_ids),))).fetchall()
        found: dict[TenantId, bytes | None] = {}
        for tenant_id, *wrapped in rows:
            if wrapped[0] is None:
                found[TenantId(tenant_id)] = None
                continue
            key = WrappedKey(*wrapped)
            wrapped_by = await self._key_encryption.key(key.key_version)
            found[TenantId(tenant_id)] = unwrap(wrapped_by, key, tenant_id)
        return found

    async def _make(self, tenant_ids: Collection[TenantId]) -> None:
        """Of two processes that make a key for a tenant the database keeps the first, and both read
        it.
        """
        key_version, wrapping = await self._key_encryption.newest()
        rows = [
            (tenant_id, *wrap(wrapping, os.urandom(KEY_BYTES), tenant_id, key_version))
            for tenant_id in tenant_ids
        ]
        async with self._database.connection() as conn:
            await conn.cursor().executemany(KEEP, rows)
