"""Which factors are enough for whom."""

from uuid import UUID

import pytest

from domain.login_rules import LoginRules, at_provider

AT = at_provider(UUID(int=5))


def rules(*roles: str, trusts: bool = False) -> LoginRules:
    made = LoginRules(id=UUID(int=1))
    made.change(
        requires_second_factor=True, second_factor_roles=list(roles), trusts_providers=trusts
    )
    return made


@pytest.mark.parametrize(
    ("made", "role", "factors", "is_enough"),
    [
        (rules(), "ADMIN", {"password"}, False),
        (rules(), "ADMIN", {"password", "totp"}, True),
        (rules("ADMIN"), "USER", {"password"}, True),
        (rules("ADMIN"), "ADMIN", {"password"}, False),
        (rules(), "USER", {AT}, False),
        (rules(), "USER", {AT, "mfa"}, True),
        (rules(trusts=True), "USER", {AT}, True),
        (rules(trusts=True), "USER", {"password"}, False),
    ],
)
def test_what_is_enough(made: LoginRules, role: str, factors: set[str], is_enough: bool) -> None:
    assert made.is_enough(role, factors) is is_enough
