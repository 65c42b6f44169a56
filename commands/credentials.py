"""API keys: made, shown once, rotated, restricted to addresses, revoked. What is stored of the
secret is its hash.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import ClassVar
from uuid import UUID

from commands.authorization import require_grantable, require_own
from commands.credential_port import (
    RescopedApiKey,
    RestrictedApiKey,
    RevokedApiKey,
    RotatedApiKey,
    StoredApiKey,
)
from commands.decisions import Command, Decided, Tenancy
from domain.credentials import ApiKey, ApiKeyNotFound
from domain.errors import FieldError, Forbidden, Invalid
from domain.identifiers import Json
from domain.networks import parsed_network

LIFETIME_MAX = timedelta(days=36_500)
ADDRESSES_MAX = 50
OVERLAP_S_MAX = 7 * 86_400


class KeyOfSomebodyElse(Forbidden):
    """Only the person that an API key acts for can rotate it, or let it do more; others can revoke
    it.
    """


@dataclass(frozen=True, slots=True)
class CreateApiKey(Command):
    """The key acts for the person who made it, with at most the scopes of the credential it was
    made with.
    """

    requires: ClassVar[str] = "api_keys:write"

    name: str
    scopes: Sequence[str]
    expires_at: datetime | None = None
    allowed_addresses: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class RestrictApiKey(Command):
    """allowed_addresses: networks; empty allows every address."""

    requires: ClassVar[str] = "api_keys:write"

    api_key_id: UUID
    allowed_addresses: Sequence[str]


@dataclass(frozen=True, slots=True)
class ChangeApiKeyScopes(Command):
    """All of them. What the key may do is known anew at its next request, or seconds later."""

    requires: ClassVar[str] = "api_keys:write"

    api_key_id: UUID
    scopes: Sequence[str]


@dataclass(frozen=True, slots=True)
class RotateApiKey(Command):
    """A new secret for the same key. overlap_s: for how long the old one holds beside it."""

    requires: ClassVar[str] = "api_keys:write"

    api_key_id: UUID
    overlap_s: int


@dataclass(frozen=True, slots=True)
class RevokeApiKey(Command):
    requires: ClassVar[str] = "api_keys:write"

    api_key_id: UUID


@dataclass(frozen=True, slots=True)
class IssuedApiKey:
    """A new key, its row, and the only copy of its secret."""

    api_key: ApiKey
    stored: StoredApiKey
    secret_text: str = field(repr=False)


async def create_api_key(command: CreateApiKey, on: Tenancy) -> Decided:
    require_grantable(on.caller, command.scopes)
    expires_at = _expiry(command.expires_at, on.ports.clock.now())
    allowed_addresses = _networks(command.allowed_addresses)
    issued = issue_api_key(
        on,
        name=command.name,
        scopes=sorted(set(command.scopes)),
        user_id=on.caller.user_id,
        expires_at=expires_at,
        allowed_addresses=allowed_addresses,
    )
    key = issued.api_key
    return Decided(
        result={
            "api_key_id": str(key.id),
            "name": key.name,
            "prefix": key.prefix,
            "scopes": list[Json](key.scopes),
            "expires_at": key.expires_at,
            "allowed_addresses": list[Json](key.allowed_addresses),
            "key_shown": False,
        },
        aggregates=(key,),
        side_rows=(issued.stored,),
        shown_once={"api_key": issued.secret_text, "key_shown": True},
    )


async def restrict_api_key(command: RestrictApiKey, on: Tenancy) -> Decided:
    allowed_addresses = _networks(command.allowed_addresses)
    key = await on.load(ApiKey, command.api_key_id, ApiKeyNotFound)
    require_own(on.caller, command.requires, key.user_id, ApiKeyNotFound)
    require_grantable(on.caller, key.scopes)
    key.restrict_addresses(allowed_addresses)
    return Decided(
        result={
            "api_key_id": str(key.id),
            "allowed_addresses": list[Json](key.allowed_addresses),
        },
        aggregates=(key,),
        side_rows=(RestrictedApiKey(key.id, allowed_addresses),),
    )


async def change_api_key_scopes(command: ChangeApiKeyScopes, on: Tenancy) -> Decided:
    """More only by the person whose key it is, for it acts for them. Fewer by whoever could make
    one with those that are left.
    """
    require_grantable(on.caller, command.scopes)
    key = await on.load(ApiKey, command.api_key_id, ApiKeyNotFound)
    require_own(on.caller, command.requires, key.user_id, ApiKeyNotFound)
    is_more = not set(command.scopes) <= set(key.scopes)
    if is_more and key.user_id is not None and key.user_id != str(on.caller.user_id):
        on.keep(key)
        raise KeyOfSomebodyElse
    key.change_scopes(sorted(set(command.scopes)))
    return Decided(
        result={"api_key_id": str(key.id), "scopes": list[Json](key.scopes)},
        aggregates=(key,),
        side_rows=(RescopedApiKey(key.id, key.scopes),),
    )


async def rotate_api_key(command: RotateApiKey, on: Tenancy) -> Decided:
    """Who is shown the secret may do all that the key may: hence nobody else's, and no more than
    the caller holds.
    """
    key = await on.load(ApiKey, command.api_key_id, ApiKeyNotFound)
    require_own(on.caller, command.requires, key.user_id, ApiKeyNotFound)
    require_grantable(on.caller, key.scopes)
    if key.user_id is not None and key.user_id != str(on.caller.user_id):
        raise KeyOfSomebodyElse
    secret = on.ports.secrets.new_api_key()
    previous_until = on.ports.clock.now() + timedelta(seconds=command.overlap_s)
    key.rotate(prefix=f"al_{secret.key_id}", previous_until=previous_until.isoformat())
    return Decided(
        result={
            "api_key_id": str(key.id),
            "prefix": key.prefix,
            "previous_until": key.previous_until,
            "key_shown": False,
        },
        aggregates=(key,),
        side_rows=(RotatedApiKey(key.id, secret.key_id, secret.secret_hash, previous_until),),
        shown_once={"api_key": secret.secret_text, "key_shown": True},
    )


async def revoke_api_key(command: RevokeApiKey, on: Tenancy) -> Decided:
    key = await on.load(ApiKey, command.api_key_id, ApiKeyNotFound)
    require_own(on.caller, command.requires, key.user_id, ApiKeyNotFound)
    key.revoke()
    return Decided(
        result={"api_key_id": str(key.id), "is_revoked": True},
        aggregates=(key,),
        side_rows=(RevokedApiKey(key.id),),
    )


def _expiry(asked: datetime | None, now: datetime) -> datetime | None:
    """In UTC. Raises Invalid for the past, and for instants that not every clock can hold."""
    if asked is None:
        return None
    if asked <= now:
        reason = "expires_at is not in the future"
        raise Invalid(errors=[FieldError("/expires_at", "already_expired", reason)])
    if asked - now > LIFETIME_MAX:
        reason = f"a key lives at most {LIFETIME_MAX.days} days; leave expires_at out for ever"
        raise Invalid(errors=[FieldError("/expires_at", "too_far", reason)])
    return asked.astimezone(UTC)


def _networks(texts: Sequence[str]) -> list[str]:
    """In their one form, in order, each once. Raises Invalid with a mistake for each."""
    if len(texts) > ADDRESSES_MAX:
        reason = f"at most {ADDRESSES_MAX} networks"
        raise Invalid(errors=[FieldError("/allowed_addresses", "too_many", reason)])
    networks: list[str] = []
    mistakes: list[FieldError] = []
    for place, text in enumerate(texts):
        try:
            networks.append(str(parsed_network(text)))
        except ValueError as error:
            path = f"/allowed_addresses/{place}"
            mistakes.append(FieldError(path, "invalid_network", str(error)))
    if mistakes:
        raise Invalid(errors=mistakes)
    return sorted(set(networks))


def issue_api_key(
    on: Tenancy,
    *,
    name: str,
    scopes: Sequence[str],
    user_id: UUID | None,
    expires_at: datetime | None = None,
    allowed_addresses: Sequence[str] = (),
) -> IssuedApiKey:
    secret = on.ports.secrets.new_api_key()
    key = on.begin(
        ApiKey,
        on.ports.ids.new(),
        name=name,
        prefix=f"al_{secret.key_id}",
        scopes=list[Json](scopes),
        user_id=None if user_id is None else str(user_id),
        expires_at=None if expires_at is None else expires_at.isoformat(),
    )
    key.restrict_addresses(allowed_addresses)
    stored = StoredApiKey(
        api_key_id=key.id,
        key_id=secret.key_id,
        secret_hash=secret.secret_hash,
        scopes=tuple(scopes),
        user_id=user_id,
        expires_at=expires_at,
        allowed_addresses=tuple(allowed_addresses),
    )
    return IssuedApiKey(key, stored, secret.secret_text)
