"""Whose an access token is, and whether its session is alive.

Both are remembered for a few seconds, and forgotten at once when the tail of the log, or a
neighbour in this process, tells that the session ended.
"""

from collections.abc import Callable
from typing import LiteralString
from uuid import UUID

from commands.ports import Clock
from infra.access_tokens import EXPIRED, AccessClaims, SignedAccessTokens, refused_token
from infra.caller_memory import CallerMemory
from infra.postgres import Database

IS_ALIVE: LiteralString = (
    "SELECT EXISTS (SELECT FROM sessions WHERE tenant_id = %s AND session_id = %s"
    " AND user_id = %s AND ended_at IS NULL AND expires_at > %s)"
)


class SessionTokens:
    """database: the role `api`. monotonic_s: a clock that never jumps."""

    def __init__(
        self,
        database: Database,
        tokens: SignedAccessTokens,
        clock: Clock,
        *,
        monotonic_s: Callable[[], float],
    ) -> None:
        self._database = database
        self._tokens = tokens
        self._clock = clock
        self._memory = CallerMemory[AccessClaims](monotonic_s)

    async def verified(self, text: str) -> AccessClaims:
        """Raises BadToken."""
        remembered = self._memory.recall(text)
        if remembered is not None:
            if remembered.expires_at_s <= self._clock.now().timestamp():
                raise refused_token(remembered.tenant_id, remembered.user_id, EXPIRED)
            return remembered
        claims = await self._tokens.verify(text)
        with self._memory.looking_up() as forgotten:
            await self._require_alive(claims)
            self._memory.remember(text, claims, streams=(claims.session_id,), forgotten=forgotten)
        return claims

    def forget(self, session_id: UUID) -> None:
        """It may have ended; its tokens are looked up again."""
        self._memory.forget(session_id)

    async def _require_alive(self, claims: AccessClaims) -> None:
        session = (claims.tenant_id, claims.session_id, claims.user_id)
        async with self._database.tenant_transaction(claims.tenant_id) as conn:
            row = await (await conn.execute(IS_ALIVE, (*session, self._clock.now()))).fetchone()
        if row is None or not row[0]:
            raise refused_token(claims.tenant_id, claims.user_id, "the session is over")
