"""API keys: made, shown once, revoked. What is stored of the secret is its hash."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import ClassVar
from uuid import UUID

from commands.authorization import require_grantable
from commands.decisions import Command, Decided, Tenancy
from commands.ports import RevokedApiKey, StoredApiKey
from domain.credentials import ApiKey, ApiKeyNotFound
from domain.errors import FieldError, Invalid
from domain.identifiers import Json

LIFETIME_MAX = timedelta(days=36_500)


@dataclass(frozen=True, slots=True)
class CreateApiKey(Command):
    """The key acts for the person who made it, with at most the scopes of the credential it was
    made with.
    """

    requires: ClassVar[str] = "api_keys:write"

    name: str
    scopes: Sequence[str]
    expires_at: datetime | None = None


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
    issued = issue_api_key(
        on,
        name=command.name,
        scopes=sorted(set(command.scopes)),
        user_id=on.caller.user_id,
        expires_at=expires_at,
    )
    key = issued.api_key
    return Decided(
        result={
            "api_key_id": str(key.id),
            "name": key.name,
            "prefix": key.prefix,
            "scopes": list[Json](key.scopes),
            "expires_at": key.expires_at,
            "key_shown": False,
        },
        aggregates=(key,),
        side_rows=(issued.stored,),
        shown_once={"api_key": issued.secret_text, "key_shown": True},
    )


async def revoke_api_key(command: RevokeApiKey, on: Tenancy) -> Decided:
    key = await on.load(ApiKey, command.api_key_id, ApiKeyNotFound)
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


def issue_api_key(
    on: Tenancy,
    *,
    name: str,
    scopes: Sequence[str],
    user_id: UUID | None,
    expires_at: datetime | None = None,
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
    stored = StoredApiKey(
        api_key_id=key.id,
        key_id=secret.key_id,
        secret_hash=secret.secret_hash,
        scopes=tuple(scopes),
        user_id=user_id,
        expires_at=expires_at,
    )
    return IssuedApiKey(key, stored, secret.secret_text)
