"""What people do about their own password and second factor: prove who they are once more, then
change it. Somebody who forgot the password proves it by a mail.
"""

from collections.abc import Sequence
from uuid import UUID

from commands.authorization import Caller, require
from commands.decisions import Command
from commands.dispatch import Origin
from commands.login_flow import (
    LoggedIn,
    LoginFlow,
    LoginPorts,
    WrongCredentials,
    proving,
    wrong_credentials,
)
from commands.login_port import Account, NewSecondFactor, ResetTokens
from commands.logins import (
    ChangePassword,
    DisableSecondFactor,
    EnableSecondFactor,
    ReplaceRecoveryCodes,
    RequestReset,
)
from commands.memberships import personal_words
from commands.password_port import require_new_password
from domain.errors import FieldError, Forbidden, Invalid
from domain.identifiers import JsonObject, TenantId
from domain.identity import User
from domain.login_rules import TOTP
from domain.logins import require_password


class NeedsSession(Forbidden):
    """Log in to do this; an API key is not enough."""

    code = "needs_session"


class ResetRefused(Invalid):
    """This token does not count (any more); ask for a new one."""

    code = "reset_refused"


class AccountFlow:
    def __init__(self, ports: LoginPorts, login: LoginFlow, reset_tokens: ResetTokens) -> None:
        self._ports = ports
        self._login = login
        self._reset_tokens = reset_tokens

    async def change_password(self, caller: Caller, old: str, new: str, origin: Origin) -> int:
        """How many other sessions it ended. Raises Invalid, WrongCredentials, TooManyAttempts."""
        tenant_id, user_id = _person(caller)
        require_password(new, "/new_password")
        await self._require_password(tenant_id, user_id, old, origin)
        await self._require_new(tenant_id, user_id, new, "/new_password")
        hashed = await self._ports.passwords.hash_password(new)
        command = ChangePassword("changed", hashed, caller.session_id)
        answer = await self._dispatch(command, tenant_id, user_id, origin)
        return int(str(answer["ended_count"]))

    async def admit_reset(self, email: str, origin: Origin) -> None:
        """Raises TooManyAttempts, whether anybody has this address or not."""
        await self._ports.attempts.begin("reset", email.casefold(), origin.address)

    async def request_reset(self, email: str, origin: Origin) -> None:
        """Mails a token to each account of the address, if there are any. How long it takes tells
        which, so nobody waits for it.
        """
        ports = self._ports
        for account in await ports.accounts.of_email(email, None):
            text, token_hash = self._reset_tokens.new(account.tenant_id)
            command = RequestReset(text, token_hash)
            await self._dispatch(command, account.tenant_id, account.user_id, origin)

    async def confirm_reset(self, token: str, password: str, origin: Origin) -> None:
        """Raises Invalid, ResetRefused."""
        require_password(password, "/password")
        parsed = self._reset_tokens.parsed(token)
        if parsed is None:
            raise _reset_refused()
        tenant_id, token_hash = parsed
        accounts, now = self._ports.accounts, self._ports.clock.now()
        # Looked at first, so that a password that is refused does not cost the token.
        user_id = await accounts.reset_token_of(tenant_id, token_hash, now)
        if user_id is None:
            raise _reset_refused()
        await self._require_new(tenant_id, user_id, password, "/password")
        hashed = await self._ports.passwords.hash_password(password)
        if await accounts.take_reset_token(tenant_id, token_hash, now) is None:
            raise _reset_refused()
        await self._dispatch(ChangePassword("reset", hashed), tenant_id, user_id, origin)

    async def enrol(self, caller: Caller, password: str, origin: Origin) -> NewSecondFactor:
        """Raises WrongCredentials, TooManyAttempts, SecondFactorPresent."""
        tenant_id, user_id = _person(caller)
        await self._require_password(tenant_id, user_id, password, origin)
        return await self._enrolled(tenant_id, user_id)

    async def confirm(self, caller: Caller, code: str, origin: Origin) -> Sequence[str]:
        """The recovery codes. Raises WrongCredentials, TooManyAttempts."""
        tenant_id, user_id = _person(caller)
        return await self._confirmed(tenant_id, user_id, code, origin)

    async def set_up(self, mfa_token: str) -> NewSecondFactor:
        """For somebody who cannot log in without. Raises Unauthenticated, SecondFactorPresent."""
        verify = self._ports.access_tokens.verify_mfa
        tenant_id, user_id, _ = await verify("second-factor-setup", mfa_token)
        return await self._enrolled(tenant_id, user_id)

    async def finish_setup(
        self, mfa_token: str, code: str, origin: Origin
    ) -> tuple[LoggedIn, Sequence[str]]:
        """The session, and the recovery codes. Raises Unauthenticated, TooManyAttempts."""
        verify = self._ports.access_tokens.verify_mfa
        tenant_id, user_id, factors = await verify("second-factor-setup", mfa_token)
        codes = await self._confirmed(tenant_id, user_id, code, origin)
        session = await self._login.begin_session(tenant_id, user_id, [*factors, TOTP], origin)
        return session, codes

    async def _require_new(
        self, tenant_id: TenantId, user_id: UUID, password: str, path: str
    ) -> None:
        """Raises Invalid."""
        events = self._ports.events
        user = await events.load(User, user_id, tenant_id)
        if user is None:
            raise WrongCredentials
        events.keep(user, tenant_id)
        words = await personal_words(events, tenant_id, user)
        await require_new_password(self._ports.password_judge, password, path, words)

    async def _enrolled(self, tenant_id: TenantId, user_id: UUID) -> NewSecondFactor:
        user = await self._ports.events.load(User, user_id, tenant_id)
        if user is None or not user.is_active:
            raise WrongCredentials
        self._ports.events.keep(user, tenant_id)
        return await self._ports.second_factors.enrol(tenant_id, user_id, user.email)

    async def _confirmed(
        self, tenant_id: TenantId, user_id: UUID, code: str, origin: Origin
    ) -> Sequence[str]:
        ports = self._ports
        attempt = await self._login.begin_attempt(tenant_id, user_id, origin)
        factors = ports.second_factors
        if not await factors.take_code(tenant_id, user_id, code, is_confirmed=False):
            raise wrong_credentials(tenant_id, user_id, "the code is wrong, or was used before")
        await ports.attempts.succeeded(attempt)
        codes, hashes = factors.new_recovery_codes(user_id)
        await self._dispatch(EnableSecondFactor(hashes), tenant_id, user_id, origin)
        return codes

    async def disable(self, caller: Caller, password: str, code: str, origin: Origin) -> None:
        """Raises WrongCredentials, TooManyAttempts, SecondFactorMissing, SecondFactorRequired."""
        tenant_id, user_id = _person(caller)
        await self._require_password(tenant_id, user_id, password, origin)
        await self._login.require_second_factor(tenant_id, user_id, code, origin)
        await self._dispatch(DisableSecondFactor(), tenant_id, user_id, origin)

    async def renew_codes(
        self, caller: Caller, password: str, code: str, origin: Origin
    ) -> Sequence[str]:
        """New recovery codes; the old ones count no more. Raises as `disable`."""
        tenant_id, user_id = _person(caller)
        await self._require_password(tenant_id, user_id, password, origin)
        await self._login.require_second_factor(tenant_id, user_id, code, origin)
        codes, hashes = self._ports.second_factors.new_recovery_codes(user_id)
        await self._dispatch(ReplaceRecoveryCodes(hashes), tenant_id, user_id, origin)
        return codes

    async def _require_password(
        self, tenant_id: TenantId, user_id: UUID, password: str, origin: Origin
    ) -> Account:
        """Counted as the second factor is: by the person, whose address is not asked for here."""
        ports = self._ports
        attempt = await self._login.begin_attempt(tenant_id, user_id, origin)
        account = await ports.accounts.of_user(tenant_id, user_id)
        stored = None if account is None else account.password_hash
        if not await ports.passwords.is_password(password, stored) or account is None:
            raise wrong_credentials(tenant_id, user_id, "the password is wrong")
        await ports.attempts.succeeded(attempt)
        return account

    async def _dispatch(
        self, command: Command, tenant_id: TenantId, user_id: UUID, origin: Origin
    ) -> JsonObject:
        caller = proving(tenant_id, user_id)
        return (await self._ports.dispatcher.dispatch(command, caller, origin)).result


def _person(caller: Caller) -> tuple[TenantId, UUID]:
    """Raises NeedsSession."""
    require(caller, ChangePassword.requires)
    if caller.session_id is None or caller.tenant_id is None or caller.user_id is None:
        raise NeedsSession
    return caller.tenant_id, caller.user_id


def _reset_refused() -> ResetRefused:
    return ResetRefused(errors=[FieldError("/token", "reset_refused", "it does not count")])
