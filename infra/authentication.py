"""Who is calling: an API key or the operator's key becomes a `Caller`. A session token will be one
more way to make one.

A caller is remembered for a few seconds, and dropped at once when the tail of the log shows that
its key changed.
"""

import hashlib
import hmac
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import LiteralString
from uuid import UUID

from commands.authorization import Caller, require
from commands.ports import Clock
from domain.errors import DomainError, Forbidden, OverLimit, Unauthenticated, Unavailable
from domain.identifiers import TenantId
from infra.postgres import Database
from infra.secrets_source import has_valid_checksum

# The read side knows who is calling and what went wrong through this file; it imports neither
# commands nor domain.
__all__ = [
    "Authentication",
    "Caller",
    "Credentials",
    "DomainError",
    "Forbidden",
    "OverLimit",
    "Unauthenticated",
    "Unavailable",
    "require",
]

REMEMBERED_MAX = 10_000
REMEMBERED_S = 5.0
CREDENTIAL_LENGTH_MAX = 8192

FIND_KEY: LiteralString = "SELECT * FROM api_key(%s)"


class UnknownCredential(Unauthenticated):
    """The credential is not valid."""


class MissingCredential(Unauthenticated):
    """Send an API key: `Authorization: Bearer al_...`."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a request shows of who sent it. authorization, operator_key: the headers. address: the
    client's (infra/client_addresses.py), "" when it is unknown. user_agent: the client's own word.
    """

    authorization: str | None = None
    operator_key: str | None = None
    address: str = ""
    user_agent: str | None = None


@dataclass(frozen=True, slots=True)
class _Remembered:
    caller: Caller
    api_key_id: UUID
    expires_at: datetime | None
    until_s: float


class Authentication:
    """monotonic_s: a clock that never jumps, for how long a caller is remembered."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        *,
        operator_key: str | None,
        monotonic_s: Callable[[], float],
    ) -> None:
        self._database = database
        self._clock = clock
        self._operator_key = operator_key
        self._monotonic_s = monotonic_s
        self._remembered: OrderedDict[str, _Remembered] = OrderedDict()
        self._texts: dict[UUID, str] = {}
        # For each lookup on its way, what was forgotten meanwhile.
        self._forgotten: dict[object, set[UUID]] = {}

    async def authenticate(self, credentials: Credentials) -> Caller:
        """Raises Unauthenticated. The operator's key wins when both are sent."""
        if credentials.operator_key is not None:
            return self._operator(credentials.operator_key)
        if credentials.authorization is None:
            raise MissingCredential
        scheme, _, credential = credentials.authorization.partition(" ")
        if scheme.lower() != "bearer" or len(credential) > CREDENTIAL_LENGTH_MAX:
            raise UnknownCredential
        return await self._api_key(credential.strip())

    def forget(self, api_key_id: UUID) -> None:
        """The key changed; its next use is looked up again."""
        for forgotten in self._forgotten.values():
            forgotten.add(api_key_id)
        text = self._texts.pop(api_key_id, None)
        if text is not None:
            self._remembered.pop(text, None)

    def _operator(self, operator_key: str) -> Caller:
        wanted = self._operator_key or ""
        if not wanted or not hmac.compare_digest(wanted.encode(), operator_key.encode()):
            raise UnknownCredential
        return Caller(
            actor="operator",
            tenant_id=None,
            scopes=frozenset({"operator"}),
            user_id=None,
            is_operator=True,
        )

    async def _api_key(self, text: str) -> Caller:
        remembered = self._remembered.get(text)
        if remembered is not None and self._monotonic_s() < remembered.until_s:
            self._require_unexpired(remembered.expires_at)
            return remembered.caller
        if not has_valid_checksum(text):
            raise UnknownCredential
        return await self._look_up(text)

    async def _look_up(self, text: str) -> Caller:
        key_id = text.split("_")[1]
        lookup = object()
        forgotten = self._forgotten[lookup] = set[UUID]()
        try:
            async with self._database.connection() as conn:
                row = await (await conn.execute(FIND_KEY, (key_id,))).fetchone()
        finally:
            del self._forgotten[lookup]
        if row is None:
            raise UnknownCredential
        tenant_id, api_key_id, secret_hash, scopes, user_id, expires_at, revoked_at = row
        is_same = hmac.compare_digest(bytes(secret_hash), hashlib.sha256(text.encode()).digest())
        if not is_same or revoked_at is not None:
            raise UnknownCredential
        self._require_unexpired(expires_at)
        caller = Caller(
            actor=f"api_key:{api_key_id}",
            tenant_id=TenantId(tenant_id),
            scopes=frozenset(scopes),
            user_id=user_id,
            is_operator=False,
        )
        # What was read may be older than a change that was told meanwhile.
        if api_key_id not in forgotten:
            until_s = self._monotonic_s() + REMEMBERED_S
            self._remember(text, _Remembered(caller, api_key_id, expires_at, until_s))
        return caller

    def _remember(self, text: str, remembered: _Remembered) -> None:
        self._remembered[text] = remembered
        self._texts[remembered.api_key_id] = text
        if len(self._remembered) > REMEMBERED_MAX:
            _, dropped = self._remembered.popitem(last=False)
            self._texts.pop(dropped.api_key_id, None)

    def _require_unexpired(self, expires_at: datetime | None) -> None:
        if expires_at is not None and expires_at <= self._clock.now():
            raise UnknownCredential
