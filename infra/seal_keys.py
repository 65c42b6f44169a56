"""The Ed25519 keys that sign the seals of the log; the private halves sealed for the platform.

    made ──► signs ──► a newer one signs; verifies for ever

Apart from the keys of access tokens: those are the API's and are forgotten, these belong to who
seals and are kept, for a seal of years ago is verified too.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import LiteralString, NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from joserfc.jwk import OKPKey
from psycopg import AsyncConnection

from commands.ports import Clock, Ids
from domain.identifiers import JsonObject
from infra.data_keys import DataKeys

PURPOSE = "seal_key"
# One a day for thirteen years.
KEYS_READ_MAX = 5000

# fmt: off
NEWEST: LiteralString = (
    "SELECT key_id, public_key, made_at FROM seal_keys"
    " ORDER BY made_at DESC, key_id DESC LIMIT %s"
)
PRIVATE: LiteralString = "SELECT sealed_private FROM seal_keys WHERE key_id = %s"
KEEP: LiteralString = (
    "INSERT INTO seal_keys (key_id, public_key, sealed_private, made_at) VALUES (%s, %s, %s, %s)"
)
# fmt: on


class SealKey(NamedTuple):
    key_id: str
    public: Ed25519PublicKey
    made_at: datetime

    @property
    def jwk(self) -> JsonObject:
        """RFC 7517 and RFC 8037."""
        return {
            "kty": "OKP",
            "crv": "Ed25519",
            "x": str(OKPKey.import_key(self.public).as_dict(private=False)["x"]),
            "kid": self.key_id,
            "alg": "Ed25519",
            "use": "sig",
        }


class SealKeys:
    """max_age: of a key that signs."""

    def __init__(self, data_keys: DataKeys, clock: Clock, ids: Ids, *, max_age: timedelta) -> None:
        self._data_keys = data_keys
        self._clock = clock
        self._ids = ids
        self._max_age = max_age
        self._private: tuple[str, Ed25519PrivateKey] | None = None

    async def signing(self, conn: AsyncConnection) -> tuple[str, Ed25519PrivateKey]:
        """The newest with its id; a new one when that is too old. conn: the role `projector`."""
        newest = await read_keys(conn, limit=1)
        if not newest or self._clock.now() - newest[0].made_at > self._max_age:
            await self.rotate(conn)
            newest = await read_keys(conn, limit=1)
        key_id = newest[0].key_id
        if self._private is None or self._private[0] != key_id:
            row = await (await conn.execute(PRIVATE, (key_id,))).fetchone()
            assert row is not None
            raw = await self._data_keys.open_for_platform(PURPOSE, bytes(row[0]), key_id)
            self._private = key_id, Ed25519PrivateKey.from_private_bytes(raw)
        return self._private

    async def rotate(self, conn: AsyncConnection) -> str:
        """Makes a key that signs from now on; its id."""
        key_id, private = self._ids.new().hex, Ed25519PrivateKey.generate()
        raw = private.private_bytes_raw()
        sealed = await self._data_keys.seal_for_platform(PURPOSE, raw, key_id)
        public = private.public_key().public_bytes_raw()
        await conn.execute(KEEP, (key_id, public, sealed, self._clock.now()))
        return key_id


async def read_keys(conn: AsyncConnection, *, limit: int = KEYS_READ_MAX) -> Sequence[SealKey]:
    """The public halves, the newest first."""
    rows = await (await conn.execute(NEWEST, (limit,))).fetchall()
    return [
        SealKey(key_id, Ed25519PublicKey.from_public_bytes(bytes(public)), made_at)
        for key_id, public, made_at in rows
    ]
