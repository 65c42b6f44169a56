"""Scopes: a star holds all of a tenant's, the operator holds the operator's, and nothing more."""

import pytest

from commands.authorization import (
    OPERATOR_SCOPES,
    RESELLER_SCOPES,
    TENANT_SCOPES,
    Caller,
    MissingScope,
    ScopeNotHeld,
    require,
    require_grantable,
)
from domain.identifiers import TenantId
from infra.clock import Uuid7Ids

TENANT = TenantId(Uuid7Ids().new())
ONLY_OPERATOR = sorted(set(OPERATOR_SCOPES) - {*TENANT_SCOPES, *RESELLER_SCOPES})
ONLY_TENANT = sorted(set(TENANT_SCOPES) - set(OPERATOR_SCOPES))


def a_caller(*scopes: str) -> Caller:
    return Caller("api_key:x", TENANT, frozenset(scopes))


OPERATOR = Caller("operator", None, frozenset({"operator"}), is_operator=True)


@pytest.mark.parametrize("scope", TENANT_SCOPES)
def test_a_scope_allows_itself_and_nothing_else(scope: str) -> None:
    require(a_caller(scope), scope)
    for other in set(TENANT_SCOPES) - {scope}:
        with pytest.raises(MissingScope):
            require(a_caller(scope), other)


@pytest.mark.parametrize("scope", TENANT_SCOPES)
def test_a_star_allows_everything_of_the_tenant(scope: str) -> None:
    require(a_caller("*"), scope)


@pytest.mark.parametrize("scope", ONLY_OPERATOR)
def test_no_credential_of_a_tenant_is_the_operator(scope: str) -> None:
    for caller in (a_caller("*"), a_caller(scope), a_caller("operator")):
        with pytest.raises(MissingScope):
            require(caller, scope)
    require(OPERATOR, scope)


@pytest.mark.parametrize("scope", RESELLER_SCOPES)
def test_what_a_reseller_may_is_held_by_nobody_who_was_not_given_it(scope: str) -> None:
    require(a_caller(scope), scope)
    with pytest.raises(MissingScope):
        require(a_caller("*"), scope)
    with pytest.raises(ScopeNotHeld):
        require_grantable(a_caller("*"), [scope])
    require_grantable(a_caller("*", scope), [scope])


@pytest.mark.parametrize("scope", ONLY_TENANT)
def test_the_operator_is_no_tenant(scope: str) -> None:
    with pytest.raises(MissingScope):
        require(OPERATOR, scope)


def test_only_what_is_held_can_be_granted() -> None:
    require_grantable(a_caller("*"), ["*", *TENANT_SCOPES])
    require_grantable(a_caller("read"), ["read"])
    with pytest.raises(ScopeNotHeld):
        require_grantable(a_caller(*TENANT_SCOPES), ["*"])
