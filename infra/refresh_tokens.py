"""Refresh tokens: opaque, used once each, and known for ever after.

    alr_base64url(<tenant id: 16 bytes><random: 32 bytes>)

The table has their SHA-256 (256 random bits need no slow hash). The tenant is told so that it can
be looked for in that tenant only; a wrong one finds nothing.

A client may lose the answer to a refresh. So for GRACE_S the token that was just used gives the
same successor again, as long as that was not used itself. It was sealed under a key made from the
token, so only who holds that can have it. Any other return of a used token means that two have it.
"""

import hashlib
import os
import re
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import datetime, timedelta
from typing import LiteralString
from uuid import UUID

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from psycopg import AsyncConnection

from commands.authorization import Whose
from commands.login_port import NewRefreshToken, Reused, Rotated
from domain.identifiers import TenantId
from infra.postgres import Database

GRACE_S = 10.0
PREFIX = "alr_"
TENANT_BYTES = 16
RANDOM_BYTES = 32
NONCE_BYTES = 12

_TOKEN = re.compile(rf"{PREFIX}[A-Za-z0-9_-]{{64}}")

# fmt: off
USE: LiteralString = (
    "UPDATE refresh_tokens AS t SET used_at = %(now)s, successor_hash = %(successor_hash)s,"
    "  sealed_successor = %(sealed_successor)s"
    " FROM sessions AS s"
    " WHERE t.tenant_id = %(tenant_id)s AND t.token_hash = %(token_hash)s"
    "  AND t.used_at IS NULL AND t.expires_at > %(now)s"
    "  AND s.tenant_id = t.tenant_id AND s.session_id = t.session_id"
    "  AND s.ended_at IS NULL AND s.expires_at > %(now)s"
    " RETURNING s.user_id, s.session_id, s.expires_at"
)
STORE: LiteralString = (
    "INSERT INTO refresh_tokens (tenant_id, token_hash, session_id, expires_at)"
    " VALUES (%s, %s, %s, %s)"
)
TOUCH: LiteralString = (
    "UPDATE sessions SET refreshed_at = %s WHERE tenant_id = %s AND session_id = %s"
)
USED: LiteralString = (
    "SELECT s.user_id, s.session_id, t.used_at, t.sealed_successor,"
    "  EXISTS (SELECT FROM refresh_tokens AS n WHERE n.tenant_id = t.tenant_id"
    "     AND n.token_hash = t.successor_hash AND n.used_at IS NULL)"
    " FROM refresh_tokens AS t"
    " JOIN sessions AS s ON s.tenant_id = t.tenant_id AND s.session_id = t.session_id"
    " WHERE t.tenant_id = %s AND t.token_hash = %s AND t.used_at IS NOT NULL"
    "  AND s.ended_at IS NULL AND s.expires_at > %s"
)
OWNER: LiteralString = (
    "SELECT s.user_id FROM refresh_tokens AS t"
    " JOIN sessions AS s ON s.tenant_id = t.tenant_id AND s.session_id = t.session_id"
    " WHERE t.tenant_id = %s AND t.token_hash = %s"
)
# fmt: on


class PostgresRefreshTokens:
    """Implements commands.login_port.RefreshTokens. database: the role `api`. idle: how long a
    token waits to be used; never beyond the end of its session.
    """

    def __init__(self, database: Database, *, idle: timedelta) -> None:
        self._database = database
        self._idle = idle

    def first(self, tenant_id: TenantId) -> NewRefreshToken:
        random = secrets.token_bytes(RANDOM_BYTES)
        text = PREFIX + urlsafe_b64encode(tenant_id.bytes + random).decode()
        return NewRefreshToken(text, hash_of(text))

    async def owner(self, text: str) -> Whose | None:
        if _TOKEN.fullmatch(text) is None:
            return None
        tenant_id = _tenant_of(text)
        async with self._database.tenant_transaction(tenant_id) as conn:
            row = await (await conn.execute(OWNER, (tenant_id, hash_of(text)))).fetchone()
        return None if row is None else Whose(tenant_id, f"user:{row[0]}")

    async def rotate(self, text: str, now: datetime) -> Rotated | Reused | None:
        if _TOKEN.fullmatch(text) is None:
            return None
        tenant_id = _tenant_of(text)
        successor = self.first(tenant_id)
        async with self._database.tenant_transaction(tenant_id) as conn:
            used = await self._use(conn, tenant_id, text, successor=successor, now=now)
            if used is None:
                return await self._returned(conn, tenant_id, text, now)
            return used

    async def _use(
        self,
        conn: AsyncConnection,
        tenant_id: TenantId,
        text: str,
        *,
        successor: NewRefreshToken,
        now: datetime,
    ) -> Rotated | None:
        cursor = await conn.execute(
            USE,
            {
                "tenant_id": tenant_id,
                "token_hash": hash_of(text),
                "now": now,
                "successor_hash": successor.token_hash,
                "sealed_successor": _sealed(successor.text, text),
            },
        )
        row = await cursor.fetchone()
        if row is None:
            return None
        user_id, session_id, session_expires_at = row
        expires_at = min(now + self._idle, session_expires_at)
        await conn.execute(STORE, (tenant_id, successor.token_hash, session_id, expires_at))
        await conn.execute(TOUCH, (now, tenant_id, session_id))
        return Rotated(tenant_id, user_id, session_id, successor.text)

    async def _returned(
        self, conn: AsyncConnection, tenant_id: TenantId, text: str, now: datetime
    ) -> Rotated | Reused | None:
        row = await (await conn.execute(USED, (tenant_id, hash_of(text), now))).fetchone()
        if row is None:
            return None
        user_id, session_id, used_at, sealed, is_successor_unused = row
        if is_successor_unused and now - used_at <= timedelta(seconds=GRACE_S):
            return Rotated(tenant_id, user_id, session_id, _opened(bytes(sealed), text))
        return Reused(tenant_id, user_id, session_id)


def _tenant_of(text: str) -> TenantId:
    """As the token claims."""
    claimed = urlsafe_b64decode(text.removeprefix(PREFIX))[:TENANT_BYTES]
    return TenantId(UUID(bytes=claimed))


def hash_of(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def _key(text: str) -> AESGCM:
    derivation = HKDF(SHA256(), 32, salt=None, info=b"agentledger:refresh-successor")
    return AESGCM(derivation.derive(text.encode()))


def _sealed(successor: str, text: str) -> bytes:
    nonce = os.urandom(NONCE_BYTES)
    return nonce + _key(text).encrypt(nonce, successor.encode(), None)


def _opened(sealed: bytes, text: str) -> str:
    return _key(text).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], None).decode()
