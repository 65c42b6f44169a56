"""What people change about how they prove who they are. Who may has been proven before
(commands/login_flow.py, commands/account_flow.py): the caller of each command here is its person.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import ClassVar
from uuid import UUID

from commands.decisions import SECRET, Command, Decided, Tenancy
from commands.identity import changeable_user
from commands.login_port import (
    ConfirmedSecondFactor,
    EndedSession,
    RemovedResetTokens,
    RemovedSecondFactor,
    ReplacedPassword,
    ReplacedRecoveryCodes,
    StoredResetToken,
)
from commands.mail_port import Mail, QueuedMail
from commands.sessions import ended_sessions
from domain.identity import User, UserNotFound
from domain.login_rules import LoginRules, SecondFactorRequired, login_rules_id
from domain.logins import Login, OwnSecondFactor, PasswordChange, login_id

RESET_LIFETIME = timedelta(hours=1)
RESET_SUBJECT = "Your new AgentLedger password"
RESET_TEXT = """\
Somebody, hopefully you, asked for a new password for this address.

To set one, send this token within an hour, with the password that you choose, to
POST /api/v1/auth/password-reset/confirm:

{token}

If it was not you, there is nothing to do: without this token nothing changes.
"""
CHANGED_SUBJECT = "Your AgentLedger password was changed"
CHANGED_TEXT = """\
The password of your account was changed, and all other sessions were ended.

If it was not you, ask for a new password at once (POST /api/v1/auth/password-reset) and tell an
administrator.
"""
CHANGED_LIFETIME = timedelta(days=1)
FACTOR_SUBJECT = "Your AgentLedger second factor was reset"
FACTOR_TEXT = """\
An administrator removed the second factor of your account, and all sessions were ended.

