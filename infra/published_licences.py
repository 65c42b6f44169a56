"""What is published of licences: the documents, the public keys of an issuer, and the list of what
it has revoked. Each issuer has keys of its own, sealed for its tenant, so that nobody can sign for
another, and all end with the tenant.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import LiteralString
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from joserfc.jwk import OKPKey

from commands.licence_port import IssuerNotFound
from commands.ports import Clock, EventStore, Ids
from domain.identifiers import JsonObject, TenantId
from domain.licences import Licence, LicenceNotFound, LicenceRevoked, licence_claims
from infra.data_keys import DataKeys
from infra.licence_documents import LICENCE_TYPE, REVOCATIONS_TYPE, signed
from infra.postgres import Database
from infra.seal_keys import SealKey

PURPOSE = "licence_key"
KEYS_MAX = 100
REVOKED_MAX = 10_000
# How long a list may be relied on: whoever withholds newer ones gains no more than this.
LIST_LIFE = timedelta(days=7)

# fmt: off
KEYS: LiteralString = (
    "SELECT key_id, public_key, made_at FROM licence_keys ORDER BY made_at DESC, key_id DESC"
    " LIMIT %s"
)
PRIVATE: LiteralString = "SELECT sealed_private FROM licence_keys WHERE key_id = %s"
KEEP: LiteralString = (
    "INSERT INTO licence_keys (tenant_id, key_id, public_key, sealed_private, made_at)"
    " VALUES (%s, %s, %s, %s, %s)"
)
NUMBER: LiteralString = "SELECT coalesce(max(number), 0) FROM licence_revocations"
REVOKED: LiteralString = (
    "SELECT licence_id, serial, revoked_at FROM licence_revocations WHERE until > %s"
    " ORDER BY number DESC LIMIT %s"
)
# fmt: on


class PublishedLicences:
    """Implements commands.licence_port.LicencePublications. database: the role `api`."""

    def __init__(
        self, database: Database, events: EventStore, data_keys: DataKeys, *, clock: Clock, ids: Ids
    ) -> None:
        self._database = database
        self._events = events
        self._data_keys = data_keys
        self._clock = clock
        self._ids = ids

    async def document(self, issuer_id: TenantId, licence_id: UUID) -> str:
        """The newest. Raises LicenceNotFound, LicenceRevoked."""
        licence = await self._events.load(Licence, licence_id, issuer_id)
        if licence is None:
            raise LicenceNotFound
        claims, is_revoked = licence_claims(licence, issuer_id), licence.is_revoked
        self._events.keep(licence, issuer_id)
        if is_revoked:
            raise LicenceRevoked
        return await self._signed(issuer_id, LICENCE_TYPE, claims)

    async def keys(self, issuer_id: TenantId) -> JsonObject:
        """The public halves (RFC 7517), the newest first. Raises IssuerNotFound."""
        keys = await self._keys(issuer_id)
        if not keys:
            raise IssuerNotFound
        return {"issuer_id": str(issuer_id), "keys": [key.jwk for key in keys]}

    async def revocations(self, issuer_id: TenantId) -> str:
        """The signed list, as of now. Raises IssuerNotFound."""
        if not await self._keys(issuer_id):
            raise IssuerNotFound
        now = self._clock.now()
        async with self._database.tenant_transaction(issuer_id) as conn:
            row = await (await conn.execute(NUMBER)).fetchone()
            revoked = await (await conn.execute(REVOKED, (now, REVOKED_MAX))).fetchall()
        claims: JsonObject = {
            "iss": str(issuer_id),
            "number": 0 if row is None else int(row[0]),
            "iat": int(now.timestamp()),
            "exp": int((now + LIST_LIFE).timestamp()),
            "revoked": [
                {"licence_id": str(licence_id), "serial": serial, "at": _seconds(at)}
                for licence_id, serial, at in revoked
            ],
        }
        return await self._signed(issuer_id, REVOCATIONS_TYPE, claims)

    async def _keys(self, issuer_id: TenantId) -> Sequence[SealKey]:
        async with self._database.tenant_transaction(issuer_id) as conn:
            rows = await (await conn.execute(KEYS, (KEYS_MAX,))).fetchall()
        return [
            SealKey(key_id, Ed25519PublicKey.from_public_bytes(bytes(public)), made_at)
            for key_id, public, made_at in rows
        ]

    async def _signed(self, issuer_id: TenantId, kind: str, claims: JsonObject) -> str:
        """With the newest key of the issuer, or with its first."""
        keys = await self._keys(issuer_id)
        key_id = keys[0].key_id if keys else await self._made(issuer_id)
        async with self._database.tenant_transaction(issuer_id) as conn:
            found = await (await conn.execute(PRIVATE, (key_id,))).fetchone()
        assert found is not None
        raw = await self._data_keys.open(issuer_id, PURPOSE, bytes(found[0]), key_id)
        private = Ed25519PrivateKey.from_private_bytes(raw)
        return signed(kind, claims, OKPKey.import_key(private, {"kid": key_id}))

    async def _made(self, issuer_id: TenantId) -> str:
        """Two at a time make two, and both are published."""
        key_id, private = self._ids.new().hex, Ed25519PrivateKey.generate()
        sealed = await self._data_keys.seal(issuer_id, PURPOSE, private.private_bytes_raw(), key_id)
        public = private.public_key().public_bytes_raw()
        async with self._database.tenant_transaction(issuer_id) as conn:
            await conn.execute(KEEP, (issuer_id, key_id, public, sealed, self._clock.now()))
        return key_id


def _seconds(instant: datetime) -> int:
    return int(instant.timestamp())
