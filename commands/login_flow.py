"""From an address and a password to a session, and from one refresh token to the next.

    login ──► WrongCredentials
         ├──► Choice of tenants, when the password fits several
         ├──► SecondFactorNeeded ── totp ──► LoggedIn
         ├──► SetupNeeded ── enrol, confirm ──► LoggedIn   the tenant wants a second factor, and
         │                                                 there is none yet
         └──► LoggedIn ── refresh ──► LoggedIn ── ... ──► session over

Who does not exist costs one bcrypt, as who does, and gets the same answer. An address with accounts
in several tenants costs one for each, unless the tenant is said. Only the right password (or a
provider's word) is told that the tenant is suspended.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

from commands.authorization import Caller, Whose
from commands.dispatch import Dispatcher, Origin
from commands.login_port import (
    AccessTokens,
    Account,
    Accounts,
    Attempt,
    Attempts,
    Passwords,
    RefreshTokens,
    Reused,
    Rotated,
    SecondFactors,
)
from commands.logins import UseRecoveryCode
from commands.password_port import PasswordJudge
from commands.ports import Clock, EventStore
from commands.sessions import EndSession, StartSession
from domain.errors import OverLimit, Unauthenticated
from domain.identifiers import TenantId
from domain.identity import User
from domain.login_rules import PASSWORD, TOTP, LoginRules, login_rules_id
from domain.sessions import EndReason, Session

# What somebody may do in the moment of proving who they are.
PROVING_SCOPES = frozenset({StartSession.requires})


class WrongCredentials(Unauthenticated):
    """The address, the password or the code is wrong."""

    code = "wrong_credentials"


class RefreshRefused(Unauthenticated):
    """This refresh token does not count (any more); log in again."""

    code = "refresh_refused"


@dataclass(frozen=True, slots=True)
class LoggedIn:
    """expires_in_s: of the access token."""

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    expires_in_s: int
    tenant_id: TenantId
    user_id: UUID
    email: str = field(repr=False)
    role: str


@dataclass(frozen=True, slots=True)
class SecondFactorNeeded:
    """mfa_token: says that the password was right, for a few minutes."""

    mfa_token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class SetupNeeded:
    """mfa_token: lets somebody set up the second factor that the tenant asks for, and nothing
    else.
    """

    mfa_token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class TenantNeeded:
    """tenant_ids: those whose password this is."""

    tenant_ids: Sequence[TenantId]


# Of somebody who has proven to be one person.
Proven = LoggedIn | SecondFactorNeeded | SetupNeeded
LoginAnswer = Proven | TenantNeeded


@dataclass(frozen=True, slots=True)
class LoginPorts:
    """session: how long a session lasts at most. idle: how long a refresh token waits."""

    accounts: Accounts
    attempts: Attempts
    passwords: Passwords
    access_tokens: AccessTokens
    refresh_tokens: RefreshTokens
    second_factors: SecondFactors
    events: EventStore
    clock: Clock
    dispatcher: Dispatcher
    password_judge: PasswordJudge
    session: timedelta
    idle: timedelta


class LoginFlow:
    def __init__(self, ports: LoginPorts) -> None:
        self._ports = ports

    async def login(
        self, email: str, password: str, tenant_id: TenantId | None, origin: Origin
    ) -> LoginAnswer:
        """Raises WrongCredentials, TooManyAttempts, TenantSuspended, and OverLimit while too many
        others log in.
        """
        with self._ports.passwords.one_login():
            return await self._login(email, password, tenant_id, origin)

    def require_room(self) -> None:
        """Before anything is done for a login. Raises OverLimit."""
        self._ports.passwords.require_room()

    async def _login(
        self, email: str, password: str, tenant_id: TenantId | None, origin: Origin
    ) -> LoginAnswer:
        ports = self._ports
        try:
            attempt = await ports.attempts.begin("password", email.casefold(), origin.address)
        except OverLimit as refusal:
            refusal.data["whose"] = _whose(await ports.accounts.of_email(email, tenant_id))
            raise
        known = await ports.accounts.of_email(email, tenant_id)
        accounts = await self._fitting(password, known)
        if not accounts:
            raise WrongCredentials(whose=_whose(known), reason="the password is wrong")
        await ports.attempts.succeeded(attempt)
        if len(accounts) > 1:
            return TenantNeeded([account.tenant_id for account in accounts])
        (account,) = accounts
        if ports.passwords.needs_rehash(account.password_hash):
            rehashed = await ports.passwords.hash_password(password)
            await ports.accounts.rehashed(account, rehashed)
        return await self.go_on(
            account.tenant_id,
            account.user_id,
            [PASSWORD],
            origin,
            is_second_due=account.has_second_factor,
        )

    async def go_on(
        self,
        tenant_id: TenantId,
        user_id: UUID,
        factors: Sequence[str],
        origin: Origin,
        *,
        is_second_due: bool,
    ) -> Proven:
        """For a person who has proven who they are by these factors. is_second_due: whether they
        are asked for the second one, whatever the tenant's rules. Raises WrongCredentials,
        TenantSuspended.
        """
        ports = self._ports
        await ports.dispatcher.require_active(StartSession, proving(tenant_id, user_id))
        user = await self._active_user(tenant_id, user_id)
        rules = await self.rules(tenant_id)
        if not is_second_due and (rules is None or rules.is_enough(user.role, factors)):
            return await self.begin_session(tenant_id, user_id, factors, origin)
        mint = ports.access_tokens.mint_mfa
        if is_second_due or await ports.second_factors.is_confirmed(tenant_id, user_id):
            return SecondFactorNeeded(await mint("second-factor", tenant_id, user_id, factors))
        return SetupNeeded(await mint("second-factor-setup", tenant_id, user_id, factors))

    async def second_factor(self, mfa_token: str, code: str, origin: Origin) -> LoggedIn:
        """Raises Unauthenticated, TooManyAttempts, TenantSuspended."""
        ports = self._ports
        tenant_id, user_id, factors = await ports.access_tokens.verify_mfa(
            "second-factor", mfa_token
        )
        # Before a code is used up in vain.
        await ports.dispatcher.require_active(StartSession, proving(tenant_id, user_id))
        await self.require_second_factor(tenant_id, user_id, code, origin)
        return await self.begin_session(tenant_id, user_id, [*factors, TOTP], origin)

    async def require_second_factor(
        self, tenant_id: TenantId, user_id: UUID, code: str, origin: Origin
    ) -> None:
        """A code of now, or a recovery code. Raises WrongCredentials, TooManyAttempts."""
        ports = self._ports
        attempt = await self.begin_attempt(tenant_id, user_id, origin)
        factors = ports.second_factors
        if await factors.take_code(tenant_id, user_id, code, is_confirmed=True):
            await ports.attempts.succeeded(attempt)
            return
        if not await factors.take_recovery_code(tenant_id, user_id, code):
            raise wrong_credentials(tenant_id, user_id, "the code is wrong, or was used before")
        await ports.attempts.succeeded(attempt)
        caller = proving(tenant_id, user_id)
        await ports.dispatcher.dispatch(UseRecoveryCode(), caller, origin)

    async def begin_attempt(self, tenant_id: TenantId, user_id: UUID, origin: Origin) -> Attempt:
        """Of a known person, at their second factor or at their password once more. Raises
        TooManyAttempts.
        """
        try:
            attempts = self._ports.attempts
            return await attempts.begin("second_factor", str(user_id), origin.address)
        except OverLimit as refusal:
            refusal.data["whose"] = (Whose(tenant_id, f"user:{user_id}"),)
            raise

    async def refresh(self, refresh_token: str, origin: Origin) -> LoggedIn:
        """Raises RefreshRefused. A token that had been replaced ends its session; so does a session
        that the tenant's rules ask more of by now.
        """
        ports = self._ports
        rotated = await ports.refresh_tokens.rotate(refresh_token, ports.clock.now())
        if rotated is None:
            whose = await ports.refresh_tokens.owner(refresh_token)
            told = () if whose is None else (whose,)
            raise RefreshRefused(whose=told, reason="it has expired, or its session ended")
        ended = await self._reason_to_end(rotated)
        if ended is not None:
            caller = proving(rotated.tenant_id, rotated.user_id)
            await ports.dispatcher.dispatch(EndSession(rotated.session_id, ended), caller, origin)
            raise RefreshRefused(whose=(Whose(rotated.tenant_id, caller.actor),), reason=ended)
        assert isinstance(rotated, Rotated)
        return await self._logged_in(
            rotated.tenant_id, rotated.user_id, rotated.session_id, rotated.text
        )

    async def _reason_to_end(self, rotated: Rotated | Reused) -> EndReason | None:
        if isinstance(rotated, Reused):
            return "token_reused"
        rules = await self.rules(rotated.tenant_id)
        if rules is None or not rules.requires_second_factor:
            return None
        user = await self._active_user(rotated.tenant_id, rotated.user_id)
        events = self._ports.events
        session = await events.load(Session, rotated.session_id, rotated.tenant_id)
        if session is None:
            return None
        events.keep(session, rotated.tenant_id)
        is_enough = rules.is_enough(user.role, session.factors)
        return None if is_enough else "second_factor_required"

    async def rules(self, tenant_id: TenantId) -> LoginRules | None:
        """None: nobody has changed any."""
        events = self._ports.events
        rules = await events.load(LoginRules, login_rules_id(tenant_id), tenant_id)
        if rules is not None:
            events.keep(rules, tenant_id)
        return rules

    async def begin_session(
        self, tenant_id: TenantId, user_id: UUID, factors: Sequence[str], origin: Origin
    ) -> LoggedIn:
        """For a person who has proven who they are by these factors."""
        ports = self._ports
        now = ports.clock.now()
        await self._active_user(tenant_id, user_id)
        token = ports.refresh_tokens.first(tenant_id)
        start = StartSession(
            factors=tuple(factors),
            client=origin.user_agent,
            expires_at=now + ports.session,
            token_hash=token.token_hash,
            token_expires_at=now + min(ports.idle, ports.session),
        )
        answer = await ports.dispatcher.dispatch(start, proving(tenant_id, user_id), origin)
        session_id = UUID(str(answer.result["session_id"]))
        return await self._logged_in(tenant_id, user_id, session_id, token.text)

    async def _logged_in(
        self, tenant_id: TenantId, user_id: UUID, session_id: UUID, refresh_token: str
    ) -> LoggedIn:
        ports = self._ports
        user = await self._active_user(tenant_id, user_id)
        return LoggedIn(
            access_token=await ports.access_tokens.mint(tenant_id, user_id, session_id),
            refresh_token=refresh_token,
            expires_in_s=ports.access_tokens.lifetime_s,
            tenant_id=tenant_id,
            user_id=user_id,
            email=user.email,
            role=user.role,
        )

    async def _active_user(self, tenant_id: TenantId, user_id: UUID) -> User:
        """Raises WrongCredentials."""
        user = await self._ports.events.load(User, user_id, tenant_id)
        if user is None:
            raise WrongCredentials
        self._ports.events.keep(user, tenant_id)
        if not user.is_active:
            raise wrong_credentials(tenant_id, user_id, "the person is not active")
        return user

    async def _fitting(self, password: str, accounts: Sequence[Account]) -> list[Account]:
        ports = self._ports
        if not accounts:
            await ports.passwords.is_password(password, None)
        return [
            account
            for account in accounts
            if await ports.passwords.is_password(password, account.password_hash)
        ]


def wrong_credentials(tenant_id: TenantId, user_id: UUID, reason: str) -> WrongCredentials:
    return WrongCredentials(whose=(Whose(tenant_id, f"user:{user_id}"),), reason=reason)


def _whose(accounts: Sequence[Account]) -> Sequence[Whose]:
    return [Whose(account.tenant_id, f"user:{account.user_id}") for account in accounts]


def proving(tenant_id: TenantId, user_id: UUID) -> Caller:
    """Somebody who has just proven to be this person; may change what is theirs and nothing
    else.
    """
    return Caller(
        actor=f"user:{user_id}",
        tenant_id=tenant_id,
        scopes=PROVING_SCOPES,
        user_id=user_id,
        own_only=PROVING_SCOPES,
    )
