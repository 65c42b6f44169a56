"""Logins on their way to a provider and back.

    state   = base64url(<tenant id: 16 bytes><32 random bytes>)  in URLs; its hash in the table
    browser = base64url(<32 random bytes>)                       in a cookie; its hash in the table
    nonce, code verifier = HMAC-SHA256(browser, <what for><state>)                         nowhere

So neither the table, nor a log of URLs, nor another browser has what it takes to finish a login. An
application that picks one up has a code of the same form, and the verifier of its challenge.
"""

import hashlib
import hmac
import re
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from datetime import timedelta
from typing import LiteralString
from uuid import UUID

from psycopg import AsyncConnection

from commands.authorization import Whose
from commands.oauth_port import Attempt, Begun, LoginRefused, Pending
from commands.ports import Clock
from domain.identifiers import TenantId
from infra.postgres import Database

ATTEMPT_LIFETIME = timedelta(minutes=10)
CODE_LIFETIME = timedelta(seconds=60)
# Of those that nobody came back for, with each that begins.
EXPIRED_REMOVED_MAX = 100
RANDOM_BYTES = 32
TENANT_BYTES = 16
# Of base64, as many as hold the tenant's bytes.
TENANT_CHARACTERS = 24

_STATE = re.compile(r"[A-Za-z0-9_-]{64}")
_SECRET = re.compile(r"[A-Za-z0-9_-]{43}")
_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")

BEGIN: LiteralString = """
INSERT INTO oauth_attempts (tenant_id, state_hash, browser_hash, provider_id, user_id, return_to,
                            code_challenge, expires_at)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s)
"""
FINISH: LiteralString = """
DELETE FROM oauth_attempts WHERE tenant_id = %s AND state_hash = %s
RETURNING browser_hash, provider_id, user_id, return_to, code_challenge, expires_at
"""
KEEP: LiteralString = """
INSERT INTO oauth_codes (tenant_id, code_hash, user_id, code_challenge, expires_at, factors)
VALUES (%s, %s, %s, %s, %s, %s)
"""
PICK_UP: LiteralString = """
DELETE FROM oauth_codes WHERE tenant_id = %s AND code_hash = %s
RETURNING user_id, code_challenge, expires_at, factors
"""
REMOVE_EXPIRED_ATTEMPTS: LiteralString = """
DELETE FROM oauth_attempts WHERE tenant_id = %(tenant_id)s AND state_hash IN (
  SELECT state_hash FROM oauth_attempts
   WHERE tenant_id = %(tenant_id)s AND expires_at < %(now)s LIMIT %(limit)s)
"""
REMOVE_EXPIRED_CODES: LiteralString = """
DELETE FROM oauth_codes WHERE tenant_id = %(tenant_id)s AND code_hash IN (
  SELECT code_hash FROM oauth_codes
   WHERE tenant_id = %(tenant_id)s AND expires_at < %(now)s LIMIT %(limit)s)
"""


class PostgresOAuthAttempts:
    """Implements commands.oauth_port.OAuthAttempts. database: of the role api."""

    def __init__(self, database: Database, clock: Clock, *, redirect_uri: str) -> None:
        self._database = database
        self._clock = clock
        self._redirect_uri = redirect_uri

    async def begin(self, tenant_id: TenantId, pending: Pending) -> Begun:
        state, browser_secret = _new_state(tenant_id), _text(secrets.token_bytes(RANDOM_BYTES))
        values = (
            *(tenant_id, _hash(state), _hash(browser_secret)),
            *(pending.provider_id, pending.user_id, pending.return_to, pending.code_challenge),
            self._clock.now() + ATTEMPT_LIFETIME,
        )
        async with self._database.tenant_transaction(tenant_id) as conn:
            await self._remove_expired(conn, REMOVE_EXPIRED_ATTEMPTS, tenant_id)
            await conn.execute(BEGIN, values)
        return Begun(self._attempt(state, browser_secret), browser_secret)

    def tenant_of(self, state: str) -> TenantId | None:
        if _STATE.fullmatch(state) is None:
            return None
        return TenantId(UUID(bytes=urlsafe_b64decode(state[:TENANT_CHARACTERS])[:TENANT_BYTES]))

    async def finish(
        self, tenant_id: TenantId, state: str, browser_secret: str | None
    ) -> tuple[Pending, Attempt]:
        async with self._database.tenant_transaction(tenant_id) as conn:
            row = await (await conn.execute(FINISH, (tenant_id, _hash(state)))).fetchone()
        if row is None:
            raise LoginRefused("the state is unknown, or was used before")
        browser_hash, provider_id, user_id, return_to, code_challenge, expires_at = row
        whose = (Whose(tenant_id, f"identity_provider:{provider_id}"),)
        if expires_at <= self._clock.now():
            raise LoginRefused("the login took too long", whose, return_to)
        if browser_secret is None or _SECRET.fullmatch(browser_secret) is None:
            raise LoginRefused("the browser is not the one that began", whose, return_to)
        if not hmac.compare_digest(bytes(browser_hash), _hash(browser_secret)):
            raise LoginRefused("the browser is not the one that began", whose, return_to)
        pending = Pending(provider_id, user_id, return_to, code_challenge)
        return pending, self._attempt(state, browser_secret)

    async def keep_login(
        self, tenant_id: TenantId, user_id: UUID, factors: Sequence[str], *, code_challenge: str
    ) -> str:
        code = _new_state(tenant_id)
        expires_at = self._clock.now() + CODE_LIFETIME
        async with self._database.tenant_transaction(tenant_id) as conn:
            await self._remove_expired(conn, REMOVE_EXPIRED_CODES, tenant_id)
            told = (user_id, code_challenge, expires_at, list(factors))
            await conn.execute(KEEP, (tenant_id, _hash(code), *told))
        return code

    async def pick_up(
        self, tenant_id: TenantId, code: str, code_verifier: str
    ) -> tuple[UUID, Sequence[str]]:
        async with self._database.tenant_transaction(tenant_id) as conn:
            row = await (await conn.execute(PICK_UP, (tenant_id, _hash(code)))).fetchone()
        if row is None:
            raise LoginRefused("the code is unknown, or was used before")
        user_id, code_challenge, expires_at, factors = row
        whose = (Whose(tenant_id, f"user:{user_id}"),)
        if expires_at <= self._clock.now():
            raise LoginRefused("the code was picked up too late", whose)
        if _VERIFIER.fullmatch(code_verifier) is None:
            raise LoginRefused("the code verifier cannot be one", whose)
        answer = _text(_hash(code_verifier))
        if not hmac.compare_digest(answer, code_challenge):
            raise LoginRefused("the code verifier is another", whose)
        return user_id, factors

    async def _remove_expired(
        self, conn: AsyncConnection, statement: LiteralString, tenant_id: TenantId
    ) -> None:
        told = {"tenant_id": tenant_id, "now": self._clock.now(), "limit": EXPIRED_REMOVED_MAX}
        await conn.execute(statement, told)

    def _attempt(self, state: str, browser_secret: str) -> Attempt:
        def made_for(purpose: str) -> str:
            message = f"agentledger:oauth:{purpose}:{state}".encode()
            return _text(hmac.digest(browser_secret.encode(), message, hashlib.sha256))

        return Attempt(self._redirect_uri, state, made_for("nonce"), made_for("verifier"))


def _new_state(tenant_id: TenantId) -> str:
    return _text(tenant_id.bytes + secrets.token_bytes(RANDOM_BYTES))


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def _text(raw: bytes) -> str:
    return urlsafe_b64encode(raw).decode().rstrip("=")
