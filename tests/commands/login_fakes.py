"""What logging in needs, in memory: one account whose password and codes are known, and tokens that
say what they are. What must hold of the real ones is tested in tests/logins, on a real database.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from commands.account_flow import AccountFlow
from commands.authorization import Whose
from commands.dispatch import Dispatcher
from commands.login_flow import LoginFlow, LoginPorts
from commands.login_port import (
    Attempt,
    AttemptKind,
    MfaClaims,
    MfaPurpose,
    NewRefreshToken,
    NewSecondFactor,
    Reused,
    Rotated,
)
from commands.password_port import AnyPassword
from commands.ports import Clock, EventStore
from domain.errors import Unauthenticated
from domain.identifiers import JsonObject, TenantId
from infra.login_attempts import TooManyAttempts
from tests.commands.fake_accounts import RESET_TOKEN, FakeAccounts
from write_api.edge import Logins

PASSWORD = "correct horse battery"
CODE = "123456"
RECOVERY_CODE = "aaaa-bbbb-cccc-dddd"
JWK: JsonObject = {
    "kty": "OKP",
    "crv": "Ed25519",
    "x": "x",
    "kid": "k",
    "alg": "Ed25519",
    "use": "sig",
}


@dataclass
class FakeAttempts:
    """begun: what was tried. is_over: nothing may be tried any more."""

    begun: list[tuple[AttemptKind, str, str]] = field(default_factory=list)
    succeeded_count: int = 0
    is_over: bool = False

    async def begin(self, kind: AttemptKind, subject: str, address: str) -> Attempt:
        if self.is_over:
            raise TooManyAttempts(retry_after_s=30)
        self.begun.append((kind, subject, address))
        return Attempt(())

    async def succeeded(self, attempt: Attempt) -> None:
        del attempt
        self.succeeded_count += 1


class FakePasswords:
    """checked: every hash that was compared with."""

    def __init__(self) -> None:
        self.checked: list[str | None] = []

    async def hash_password(self, password: str) -> str:
        return f"hash of {password}"

    async def is_password(self, password: str, password_hash: str | None) -> bool:
        self.checked.append(password_hash)
        return password_hash == f"hash of {password}"

    def require_room(self) -> None: ...

    def one_login(self) -> AbstractContextManager[None]:
        return nullcontext()

    def needs_rehash(self, password_hash: str) -> bool:
        del password_hash
        return False


class FakeAccessTokens:
    lifetime_s = 900

    async def mint(self, tenant_id: TenantId, user_id: UUID, session_id: UUID) -> str:
        return f"access {tenant_id} {user_id} {session_id}"

    async def mint_mfa(
        self, purpose: MfaPurpose, tenant_id: TenantId, user_id: UUID, factors: Sequence[str]
    ) -> str:
        return f"{purpose} {tenant_id} {user_id} {','.join(factors)}"

    async def verify_mfa(self, purpose: MfaPurpose, text: str) -> MfaClaims:
        parts = text.split()
        if len(parts) != 4 or parts[0] != purpose:
            raise Unauthenticated
        return MfaClaims(TenantId(UUID(parts[1])), UUID(parts[2]), parts[3].split(","))


class FakeRefreshTokens:
    """answers: what each token is worth."""

    async def owner(self, text: str) -> Whose | None:
        del text

    def __init__(self) -> None:
        self.answers: dict[str, Rotated | Reused] = {}

    def first(self, tenant_id: TenantId) -> NewRefreshToken:
        return NewRefreshToken(f"refresh {tenant_id}", b"hash")

    async def rotate(self, text: str, now: datetime) -> Rotated | Reused | None:
        del now
        return self.answers.get(text)


class FakeSecondFactors:
    async def is_confirmed(self, tenant_id: TenantId, user_id: UUID) -> bool:
        del tenant_id, user_id
        return False

    async def enrol(self, tenant_id: TenantId, user_id: UUID, label: str) -> NewSecondFactor:
        del tenant_id, user_id
        return NewSecondFactor("SECRET", f"otpauth://totp/{label}")

    async def take_code(
        self, tenant_id: TenantId, user_id: UUID, code: str, *, is_confirmed: bool
    ) -> bool:
        del tenant_id, user_id, is_confirmed
        return code == CODE

    async def take_recovery_code(self, tenant_id: TenantId, user_id: UUID, code: str) -> bool:
        del tenant_id, user_id
        return code == RECOVERY_CODE

    def new_recovery_codes(self, user_id: UUID) -> tuple[Sequence[str], Sequence[bytes]]:
        del user_id
        return [RECOVERY_CODE], [b"hash of it"]


class FakeResetTokens:
    """tenant_id: of the one token that is known."""

    tenant_id: TenantId | None = None

    def new(self, tenant_id: TenantId) -> tuple[str, bytes]:
        self.tenant_id = tenant_id
        return RESET_TOKEN, RESET_TOKEN.encode()

    def parsed(self, text: str) -> tuple[TenantId, bytes] | None:
        is_known = text == RESET_TOKEN and self.tenant_id is not None
        return (self.tenant_id, text.encode()) if is_known and self.tenant_id else None


class LoginWorld:
    """The flows on fakes."""

    def __init__(self, accounts: FakeAccounts) -> None:
        self.accounts = accounts
        self.attempts = FakeAttempts()
        self.passwords = FakePasswords()
        self.refresh_tokens = FakeRefreshTokens()
        self.reset_tokens = FakeResetTokens()

    def logins(self, events: EventStore, clock: Clock, dispatcher: Dispatcher) -> Logins:
        ports = LoginPorts(
            accounts=self.accounts,
            attempts=self.attempts,
            passwords=self.passwords,
            access_tokens=FakeAccessTokens(),
            refresh_tokens=self.refresh_tokens,
            second_factors=FakeSecondFactors(),
            events=events,
            clock=clock,
            dispatcher=dispatcher,
            password_judge=AnyPassword(),
            session=timedelta(days=30),
            idle=timedelta(days=7),
        )
        flow = LoginFlow(ports)

        async def published_keys() -> Sequence[JsonObject]:
            return [JWK]

        return Logins(flow, AccountFlow(ports, flow, self.reset_tokens), published_keys)
