"""The Ed25519 keys that sign access tokens: in PostgreSQL, so that all processes have the same; the
private halves sealed for the platform.

    made ──► signs ──► a newer one signs; verifies for OVERLAP ──► forgotten
                  └──► revoked: counts no more, at once

A new key is made by age, by whichever process notices first, or by `agentledger signing-keys
rotate`. A process that meets an unknown key id looks into the table, at most once a second.
"""

import asyncio
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import LiteralString

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from joserfc.jwk import OKPKey

from commands.ports import Clock, Ids
from domain.errors import Unavailable
from domain.identifiers import JsonObject
from infra.data_keys import DataKeys
from infra.postgres import Database

PURPOSE = "signing_key"
# Longer than any token lives, and than clocks differ.
OVERLAP = timedelta(hours=1)
# What is in memory is read again after so long, so that a revocation is heard of.
KEPT_S = 30.0
RELOAD_PAUSE_S = 1.0
KEYS_READ_MAX = 100

KEY_ID = re.compile(r"[0-9a-f]{32}")

# fmt: off
READ: LiteralString = (
    "SELECT key_id, public_key, sealed_private, made_at FROM signing_keys"
    " WHERE revoked_at IS NULL ORDER BY made_at DESC, key_id DESC LIMIT %s"
)
KEEP: LiteralString = (
    "INSERT INTO signing_keys (key_id, public_key, sealed_private, made_at) VALUES (%s, %s, %s, %s)"
)
REVOKE_OTHERS: LiteralString = (
    "UPDATE signing_keys SET revoked_at = %s WHERE key_id <> %s AND revoked_at IS NULL"
)
# fmt: on


class NoSigningKey(Unavailable):
    """There is no key to sign with yet; try again."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """public: for who verifies. superseded_at: when the next one was made; None for the newest."""

    key_id: str
    public: OKPKey = field(repr=False)
    sealed_private: bytes = field(repr=False)
    made_at: datetime
    superseded_at: datetime | None

    def verifies(self, now: datetime) -> bool:
        return self.superseded_at is None or now < self.superseded_at + OVERLAP


class SigningKeys:
    """database: the role `api`. max_age: of a key that signs."""

    def __init__(
        self,
        database: Database,
        data_keys: DataKeys,
        clock: Clock,
        ids: Ids,
        *,
        max_age: timedelta,
        monotonic_s: Callable[[], float],
    ) -> None:
        self._database = database
        self._data_keys = data_keys
        self._clock = clock
        self._ids = ids
        self._max_age = max_age
        self._monotonic_s = monotonic_s
        self._keys: tuple[SigningKey, ...] = ()
        self._private: dict[str, OKPKey] = {}
        self._read_at_s = -KEPT_S
        self._reading = asyncio.Lock()

    async def signing(self) -> OKPKey:
        """The newest, with its private half; a new one when that is too old."""
        await self._read_if_older(KEPT_S)
        if not self._keys or self._clock.now() - self._keys[0].made_at > self._max_age:
            await self.rotate()
        if not self._keys:
            raise NoSigningKey
        newest = self._keys[0]
        private = self._private.get(newest.key_id)
        if private is None:
            raw = await self._data_keys.open_for_platform(
                PURPOSE, newest.sealed_private, newest.key_id
            )
            private = _private_key(raw, newest.key_id)
            self._private = {newest.key_id: private}
        return private

    async def verifying(self, key_id: str) -> OKPKey | None:
        """The public half of a key that counts, or None."""
        if KEY_ID.fullmatch(key_id) is None:
            return None
        await self._read_if_older(KEPT_S)
        found = self._find(key_id)
        if found is None:
            await self._read_if_older(RELOAD_PAUSE_S)
            found = self._find(key_id)
        return found

    async def published(self) -> Sequence[JsonObject]:
        """All that count, the newest first."""
        await self._read_if_older(KEPT_S)
        if not self._keys:
            await self.signing()
        now = self._clock.now()
        return [_jwk(key) for key in self._keys if key.verifies(now)]

    async def rotate(self, *, revoke_others: bool = False) -> str:
        """Makes a key that signs from now on; its id."""
        key_id = self._ids.new().hex
        private = Ed25519PrivateKey.generate()
        sealed = await self._data_keys.seal_for_platform(
            PURPOSE, private.private_bytes_raw(), key_id
        )
        public = private.public_key().public_bytes_raw()
        now = self._clock.now()
        async with self._database.connection() as conn, conn.transaction():
            await conn.execute(KEEP, (key_id, public, sealed, now))
            if revoke_others:
                await conn.execute(REVOKE_OTHERS, (now, key_id))
        await self._read_if_older(0)
        return key_id

    def _find(self, key_id: str) -> OKPKey | None:
        now = self._clock.now()
        keys = (key.public for key in self._keys if key.key_id == key_id and key.verifies(now))
        return next(keys, None)

    async def _read_if_older(self, age_s: float) -> None:
        """However many ask at a time, the table is read once."""
        asked_s = self._monotonic_s()
        if asked_s - self._read_at_s < age_s:
            return
        async with self._reading:
            if age_s and self._monotonic_s() - self._read_at_s < age_s:
                return
            async with self._database.connection() as conn:
                rows = await (await conn.execute(READ, (KEYS_READ_MAX,))).fetchall()
            self._keys = _keys(rows)
            self._read_at_s = self._monotonic_s()


def _keys(rows: Sequence[tuple[str, bytes, bytes, datetime]]) -> tuple[SigningKey, ...]:
    """rows: the newest first."""
    keys: list[SigningKey] = []
    superseded_at: datetime | None = None
    for key_id, public, sealed, made_at in rows:
        key = _public_key(bytes(public), key_id)
        keys.append(SigningKey(key_id, key, bytes(sealed), made_at, superseded_at))
        superseded_at = made_at
    return tuple(keys)


def _jwk(key: SigningKey) -> JsonObject:
    """RFC 7517 and RFC 8037."""
    return {
        "kty": "OKP",
        "crv": "Ed25519",
        "x": str(key.public.as_dict(private=False)["x"]),
        "kid": key.key_id,
        "alg": "Ed25519",
        "use": "sig",
    }


def _public_key(raw: bytes, key_id: str) -> OKPKey:
    return OKPKey.import_key(Ed25519PublicKey.from_public_bytes(raw), {"kid": key_id})


def _private_key(raw: bytes, key_id: str) -> OKPKey:
    return OKPKey.import_key(Ed25519PrivateKey.from_private_bytes(raw), {"kid": key_id})
