"""The keys that wrap data keys, derived from the master key.

    master key --scrypt(salt, N, r, p of the version)--> key of the version --> wraps data keys

scrypt takes 128 N r bytes and a good part of a second, so each version is derived once in a
process, in a thread, and kept.
"""

import asyncio
import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import LiteralString, NamedTuple
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from commands.sealing_port import Tampered
from domain.errors import Unavailable
from domain.identifiers import TenantId
from infra.postgres import Database
from infra.sealing import IV_BYTES, KEY_BYTES, TAG_BYTES

SALT_BYTES = 32
SCRYPT_R = 8
SCRYPT_P = 1
# What scrypt may take beside its 128 N r bytes.
SCRYPT_SLACK_BYTES = 1 << 20

KNOWN: LiteralString = "SELECT * FROM known_key_encryption_keys()"
KEEP_FIRST: LiteralString = "SELECT keep_first_key_encryption_key(%s, %s, %s, %s, %s, %s)"


class WrongMasterKey(Unavailable):
    """AGENTLEDGER_MASTER_KEY is not the key that the data keys of this database are wrapped by."""


# The subject that stands for the tenant itself.
WHOLE_TENANT = UUID(int=0)


class Scope(NamedTuple):
    """What one data key seals: a tenant, or what is of one data subject in it."""

    tenant_id: TenantId
    subject_id: UUID = WHOLE_TENANT

    @property
    def key_id(self) -> UUID:
        return self.tenant_id if self.subject_id == WHOLE_TENANT else self.subject_id


class WrappedKey(NamedTuple):
    encrypted_key: bytes
    iv: bytes
    auth_tag: bytes
    key_version: int


@dataclass(frozen=True, slots=True)
class Derivation:
    """How the key of a version comes from a master key, and the seal that tells whether from this
    one.
    """

    key_version: int
    salt: bytes
    scrypt_n: int
    scrypt_r: int
    scrypt_p: int
    iv: bytes
    auth_tag: bytes

    def derived(self, master_key: str) -> AESGCM | None:
        """The key, or None when it was made from another master key. Slow."""
        key = scrypt_key(master_key, self.salt, n=self.scrypt_n, r=self.scrypt_r, p=self.scrypt_p)
        try:
            key.decrypt(self.iv, self.auth_tag, _check_context(self.key_version))
        except InvalidTag:
            return None
        return key


def scrypt_key(master_key: str, salt: bytes, *, n: int, r: int, p: int) -> AESGCM:
    """Slow, and as large as N and r say."""
    memory_bytes = 128 * n * r * p + SCRYPT_SLACK_BYTES
    return AESGCM(
        hashlib.scrypt(
            master_key.encode(), salt=salt, n=n, r=r, p=p, maxmem=memory_bytes, dklen=KEY_BYTES
        )
    )


def new_derivation(master_key: str, key_version: int, *, scrypt_n: int) -> Derivation:
    """Slow."""
    salt, iv = os.urandom(SALT_BYTES), os.urandom(IV_BYTES)
    key = scrypt_key(master_key, salt, n=scrypt_n, r=SCRYPT_R, p=SCRYPT_P)
    tag = key.encrypt(iv, b"", _check_context(key_version))
    return Derivation(key_version, salt, scrypt_n, SCRYPT_R, SCRYPT_P, iv, tag)


def wrap(key: AESGCM, data_key: bytes, scope: Scope, key_version: int) -> WrappedKey:
    iv = os.urandom(IV_BYTES)
    sealed = key.encrypt(iv, data_key, _wrap_context(scope, key_version))
    return WrappedKey(sealed[:-TAG_BYTES], iv, sealed[-TAG_BYTES:], key_version)


def unwrap(key: AESGCM, wrapped: WrappedKey, scope: Scope) -> bytes:
    """Raises Tampered."""
    context = _wrap_context(scope, wrapped.key_version)
    if len(wrapped.iv) != IV_BYTES or len(wrapped.auth_tag) != TAG_BYTES:
        raise Tampered
    try:
        return key.decrypt(wrapped.iv, wrapped.encrypted_key + wrapped.auth_tag, context)
    except InvalidTag:
        raise Tampered from None


def _check_context(key_version: int) -> bytes:
    return b"agentledger:key-encryption-key:" + key_version.to_bytes(4)


def _wrap_context(scope: Scope, key_version: int) -> bytes:
    """The first keys were of tenants only; theirs is as it was."""
    subject = b"" if scope.subject_id == WHOLE_TENANT else b":" + scope.subject_id.bytes
    return b"agentledger:data-key:" + scope.tenant_id.bytes + key_version.to_bytes(4) + subject


class KeyEncryption:
    """master_keys: the present one, and while it is being changed the previous one. scrypt_n: for
    the first key of an installation; every other says its own.
    """

    def __init__(self, database: Database, master_keys: Sequence[str], *, scrypt_n: int) -> None:
        self._database = database
        self._master_keys = master_keys
        self._scrypt_n = scrypt_n
        self._keys: dict[int, AESGCM] = {}
        self._deriving = asyncio.Lock()

    async def key(self, key_version: int) -> AESGCM:
        """Raises WrongMasterKey, also for a version that is gone."""
        if key_version not in self._keys:
            await self._learn(key_version)
        return self._keys[key_version]

    async def newest(self) -> tuple[int, AESGCM]:
        """What new data keys are wrapped by: the newest that our master keys make."""
        derivations = await self._known()
        for derivation in reversed(derivations):
            try:
                return derivation.key_version, await self.key(derivation.key_version)
            except WrongMasterKey:
                continue
        raise WrongMasterKey

    async def _learn(self, key_version: int) -> None:
        async with self._deriving:
            if key_version in self._keys:
                return
            for derivation in await self._known():
                if derivation.key_version == key_version:
                    self._keys[key_version] = await self._derived(derivation)
                    return
        raise WrongMasterKey(f"there is no key of version {key_version} any more")

    async def _derived(self, derivation: Derivation) -> AESGCM:
        for master_key in self._master_keys:
            key = await asyncio.to_thread(derivation.derived, master_key)
            if key is not None:
                return key
        raise WrongMasterKey

    async def _known(self) -> list[Derivation]:
        async with self._database.connection() as conn:
            rows = await (await conn.execute(KNOWN)).fetchall()
            if not rows:
                made = await asyncio.to_thread(
                    new_derivation, self._master_keys[0], 1, scrypt_n=self._scrypt_n
                )
                await conn.execute(
                    KEEP_FIRST,
                    (
                        made.salt,
                        made.scrypt_n,
                        made.scrypt_r,
                        made.scrypt_p,
                        made.iv,
                        made.auth_tag,
                    ),
                )
                rows = await (await conn.execute(KNOWN)).fetchall()
        return [Derivation(*row) for row in rows]
