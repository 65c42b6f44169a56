"""Accounts: whose password is kept, and which of their sessions are alive."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import LiteralString
from uuid import UUID

from commands.login_port import Account
from domain.identifiers import TenantId
from infra.postgres import Database

# Of one address; somebody with more says which tenant.
ACCOUNTS_MAX = 5
SESSIONS_MAX = 200

# fmt: off
OF_EMAIL: LiteralString = (
    "SELECT tenant_id, user_id, password_hash, has_second_factor"
    " FROM login_accounts(%s, %s, %s, %s)"
)
OF_USER: LiteralString = (
    "SELECT p.tenant_id, p.user_id, p.password_hash,"
    "  EXISTS (SELECT FROM second_factors AS f WHERE f.tenant_id = p.tenant_id"
    "   AND f.user_id = p.user_id AND f.confirmed_at IS NOT NULL)"
    " FROM passwords AS p WHERE p.tenant_id = %s AND p.user_id = %s"
)
REHASH: LiteralString = (
    "UPDATE passwords SET password_hash = %s"
    " WHERE tenant_id = %s AND user_id = %s AND password_hash = %s"
)
ALIVE: LiteralString = (
    "SELECT session_id FROM sessions WHERE tenant_id = %s AND user_id = %s"
    " AND ended_at IS NULL AND expires_at > %s ORDER BY session_id DESC LIMIT %s"
)
ALIVE_OF_PROVIDER: LiteralString = (
    "SELECT session_id FROM sessions WHERE tenant_id = %s AND provider_id = %s"
    " AND ended_at IS NULL AND expires_at > %s ORDER BY session_id DESC LIMIT %s"
)
FIND_RESET: LiteralString = (
    "SELECT user_id, expires_at FROM reset_tokens WHERE tenant_id = %s AND token_hash = %s"
)
TAKE_RESET: LiteralString = (
    "DELETE FROM reset_tokens WHERE tenant_id = %s AND token_hash = %s"
    " RETURNING user_id, expires_at"
)
# fmt: on


class PostgresAccounts:
    """Implements commands.login_port.Accounts. database: the role `api`. email_hash: of
    infra/users.py.
    """

    def __init__(self, database: Database, email_hash: Callable[[str], bytes]) -> None:
        self._database = database
        self._email_hash = email_hash

    async def of_email(self, email: str, tenant_id: TenantId | None) -> Sequence[Account]:
        wanted = (self._email_hash(email), email.casefold(), tenant_id, ACCOUNTS_MAX)
        async with self._database.connection() as conn:
            rows = await (await conn.execute(OF_EMAIL, wanted)).fetchall()
        return [Account(TenantId(row[0]), *row[1:]) for row in rows]

    async def of_user(self, tenant_id: TenantId, user_id: UUID) -> Account | None:
        async with self._database.tenant_transaction(tenant_id) as conn:
            row = await (await conn.execute(OF_USER, (tenant_id, user_id))).fetchone()
        return None if row is None else Account(TenantId(row[0]), *row[1:])

    async def rehashed(self, account: Account, password_hash: str) -> None:
        async with self._database.tenant_transaction(account.tenant_id) as conn:
            old = (account.tenant_id, account.user_id, account.password_hash)
            await conn.execute(REHASH, (password_hash, *old))

    async def alive_sessions(
        self, tenant_id: TenantId, user_id: UUID, now: datetime
    ) -> Sequence[UUID]:
        async with self._database.tenant_transaction(tenant_id) as conn:
            cursor = await conn.execute(ALIVE, (tenant_id, user_id, now, SESSIONS_MAX))
            return [row[0] for row in await cursor.fetchall()]

    async def alive_sessions_of_provider(
        self, tenant_id: TenantId, provider_id: UUID, now: datetime, limit: int
    ) -> Sequence[UUID]:
        asked = (tenant_id, provider_id, now, limit)
        async with self._database.tenant_transaction(tenant_id) as conn:
            return [
                row[0] for row in await (await conn.execute(ALIVE_OF_PROVIDER, asked)).fetchall()
            ]

    async def reset_token_of(
        self, tenant_id: TenantId, token_hash: bytes, now: datetime
    ) -> UUID | None:
        return await self._reset_token(FIND_RESET, tenant_id, token_hash, now)

    async def take_reset_token(
        self, tenant_id: TenantId, token_hash: bytes, now: datetime
    ) -> UUID | None:
        return await self._reset_token(TAKE_RESET, tenant_id, token_hash, now)

    async def _reset_token(
        self, statement: LiteralString, tenant_id: TenantId, token_hash: bytes, now: datetime
    ) -> UUID | None:
        async with self._database.tenant_transaction(tenant_id) as conn:
            row = await (await conn.execute(statement, (tenant_id, token_hash))).fetchone()
        return row[0] if row is not None and row[1] > now else None
