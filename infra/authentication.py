"""Who is calling: an API key, a person (of a session), or the operator's key becomes a `Caller`.

A key acts for the person who made it: it may do what it names and that person may do now, and
nothing once they were deactivated. A caller is remembered for a few seconds, and dropped at once
when a neighbour or the tail of the log tells that one of the streams changed that say what it may
do: the key, the person, their role, the tenant.
"""

import hashlib
import hmac
from collections import OrderedDict
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import LiteralString
from uuid import UUID

from commands.authorization import (
    NO_GRANTS,
    ROLE_GRANTS,
    Caller,
    Grants,
    grants_of,
    narrowed,
    require,
)
from commands.ports import Clock
from domain.errors import DomainError, Forbidden, OverLimit, Unauthenticated, Unavailable
from domain.identifiers import TenantId
from infra.access_tokens import looks_like_token
from infra.postgres import Database
from infra.secrets_source import has_valid_checksum
from infra.session_tokens import SessionTokens

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

# Columns of the key by their names: other migrations may give the function more of them.
FIND_KEY: LiteralString = (
    "SELECT k.tenant_id, k.api_key_id, k.secret_hash, k.scopes, k.user_id, k.expires_at,"
    " k.revoked_at, a.role, a.status, a.permissions"
    " FROM api_key(%s) AS k LEFT JOIN LATERAL access_of(k.tenant_id, k.user_id) AS a ON true"
)
FIND_USER: LiteralString = "SELECT role, status, permissions FROM access_of(%s, %s)"


class UnknownCredential(Unauthenticated):
    """The credential is not valid."""


class MissingCredential(Unauthenticated):
    """Send an API key or an access token: `Authorization: Bearer ...`."""


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
    """streams: what the caller is made from; when one of them changes it is made anew."""

    caller: Caller
    streams: Sequence[UUID]
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
        sessions: SessionTokens | None = None,
        monotonic_s: Callable[[], float],
    ) -> None:
        self._sessions = sessions
        self._database = database
        self._clock = clock
        self._operator_key = operator_key
        self._monotonic_s = monotonic_s
        self._remembered: OrderedDict[str, _Remembered] = OrderedDict()
        self._texts: dict[UUID, set[str]] = {}
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
        text = credential.strip()
        if self._sessions is not None and looks_like_token(text):
            return await self._session(self._sessions, text)
        return await self._api_key(text)

    async def caller_of_user(self, tenant_id: TenantId, user_id: UUID) -> Caller:
        """Somebody who has proven to be this person. Raises Unauthenticated unless they are
        active.
        """
        text = f"user:{tenant_id}/{user_id}"  # No key looks like this.
        remembered = self._remembered.get(text)
        if remembered is not None and self._monotonic_s() < remembered.until_s:
            return remembered.caller
        with self._looking_up() as forgotten:
            async with self._database.connection() as conn:
                cursor = await conn.execute(FIND_USER, (tenant_id, user_id))
                row = await cursor.fetchone()
            if row is None:
                raise UnknownCredential
            grants = _grants_now(*row)
            caller = Caller(
                actor=f"user:{user_id}",
                tenant_id=tenant_id,
                scopes=grants.scopes,
                user_id=user_id,
                own_only=grants.own_only,
            )
            streams = (tenant_id, user_id, *_role_stream(row[0]))
            if forgotten.isdisjoint(streams):
                self._remember(text, _Remembered(caller, streams, None, self._until_s()))
        return caller

    def forget(self, stream_id: UUID) -> None:
        """Something changed; whoever was made from it is looked up again."""
        if self._sessions is not None:
            self._sessions.forget(stream_id)
        for forgotten in self._forgotten.values():
            forgotten.add(stream_id)
        for text in self._texts.pop(stream_id, ()):
            self._drop(text)

    async def _session(self, sessions: SessionTokens, text: str) -> Caller:
        claims = await sessions.verified(text)
        caller = await self.caller_of_user(claims.tenant_id, claims.user_id)
        return replace(caller, session_id=claims.session_id)

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
        with self._looking_up() as forgotten:
            async with self._database.connection() as conn:
                row = await (await conn.execute(FIND_KEY, (key_id,))).fetchone()
            if row is None:
                raise UnknownCredential
            tenant_id, api_key_id, secret_hash, scopes, user_id, expires_at, revoked_at, *access = (
                row
            )
            found = hashlib.sha256(text.encode()).digest()
            if not hmac.compare_digest(bytes(secret_hash), found) or revoked_at is not None:
                raise UnknownCredential
            self._require_unexpired(expires_at)
            grants = Grants(frozenset(scopes))
            if user_id is not None:
                grants = narrowed(_grants_now(*access), scopes)
            caller = Caller(
                actor=f"api_key:{api_key_id}",
                tenant_id=TenantId(tenant_id),
                scopes=grants.scopes,
                user_id=user_id,
                own_only=grants.own_only,
            )
            person = () if user_id is None else (user_id, *_role_stream(access[0]))
            streams = (tenant_id, api_key_id, *person)
            # What was read may be older than a change that was told meanwhile.
            if forgotten.isdisjoint(streams):
                self._remember(text, _Remembered(caller, streams, expires_at, self._until_s()))
        return caller

    @contextmanager
    def _looking_up(self) -> Generator[set[UUID]]:
        """The streams that were forgotten meanwhile."""
        lookup = object()
        forgotten = self._forgotten[lookup] = set[UUID]()
        try:
            yield forgotten
        finally:
            del self._forgotten[lookup]

    def _until_s(self) -> float:
        return self._monotonic_s() + REMEMBERED_S

    def _remember(self, text: str, remembered: _Remembered) -> None:
        self._drop(text)
        self._remembered[text] = remembered
        for stream_id in remembered.streams:
            self._texts.setdefault(stream_id, set()).add(text)
        if len(self._remembered) > REMEMBERED_MAX:
            self._drop(next(iter(self._remembered)))

    def _drop(self, text: str) -> None:
        remembered = self._remembered.pop(text, None)
        if remembered is None:
            return
        for stream_id in remembered.streams:
            texts = self._texts.get(stream_id)
            if texts is not None:
                texts.discard(text)
                if not texts:
                    del self._texts[stream_id]

    def _require_unexpired(self, expires_at: datetime | None) -> None:
        if expires_at is not None and expires_at <= self._clock.now():
            raise UnknownCredential


def _grants_now(role: str | None, status: str | None, permissions: Sequence[str] | None) -> Grants:
    """Of somebody with this role. Raises UnknownCredential unless they are active: whoever is not,
    and whoever is unknown, has no credential that counts.
    """
    if role is None or status != "ACTIVE":
        raise UnknownCredential
    if role in ROLE_GRANTS:
        return ROLE_GRANTS[role]
    return NO_GRANTS if permissions is None else grants_of(permissions)


def _role_stream(role: str | None) -> tuple[UUID, ...]:
    """A role of the tenant's own making has a stream of its own."""
    return () if role is None or role in ROLE_GRANTS else (UUID(role),)
