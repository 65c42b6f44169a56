"""Login: how one person proves who they are, and what was changed about it. One stream for each
person who ever changed something; secrets and their hashes are kept beside the log.

Rules for passwords are here too: bcrypt reads 72 bytes, so a longer password is refused and never
cut.
"""

import unicodedata
from typing import Literal
from uuid import UUID, uuid5

from eventsourcing.domain import event

from domain.aggregates import Aggregate
from domain.errors import FieldError, Invalid, Refused
from domain.identifiers import StreamId

PASSWORD_CHARACTERS_MIN = 12
PASSWORD_BYTES_MAX = 72

PasswordChange = Literal["changed", "reset"]


class SecondFactorPresent(Refused):
    """There is a second factor already; disable it first."""

    code = "second_factor_present"


class SecondFactorMissing(Refused):
    """There is no second factor."""

    code = "second_factor_missing"


class OwnSecondFactor(Refused):
    """One's own second factor is removed with one of its codes (POST /auth/totp/disable)."""

    code = "own_second_factor"


def login_id(user_id: UUID) -> StreamId:
    """Never changes: the stream of a person is found by it."""
    return StreamId(uuid5(user_id, "login"))


def canonical_password(password: str) -> str:
    """The same characters are the same password, however a keyboard composes them."""
    return unicodedata.normalize("NFC", password)


def require_password(password: str, path: str) -> None:
    """That it may become somebody's password. Raises Invalid at `path`."""
    canonical = canonical_password(password)
    if len(canonical) < PASSWORD_CHARACTERS_MIN:
        reason = f"a password has at least {PASSWORD_CHARACTERS_MIN} characters"
        raise Invalid(errors=[FieldError(path, "password_too_short", reason)])
    if len(canonical.encode()) > PASSWORD_BYTES_MAX:
        reason = f"a password has at most {PASSWORD_BYTES_MAX} bytes of UTF-8"
        raise Invalid(errors=[FieldError(path, "password_too_long", reason)])


class Login(Aggregate):
    TOPIC = "login"

    class Created(Aggregate.Created):
        TOPIC = "login.created"
        user_id: str

    class PasswordChanged(Aggregate.Event):
        """how: by somebody who knew the old one, or by a mail."""

        TOPIC = "login.password_changed"
        how: str

    class SecondFactorEnabled(Aggregate.Event):
        TOPIC = "login.second_factor_enabled"

    class SecondFactorDisabled(Aggregate.Event):
        TOPIC = "login.second_factor_disabled"

    class SecondFactorRemoved(Aggregate.Event):
        """By an administrator, for somebody who has lost it."""

        TOPIC = "login.second_factor_removed"

    class RecoveryCodesReplaced(Aggregate.Event):
        TOPIC = "login.recovery_codes_replaced"

    class RecoveryCodeUsed(Aggregate.Event):
        TOPIC = "login.recovery_code_used"

    class ResetRequested(Aggregate.Event):
        """A mail goes to the person; the token in it is no fact of the log."""

        TOPIC = "login.reset_requested"

    @event(Created)
    def __init__(
        self,
        *,
        id: UUID,  # noqa: A002, ARG002 # taken by the library, which calls it so
        user_id: str,
    ) -> None:
        self.user_id = user_id
        self.has_second_factor = False

    def change_password(self, how: PasswordChange) -> None:
        self._password_changed(how)

    def enable_second_factor(self) -> None:
        if self.has_second_factor:
            raise SecondFactorPresent
        self._second_factor_enabled()

    def disable_second_factor(self) -> None:
        if not self.has_second_factor:
            raise SecondFactorMissing
        self._second_factor_disabled()

    def remove_second_factor(self) -> None:
        if not self.has_second_factor:
            raise SecondFactorMissing
        self._second_factor_removed()

    def replace_recovery_codes(self) -> None:
        if not self.has_second_factor:
            raise SecondFactorMissing
        self._recovery_codes_replaced()

    def use_recovery_code(self) -> None:
        self._recovery_code_used()

    def request_reset(self) -> None:
        self._reset_requested()

    @event(PasswordChanged)
    def _password_changed(self, how: str) -> None: ...

    @event(SecondFactorEnabled)
    def _second_factor_enabled(self) -> None:
        self.has_second_factor = True

    @event(SecondFactorDisabled)
    def _second_factor_disabled(self) -> None:
        self.has_second_factor = False

    @event(SecondFactorRemoved)
    def _second_factor_removed(self) -> None:
        self.has_second_factor = False

    @event(RecoveryCodesReplaced)
    def _recovery_codes_replaced(self) -> None: ...

    @event(RecoveryCodeUsed)
    def _recovery_code_used(self) -> None: ...

    @event(ResetRequested)
    def _reset_requested(self) -> None: ...