Log in with your password and set up a new one. If you did not ask for this, change your password
and tell an administrator.
"""


@dataclass(frozen=True, slots=True)
class ChangePassword(Command):
    """kept_session: the one that it is changed in; all others end."""

    requires: ClassVar[str] = "account:write"

    how: PasswordChange
    password_hash: str = field(repr=False, metadata=SECRET)
    kept_session: UUID | None = None


@dataclass(frozen=True, slots=True)
class RequestReset(Command):
    requires: ClassVar[str] = "account:write"

    token: str = field(repr=False, metadata=SECRET)
    token_hash: bytes = field(repr=False, metadata=SECRET)


@dataclass(frozen=True, slots=True)
class EnableSecondFactor(Command):
    requires: ClassVar[str] = "account:write"

    code_hashes: Sequence[bytes] = field(repr=False, metadata=SECRET)


@dataclass(frozen=True, slots=True)
class DisableSecondFactor(Command):
    requires: ClassVar[str] = "account:write"


@dataclass(frozen=True, slots=True)
class ResetSecondFactor(Command):
    """Of somebody else, who has lost it; their sessions end."""

    requires: ClassVar[str] = "users:write"

    user_id: UUID


@dataclass(frozen=True, slots=True)
class ReplaceRecoveryCodes(Command):
    requires: ClassVar[str] = "account:write"

    code_hashes: Sequence[bytes] = field(repr=False, metadata=SECRET)


@dataclass(frozen=True, slots=True)
class UseRecoveryCode(Command):
    """It was taken already; this records that it was."""

    requires: ClassVar[str] = "account:write"
    is_open_to_suspended: ClassVar[bool] = True


async def change_password(command: ChangePassword, on: Tenancy) -> Decided:
    user_id = _person(on)
    login = await _login(on, user_id)
    login.change_password(command.how)
    ended = await ended_sessions(on, user_id, "password_changed", kept=command.kept_session)
    told = await _mail(
        on, user_id, subject=CHANGED_SUBJECT, text=CHANGED_TEXT, lifetime=CHANGED_LIFETIME
    )
    return Decided(
        result={"ended_count": len(ended)},
        aggregates=(login, *ended),
        side_rows=(
            ReplacedPassword(user_id, command.password_hash),
            RemovedResetTokens(user_id),
            *(EndedSession(session.id) for session in ended),
            told,
        ),
    )


async def request_reset(command: RequestReset, on: Tenancy) -> Decided:
    user_id = _person(on)
    login = await _login(on, user_id)
    login.request_reset()
    text = RESET_TEXT.format(token=command.token)
    expires_at = on.ports.clock.now() + RESET_LIFETIME
    return Decided(
        result={},
        aggregates=(login,),
        side_rows=(
            StoredResetToken(user_id, command.token_hash, expires_at),
            await _mail(on, user_id, subject=RESET_SUBJECT, text=text, lifetime=RESET_LIFETIME),
        ),
    )


async def enable_second_factor(command: EnableSecondFactor, on: Tenancy) -> Decided:
    user_id = _person(on)
    login = await _login(on, user_id)
    login.enable_second_factor()
    codes = ReplacedRecoveryCodes(user_id, command.code_hashes)
    return Decided({}, (login,), (ConfirmedSecondFactor(user_id), codes))


async def disable_second_factor(command: DisableSecondFactor, on: Tenancy) -> Decided:
    """Raises SecondFactorMissing, SecondFactorRequired."""
    del command
    user_id = _person(on)
    await _require_dispensable(on, user_id)
    login = await _login(on, user_id)
    login.disable_second_factor()
    return Decided({}, (login,), (RemovedSecondFactor(user_id),))


async def reset_second_factor(command: ResetSecondFactor, on: Tenancy) -> Decided:
    """Raises OwnSecondFactor, SecondFactorMissing, ScopeNotHeld."""
    if command.user_id == on.caller.user_id:
        raise OwnSecondFactor
    user = await changeable_user(command.user_id, on)
    on.keep(user)
    login = await _login(on, user.id)
    login.remove_second_factor()
    ended = await ended_sessions(on, user.id, "second_factor_reset")
    told = await _mail(
        on, user.id, subject=FACTOR_SUBJECT, text=FACTOR_TEXT, lifetime=CHANGED_LIFETIME
    )
    return Decided(
        result={"user_id": str(user.id), "ended_count": len(ended)},
        aggregates=(login, *ended),
        side_rows=(
            RemovedSecondFactor(user.id),
            *(EndedSession(session.id) for session in ended),
            told,
        ),
    )


async def replace_recovery_codes(command: ReplaceRecoveryCodes, on: Tenancy) -> Decided:
    user_id = _person(on)
    login = await _login(on, user_id)
    login.replace_recovery_codes()
    return Decided({}, (login,), (ReplacedRecoveryCodes(user_id, command.code_hashes),))


async def use_recovery_code(command: UseRecoveryCode, on: Tenancy) -> Decided:
    del command
    login = await _login(on, _person(on))
    login.use_recovery_code()
    return Decided({}, (login,))


def _person(on: Tenancy) -> UUID:
    assert on.caller.user_id is not None
    return on.caller.user_id


async def _require_dispensable(on: Tenancy, user_id: UUID) -> None:
    """Raises SecondFactorRequired."""
    rules = await on.ports.events.load(LoginRules, login_rules_id(on.tenant_id), on.tenant_id)
    if rules is None:
        return
    on.keep(rules)
    user = await on.load(User, user_id, UserNotFound)
    on.keep(user)
    if rules.concerns(user.role):
        raise SecondFactorRequired


async def _login(on: Tenancy, user_id: UUID) -> Login:
    """The person's stream, which begins with the first change."""
    stream_id = login_id(user_id)
    login = await on.ports.events.load(Login, stream_id, on.tenant_id)
    return login or on.begin(Login, stream_id, user_id=str(user_id))


async def _mail(
    on: Tenancy, user_id: UUID, *, subject: str, text: str, lifetime: timedelta
) -> QueuedMail:
    assert on.ports.mailbox is not None
    user = await on.load(User, user_id, UserNotFound)
    on.keep(user)
    mail = Mail(user.email, subject, text)
    expires_at = on.ports.clock.now() + lifetime
    return await on.ports.mailbox.queued(on.tenant_id, mail, user_id=user.id, expires_at=expires_at)
