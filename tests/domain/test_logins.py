"""Passwords that may be set, and a second factor that is there once."""

from uuid import UUID

import pytest

from domain.errors import Invalid
from domain.logins import (
    PASSWORD_BYTES_MAX,
    Login,
    SecondFactorMissing,
    SecondFactorPresent,
    require_password,
)


@pytest.mark.parametrize("password", ["a" * 12, "p" * PASSWORD_BYTES_MAX, "ä" * 36])
def test_a_password_of_12_characters_to_72_bytes_may_be_set(password: str) -> None:
    require_password(password, "/password")


@pytest.mark.parametrize(("password", "code"), [
    ("", "password_too_short"),
    ("a" * 11, "password_too_short"),
    # Eleven characters, each of two code points.
    ("e\u0301" * 11, "password_too_short"),
    ("p" * 73, "password_too_long"),
    ("ä" * 37, "password_too_long"),
])  # fmt: skip
def test_any_other_is_refused_with_its_reason(password: str, code: str) -> None:
    with pytest.raises(Invalid) as refused:
        require_password(password, "/password")
    assert [(error.path, error.code) for error in refused.value.errors] == [("/password", code)]


def test_a_second_factor_is_enabled_and_disabled_in_turns() -> None:
    login = Login(id=UUID(int=1), user_id="ada")
    with pytest.raises(SecondFactorMissing):
        login.disable_second_factor()
    login.enable_second_factor()
    with pytest.raises(SecondFactorPresent):
        login.enable_second_factor()
    login.replace_recovery_codes()
    login.disable_second_factor()
    with pytest.raises(SecondFactorMissing):
        login.replace_recovery_codes()
