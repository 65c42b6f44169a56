"""One account whose address is known, and the sessions in the rows of a store in memory."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from commands.login_port import Account, EndedSession, StoredSession
from domain.identifiers import TenantId
from tests.commands.fake_users import StoreOfRows

EMAIL = "ada@example.com"
RESET_TOKEN = "alp_reset"


class FakeAccounts:
    """accounts: of the one address that is known. Sessions are those in the store."""

    def __init__(self, store: StoreOfRows) -> None:
        self.accounts: list[Account] = []
        self._store = store

    async def of_email(self, email: str, tenant_id: TenantId | None) -> Sequence[Account]:
        if email.casefold() != EMAIL:
            return []
        return [one for one in self.accounts if tenant_id in {None, one.tenant_id}]

    async def of_user(self, tenant_id: TenantId, user_id: UUID) -> Account | None:
        wanted = (tenant_id, user_id)
        return next((a for a in self.accounts if (a.tenant_id, a.user_id) == wanted), None)

    async def rehashed(self, account: Account, password_hash: str) -> None: ...

    async def alive_sessions(
        self, tenant_id: TenantId, user_id: UUID, now: datetime
    ) -> Sequence[UUID]:
        del now
        rows = [row for owner, row in self._store.owned_side_rows if owner == tenant_id]
        ended = {row.session_id for row in rows if isinstance(row, EndedSession)}
        begun = [row for row in rows if isinstance(row, StoredSession) and row.user_id == user_id]
        return [row.session_id for row in reversed(begun) if row.session_id not in ended]

    async def alive_sessions_of_provider(
        self, tenant_id: TenantId, provider_id: UUID, now: datetime, limit: int
    ) -> Sequence[UUID]:
        del now
        rows = [row for owner, row in self._store.owned_side_rows if owner == tenant_id]
        ended = {row.session_id for row in rows if isinstance(row, EndedSession)}
        begun = [row for row in rows if isinstance(row, StoredSession)]
        alive = [row.session_id for row in begun if row.provider_id == provider_id]
        return [one for one in reversed(alive) if one not in ended][:limit]

    async def reset_token_of(
        self, tenant_id: TenantId, token_hash: bytes, now: datetime
    ) -> UUID | None:
        return await self.take_reset_token(tenant_id, token_hash, now)

    async def take_reset_token(
        self, tenant_id: TenantId, token_hash: bytes, now: datetime
    ) -> UUID | None:
        del tenant_id, now
        is_known = token_hash == RESET_TOKEN.encode() and self.accounts
        return self.accounts[0].user_id if is_known else None
