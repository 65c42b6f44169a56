"""Whose an access token is, and whether its session is alive.

Both are remembered for a few seconds, and forgotten at once when the tail of the log, or a
neighbour in this process, tells that the session ended.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import LiteralString
from uuid import UUID

from commands.ports import Clock
from infra.access_tokens import AccessClaims, BadToken, SignedAccessTokens
from infra.postgres import Database

REMEMBERED_MAX = 10_000
REMEMBERED_S = 5.0

IS_ALIVE: LiteralString = (
    "SELECT EXISTS (SELECT FROM sessions WHERE tenant_id = %s AND session_id = %s"
    " AND user_id = %s AND ended_at IS NULL AND expires_at > %s)"
)


@dataclass(frozen=True, slots=True)
class _Remembered:
    claims: AccessClaims
    until_s: float


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
        self._monotonic_s = monotonic_s
        self._remembered: OrderedDict[str, _Remembered] = OrderedDict()
        self._texts: dict[UUID, set[str]] = {}
        # For each lookup on its way, the sessions that were forgotten meanwhile.
        self._forgotten: dict[object, set[UUID]] = {}

    async def verified(self, text: str) -> AccessClaims:
        """Raises BadToken."""
        remembered = self._remembered.get(text)
        if remembered is not None and self._monotonic_s() < remembered.until_s:
            if remembered.claims.expires_at_s <= self._clock.now().timestamp():
                raise BadToken
            return remembered.claims
        claims = await self._tokens.verify(text)
        lookup = object()
        forgotten = self._forgotten[lookup] = set[UUID]()
        try:
            await self._require_alive(claims)
        finally:
            del self._forgotten[lookup]
        # What was read may be older than an end that was told meanwhile.
        if claims.session_id not in forgotten:
            self._remember(text, claims)
        return claims

    def forget(self, session_id: UUID) -> None:
        """It may have ended; its tokens are looked up again."""
        for forgotten in self._forgotten.values():
            forgotten.add(session_id)
        for text in self._texts.pop(session_id, ()):
            self._remembered.pop(text, None)

    async def _require_alive(self, claims: AccessClaims) -> None:
        session = (claims.tenant_id, claims.session_id, claims.user_id)
        async with self._database.tenant_transaction(claims.tenant_id) as conn:
            row = await (await conn.execute(IS_ALIVE, (*session, self._clock.now()))).fetchone()
        if row is None or not row[0]:
            raise BadToken

    def _remember(self, text: str, claims: AccessClaims) -> None:
        self._remembered[text] = _Remembered(claims, self._monotonic_s() + REMEMBERED_S)
        self._texts.setdefault(claims.session_id, set()).add(text)
        if len(self._remembered) > REMEMBERED_MAX:
            dropped_text, dropped = self._remembered.popitem(last=False)
            texts = self._texts.get(dropped.claims.session_id, set())
            texts.discard(dropped_text)
            if not texts:
                self._texts.pop(dropped.claims.session_id, None)
