"""What logging in needs of the world, before and after it is known who it is. `infra` implements
these.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, NamedTuple, Protocol
from uuid import UUID

from commands.authorization import Whose
from domain.identifiers import TenantId

# Rows that are stored with the events of sessions and logins.


@dataclass(frozen=True, slots=True)
class ReplacedPassword:
    user_id: UUID
    password_hash: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class StoredSession:
    """With its first refresh token. provider_id: where the person signed in, unless here."""

    session_id: UUID
    user_id: UUID
    expires_at: datetime
    token_hash: bytes = field(repr=False)
    token_expires_at: datetime
    provider_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class EndedSession:
    session_id: UUID


@dataclass(frozen=True, slots=True)
class EndedSessionsOf:
    """All that were begun at this identity provider, however many."""

    provider_id: UUID


@dataclass(frozen=True, slots=True)
class StoredResetToken:
    user_id: UUID
    token_hash: bytes = field(repr=False)
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class RemovedResetTokens:
    """Of the person: whoever has set a new password needs none of them any more."""

    user_id: UUID


@dataclass(frozen=True, slots=True)
class ConfirmedSecondFactor:
    user_id: UUID


@dataclass(frozen=True, slots=True)
class RemovedSecondFactor:
    user_id: UUID


@dataclass(frozen=True, slots=True)
class ReplacedRecoveryCodes:
    """code_hashes: of all that count from now on."""

    user_id: UUID
    code_hashes: Sequence[bytes] = field(repr=False)


LoginRow = (
    ReplacedPassword
    | StoredSession
    | EndedSession
    | EndedSessionsOf
    | StoredResetToken
    | RemovedResetTokens
    | ConfirmedSecondFactor
    | RemovedSecondFactor
    | ReplacedRecoveryCodes
)


@dataclass(frozen=True, slots=True)
class Account:
    """password_hash: bcrypt. has_second_factor: one that was confirmed."""

    tenant_id: TenantId
    user_id: UUID
    password_hash: str = field(repr=False)
    has_second_factor: bool


class Accounts(Protocol):
    async def of_email(self, email: str, tenant_id: TenantId | None) -> Sequence[Account]:
        """Active ones, of one tenant or, without it, of at most ACCOUNTS_MAX."""
        ...

    async def of_user(self, tenant_id: TenantId, user_id: UUID) -> Account | None: ...

    async def rehashed(self, account: Account, password_hash: str) -> None:
        """The same password at another cost. Does nothing if it was changed meanwhile."""
        ...

    async def alive_sessions(
        self, tenant_id: TenantId, user_id: UUID, now: datetime
    ) -> Sequence[UUID]:
        """The newest SESSIONS_MAX of a person."""
        ...

    async def alive_sessions_of_provider(
        self, tenant_id: TenantId, provider_id: UUID, now: datetime, limit: int
    ) -> Sequence[UUID]:
        """The newest that were begun at this identity provider."""
        ...

    async def reset_token_of(
        self, tenant_id: TenantId, token_hash: bytes, now: datetime
    ) -> UUID | None:
        """Whose it is, without using it."""
        ...

    async def take_reset_token(
        self, tenant_id: TenantId, token_hash: bytes, now: datetime
    ) -> UUID | None:
        """Whose it is; it counts once."""
        ...


AttemptKind = Literal["password", "second_factor", "reset"]


@dataclass(frozen=True, slots=True)
class Attempt:
    """keys: of the counters that counted it."""

    keys: Sequence[bytes] = field(repr=False)
    known_key: bytes | None = field(repr=False, default=None)


class Attempts(Protocol):
    async def begin(self, kind: AttemptKind, subject: str, address: str) -> Attempt:
        """Counts an attempt as failed before it is looked at, so that many at once do not slip
        through. subject: what is tried, e.g. an address of mail. address: whence. Raises
        TooManyAttempts.
        """
        ...

    async def succeeded(self, attempt: Attempt) -> None:
        """It was no failure."""
        ...


class NewRefreshToken(NamedTuple):
    text: str
    token_hash: bytes


class Rotated(NamedTuple):
    """text: the token that replaces the one that was used."""

    tenant_id: TenantId
    user_id: UUID
    session_id: UUID
    text: str


class Reused(NamedTuple):
    """A token came back that had been replaced: somebody has a copy."""

    tenant_id: TenantId
    user_id: UUID
    session_id: UUID


class RefreshTokens(Protocol):
    async def owner(self, text: str) -> Whose | None:
        """Of whose session it was once a token."""
        ...

    def first(self, tenant_id: TenantId) -> NewRefreshToken:
        """Of a new session."""
        ...

    async def rotate(self, text: str, now: datetime) -> Rotated | Reused | None:
        """None for what is unknown, too old, or of a session that is over."""
        ...


# What a token that is not enough to log in is good for.
MfaPurpose = Literal["second-factor", "second-factor-setup"]


class MfaClaims(NamedTuple):
    """factors: how they have proven so far who they are."""

    tenant_id: TenantId
    user_id: UUID
    factors: Sequence[str]


class AccessTokens(Protocol):
    @property
    def lifetime_s(self) -> int:
        """Of an access token."""
        ...

    async def mint(self, tenant_id: TenantId, user_id: UUID, session_id: UUID) -> str: ...

    async def mint_mfa(
        self, purpose: MfaPurpose, tenant_id: TenantId, user_id: UUID, factors: Sequence[str]
    ) -> str:
        """Says that the first factor was right; good for nothing but its purpose."""
        ...

    async def verify_mfa(self, purpose: MfaPurpose, text: str) -> MfaClaims:
        """Raises Unauthenticated."""
        ...


class NewSecondFactor(NamedTuple):
    secret: str
    otpauth_uri: str


class SecondFactors(Protocol):
    async def is_confirmed(self, tenant_id: TenantId, user_id: UUID) -> bool:
        """Whether this person has one that counts."""
        ...

    async def enrol(self, tenant_id: TenantId, user_id: UUID, label: str) -> NewSecondFactor:
        """A new secret that counts once it is confirmed; one that was not is replaced. Raises
        SecondFactorPresent.
        """
        ...

    async def take_code(
        self, tenant_id: TenantId, user_id: UUID, code: str, *, is_confirmed: bool
    ) -> bool:
        """Whether it is the code of now, of the step before or after; it counts once."""
        ...

    async def take_recovery_code(self, tenant_id: TenantId, user_id: UUID, code: str) -> bool:
        """It counts once."""
        ...

    def new_recovery_codes(self, user_id: UUID) -> tuple[Sequence[str], Sequence[bytes]]:
        """The codes and their hashes."""
        ...


class ResetTokens(Protocol):
    def new(self, tenant_id: TenantId) -> tuple[str, bytes]:
        """The text and its hash."""
        ...

    def parsed(self, text: str) -> tuple[TenantId, bytes] | None:
        """The tenant that it claims and its hash; None for what is no token."""
        ...


class Passwords(Protocol):
    """All bcrypt of a process goes through one of these."""

    async def hash_password(self, password: str) -> str: ...

    async def is_password(self, password: str, password_hash: str | None) -> bool:
        """None is an account that nobody has; it takes as long and is always wrong."""
        ...

    def require_room(self) -> None:
        """Whether one more login can be looked at now; asks nobody. Raises OverLimit."""
        ...

    def one_login(self) -> AbstractContextManager[None]:
        """Takes the room of one login for as long as the block lasts. Raises OverLimit."""
        ...

    def needs_rehash(self, password_hash: str) -> bool:
        """It was made at a lower cost than the present one."""
        ...
