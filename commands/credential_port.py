"""What is kept of API keys beside the log: hashes, and what a look-up by key must know."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True)
class StoredApiKey:
    """secret_hash: SHA-256 of the whole key (178 random bits: a slow hash adds nothing).
    allowed_addresses: networks; empty allows every address.
    """

    api_key_id: UUID
    key_id: str
    secret_hash: bytes
    scopes: Sequence[str]
    user_id: UUID | None
    expires_at: datetime | None
    allowed_addresses: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class RestrictedApiKey:
    api_key_id: UUID
    allowed_addresses: Sequence[str]


@dataclass(frozen=True, slots=True)
class RescopedApiKey:
    api_key_id: UUID
    scopes: Sequence[str]


@dataclass(frozen=True, slots=True)
class RotatedApiKey:
    """The secret so far holds until previous_until; one that was before it ends at once."""

    api_key_id: UUID
    key_id: str
    secret_hash: bytes
    previous_until: datetime


@dataclass(frozen=True, slots=True)
class RevokedApiKey:
    api_key_id: UUID


ApiKeyRow = StoredApiKey | RestrictedApiKey | RescopedApiKey | RotatedApiKey | RevokedApiKey
