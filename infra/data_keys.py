"""The data key of every tenant, and of every data subject in it: made when it is first needed, kept
in memory for a bounded time, and gone for ever once it is destroyed.

    key from the master key (infra/key_encryption.py)
      └─ wraps the data key of a scope: 32 random bytes, one row
           └─ HKDF by purpose: events, snapshots, secrets, ... (infra/sealing.py)

A scope is a tenant, or one data subject in it: a person who works with us (their id is the id of
their User), or somebody whom the tenant named in a run. What is sealed for a subject is sealed for
the tenant too, around it, so it goes with either key.

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
from infra.key_encryption import (
    WHOLE_TENANT,
    KeyEncryption,
    Scope,
    WrappedKey,
    unwrap,
    wrap,
)
from infra.postgres import Database
from infra.sealing import KEY_BYTES, Cipher, Nested, nested_in

KEYS_KEPT_MAX = 10_000
KEYS_KEPT_S = 60.0
# Of one tenant: each value in the vault has a purpose of its own.
CIPHERS_KEPT_MAX = 256
# Somebody else may retire the key that a new one was wrapped by; then it is wrapped again.
MAKE_ATTEMPTS_MAX = 3

KEYS_OF: LiteralString = "SELECT * FROM data_keys_of(%s, %s)"
KEEP: LiteralString = "SELECT keep_data_key(%s, %s, %s, %s, %s, %s)"


class KeyNotMade(Unavailable):
    """The data key of the tenant could not be made; try again."""


class SubjectErased(KeyDestroyed):
    """It was of a data subject who was erased."""


class TenantKey:
    """The key of one tenant, or of a data subject in it, as it was when it was asked for. data_key:
    None once it is destroyed.
    """

    __slots__ = ("_ciphers", "_data_key", "subject_id", "tenant_id", "until_s")

    def __init__(self, scope: Scope, data_key: bytes | None, until_s: float) -> None:
        self.tenant_id, self.subject_id = scope
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
        # By the number of the tenant or of the subject, which no two keys share.
        self._kept: OrderedDict[int, TenantKey] = OrderedDict()
        self._asking: dict[Scope, asyncio.Task[TenantKey]] = {}
        # For each lookup on its way, what was forgotten meanwhile.
        self._forgotten: dict[object, set[UUID]] = {}

    async def seal(
        self, tenant_id: TenantId, purpose: str, plaintext: bytes, bound_to: str
    ) -> bytes:
        cipher = await self.cipher(tenant_id, purpose)
        return cipher.seal(plaintext, bound_to.encode())

    async def open(self, tenant_id: TenantId, purpose: str, sealed: bytes, bound_to: str) -> bytes:
        """What `seal` has sealed, whatever byte it begins with: a key may begin with the mark of
        what is nested.
        """
        return (await self.cipher(tenant_id, purpose)).open(sealed, bound_to.encode())

    async def opened(
        self, tenant_id: TenantId, purpose: str, sealed: bytes, bound_to: bytes
    ) -> bytes:
        """What sealed_for has sealed. Raises KeyDestroyed (SubjectErased), Tampered."""
        plaintext = (await self.cipher(tenant_id, purpose)).open(sealed, bound_to)
        inner = nested_in(plaintext)
        if inner is None:
            return plaintext
        key = await self.of(tenant_id, inner.subject_id)
        if key.is_destroyed:
            raise SubjectErased
        return key.cipher(purpose).open(inner.sealed, bound_to)

    async def seal_for_platform(self, purpose: str, plaintext: bytes, bound_to: str) -> bytes:
        """What belongs to no tenant."""
        return await self.seal(PLATFORM, purpose, plaintext, bound_to)

    async def open_for_platform(self, purpose: str, sealed: bytes, bound_to: str) -> bytes:
        return await self.open(PLATFORM, purpose, sealed, bound_to)

    async def cipher(self, tenant_id: TenantId, purpose: str) -> Cipher:
        """Raises KeyDestroyed."""
        return (self.kept(tenant_id) or await self.of(tenant_id)).cipher(purpose)

    def kept(self, tenant_id: TenantId, subject_id: UUID = WHOLE_TENANT) -> TenantKey | None:
        """Without waiting, if it is in memory; for what is done for every event."""
        # Numbers, because to compare UUIDs is a function of Python's.
        is_whole = subject_id is WHOLE_TENANT or subject_id.int == WHOLE_TENANT.int
        kept = self._kept.get(tenant_id.int if is_whole else subject_id.int)
        if kept is None or kept.until_s <= self._monotonic_s():
            return None
        if kept.tenant_id.int != tenant_id.int:
            return None
        return kept

    async def of(self, tenant_id: TenantId, subject_id: UUID = WHOLE_TENANT) -> TenantKey:
        """However many ask at a time, the database is asked once."""
        kept = self.kept(tenant_id, subject_id)
        if kept is not None:
            return kept
        scope = Scope(tenant_id, subject_id)
        asking = self._asking.get(scope)
        if asking is None:
            asking = self._asking[scope] = asyncio.create_task(self._ask(scope))
        return await asyncio.shield(asking)

    async def _ask(self, scope: Scope) -> TenantKey:
        asking = asyncio.current_task()
        try:
            return (await self._look_up((scope,)))[scope]
        finally:
            if self._asking.get(scope) is asking:
                del self._asking[scope]

    async def of_all(self, scopes: Collection[Scope]) -> Mapping[Scope, TenantKey]:
        """One for each, in no order, read together."""
        keys = {scope: key for scope in scopes if (key := self.kept(*scope))}
        missing = [scope for scope in scopes if scope not in keys]
        return keys | await self._look_up(missing) if missing else keys

    def forget(self, key_id: UUID) -> bool:
        """The key may have been destroyed; its next use is looked up again. Whether it was kept.
        key_id: of a tenant or of a data subject.
        """
        for forgotten in self._forgotten.values():
            forgotten.add(key_id)
        for scope in [scope for scope in self._asking if key_id in scope]:
            del self._asking[scope]
        return self._kept.pop(key_id.int, None) is not None

    async def _look_up(self, scopes: Collection[Scope]) -> dict[Scope, TenantKey]:
        lookup = object()
        forgotten = self._forgotten[lookup] = set[UUID]()
        try:
            found = await self._read_or_make(scopes)
        finally:
            del self._forgotten[lookup]
        until_s = self._monotonic_s() + KEYS_KEPT_S
        looked_up = {scope: TenantKey(scope, key, until_s) for scope, key in found.items()}
        # What was read may be older than a change that was told meanwhile.
        for scope, key in looked_up.items():
            if forgotten.isdisjoint(scope):
                self._kept.pop(scope.key_id.int, None)
                self._kept[scope.key_id.int] = key
        while len(self._kept) > KEYS_KEPT_MAX:
            self._kept.popitem(last=False)
        return looked_up

    async def _read_or_make(self, scopes: Collection[Scope]) -> dict[Scope, bytes | None]:
        found = await self._read(scopes)
        for _ in range(MAKE_ATTEMPTS_MAX):
            missing = [scope for scope in scopes if scope not in found]
            if not missing:
                return found
            await self._make(missing)
            found |= await self._read(missing)
        if found.keys() >= set(scopes):
            return found
        raise KeyNotMade

    async def _read(self, scopes: Collection[Scope]) -> dict[Scope, bytes | None]:
        asked = ([scope.tenant_id for scope in scopes], [scope.subject_id for scope in scopes])
        async with self._database.connection() as conn:
            rows = await (await conn.execute(KEYS_OF, asked)).fetchall()
        found: dict[Scope, bytes | None] = {}
        for tenant_id, subject_id, *wrapped in rows:
            scope = Scope(TenantId(tenant_id), subject_id)
            if wrapped[0] is None:
                found[scope] = None
                continue
            key = WrappedKey(*wrapped)
            wrapped_by = await self._key_encryption.key(key.key_version)
            found[scope] = unwrap(wrapped_by, key, scope)
        return found

    async def _make(self, scopes: Collection[Scope]) -> None:
        """Of two processes that make a key for a scope the database keeps the first, and both read
        it.
        """
        key_version, wrapping = await self._key_encryption.newest()
        rows = [
            (*scope, *wrap(wrapping, os.urandom(KEY_BYTES), scope, key_version)) for scope in scopes
        ]
        async with self._database.connection() as conn:
            await conn.cursor().executemany(KEEP, rows)


def sealed_for(
    key: TenantKey,
    subject_key: TenantKey | None,
    purpose: str,
    plaintext: bytes,
    *,
    bound_to: bytes,
) -> bytes:
    """With the key of the tenant, around what is sealed with the subject's. Raises KeyDestroyed."""
    if subject_key is not None:
        inner = subject_key.cipher(purpose).seal(plaintext, bound_to)
        plaintext = Nested(subject_key.subject_id, inner, b"").joined()
    return key.cipher(purpose).seal(plaintext, bound_to)
