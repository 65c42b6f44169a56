"""Who is calling: an API key, a person (of a session), or the operator's key becomes a `Caller`.

A key acts for the person who made it: it may do what it names and that person may do now, and
nothing once they were deactivated. A caller is remembered for a few seconds, and dropped at once
when a neighbour or the tail of the log tells that one of the streams changed that say what it may
do: the key, the person, their role, the tenant. Why a key is refused is told to nobody: an unknown
one, one that ended and one that comes from a foreign address are the same answer.
"""

import hashlib
import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from ipaddress import ip_network
from typing import LiteralString
from uuid import UUID

from commands.authorization import (
    NO_GRANTS,
    PERMISSIONS,
    ROLE_GRANTS,
    Caller,
    Grants,
    Whose,
    grants_of,
    holds,
    narrowed,
    require,
)
from commands.ports import Clock
from domain.errors import DomainError, Forbidden, OverLimit, Unauthenticated, Unavailable
from domain.identifiers import TenantId
from domain.networks import Network
from infra.access_tokens import looks_like_token
from infra.caller_memory import CallerMemory
from infra.client_addresses import parsed_address
from infra.postgres import Database
from infra.secrets_source import has_valid_checksum
from infra.session_tokens import SessionTokens

# The read side knows who is calling and what went wrong through this file; it imports neither
# commands nor domain.
__all__ = [
    "PERMISSIONS",
    "Authentication",
    "Caller",
    "Credentials",
    "DomainError",
    "Forbidden",
    "OverLimit",
    "Unauthenticated",
    "Unavailable",
    "holds",
    "require",
]

CREDENTIAL_LENGTH_MAX = 8192

FIND_KEY: LiteralString = (
    "SELECT k.tenant_id, k.api_key_id, k.secret_hash, k.scopes, k.user_id, k.expires_at,"
    " k.revoked_at, k.allowed_addresses, a.role, a.status, a.permissions"
    " FROM api_key_secret(%s) AS k"
    " LEFT JOIN LATERAL access_of(k.tenant_id, k.user_id) AS a ON true"
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
class _KnownKey:
    """expires_at: of this secret. allowed: networks; none allows every address."""

    caller: Caller
    api_key_id: UUID
    tenant_id: TenantId
    expires_at: datetime | None
    allowed: Sequence[Network]


class Authentication:
    """monotonic_s: a clock that never jumps, for how long a caller is remembered. key_used: told of
    each use of an API key.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        *,
        operator_key: str | None,
        sessions: SessionTokens | None = None,
        monotonic_s: Callable[[], float],
        key_used: Callable[[UUID, TenantId], None],
    ) -> None:
        self._sessions = sessions
        self._database = database
        self._clock = clock
        self._operator_key = operator_key
        self._key_used = key_used
        self._keys: CallerMemory[_KnownKey] = CallerMemory(monotonic_s)
        self._users: CallerMemory[Caller] = CallerMemory(monotonic_s)

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
        return await self._api_key(text, credentials.address)

    async def caller_of_user(self, tenant_id: TenantId, user_id: UUID) -> Caller:
        """Somebody who has proven to be this person. Raises Unauthenticated unless they are
        active.
        """
        name = f"{tenant_id}/{user_id}"
        known = self._users.recall(name)
        if known is not None:
            return known
        with self._users.looking_up() as forgotten:
            async with self._database.connection() as conn:
                cursor = await conn.execute(FIND_USER, (tenant_id, user_id))
                row = await cursor.fetchone()
            grants = None if row is None else grants_now(*row)
            if row is None or grants is None:
                raise _refused(tenant_id, f"user:{user_id}", "the person is not active")
            caller = Caller(
                actor=f"user:{user_id}",
                tenant_id=tenant_id,
                scopes=grants.scopes,
                user_id=user_id,
                own_only=grants.own_only,
            )
            streams = (tenant_id, user_id, *_role_stream(row[0]))
            self._users.remember(name, caller, streams=streams, forgotten=forgotten)
        return caller

    def forget(self, stream_id: UUID) -> None:
        """Something changed; whoever was made from it is looked up again."""
        self._keys.forget(stream_id)
        self._users.forget(stream_id)
        if self._sessions is not None:
            self._sessions.forget(stream_id)

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

    async def _api_key(self, text: str, address: str) -> Caller:
        known = self._keys.recall(text)
        if known is None:
            if not has_valid_checksum(text):
                raise UnknownCredential
            known = await self._look_up(text)
        if known.expires_at is not None and known.expires_at <= self._clock.now():
            raise _refused(known.tenant_id, known.caller.actor, "the key has expired")
        if known.allowed and not _is_allowed(known.allowed, address):
            raise _refused(known.tenant_id, known.caller.actor, "the key is not for this address")
        self._key_used(known.api_key_id, known.tenant_id)
        return known.caller

    async def _look_up(self, text: str) -> _KnownKey:
        key_id = text.split("_")[1]
        with self._keys.looking_up() as forgotten:
            async with self._database.connection() as conn:
                row = await (await conn.execute(FIND_KEY, (key_id,))).fetchone()
            if row is None:
                raise UnknownCredential
            tenant_id, api_key_id, secret_hash, scopes, user_id, *bounds, role, status, named = row
            expires_at, revoked_at, allowed = bounds
            actor = f"api_key:{api_key_id}"
            found = hashlib.sha256(text.encode()).digest()
            if not hmac.compare_digest(bytes(secret_hash), found):
                raise _refused(tenant_id, actor, "the secret of the key is another")
            if revoked_at is not None:
                raise _refused(tenant_id, actor, "the key was revoked")
            grants = Grants(frozenset(scopes))
            if user_id is not None:
                present = grants_now(role, status, named)
                if present is None:
                    raise _refused(tenant_id, actor, "the person of the key is not active")
                grants = narrowed(present, scopes)
            caller = Caller(
                actor=actor,
                tenant_id=TenantId(tenant_id),
                scopes=grants.scopes,
                user_id=user_id,
                own_only=grants.own_only,
            )
            networks = tuple(ip_network(network) for network in allowed)
            known = _KnownKey(caller, api_key_id, TenantId(tenant_id), expires_at, networks)
            person = () if user_id is None else (user_id, *_role_stream(role))
            streams = (tenant_id, api_key_id, *person)
            self._keys.remember(text, known, streams=streams, forgotten=forgotten)
        return known


def _refused(tenant_id: TenantId, actor: str, reason: str) -> UnknownCredential:
    """The same to whoever sent it; its tenant can read why."""
    return UnknownCredential(whose=(Whose(TenantId(tenant_id), actor),), reason=reason)


def _is_allowed(allowed: Sequence[Network], address: str) -> bool:
    """An address that is unknown is in no network."""
    parsed = parsed_address(address)
    return parsed is not None and any(parsed in network for network in allowed)


def grants_now(
    role: str | None, status: str | None, permissions: Sequence[str] | None
) -> Grants | None:
    """Of somebody with this role. None unless they are active: whoever is not, and whoever is
    unknown, has no credential that counts.
    """
    if role is None or status != "ACTIVE":
        return None
    if role in ROLE_GRANTS:
        return ROLE_GRANTS[role]
    return NO_GRANTS if permissions is None else grants_of(permissions)


def _role_stream(role: str | None) -> tuple[UUID, ...]:
    """A role of the tenant's own making has a stream of its own."""
    return () if role is None or role in ROLE_GRANTS else (UUID(role),)
