"""Scopes: a star holds all of a tenant's, the operator holds the operator's, and nothing more."""

import pytest

from commands.authorization import (
    OPERATOR_SCOPES,
    PERMISSIONS,
    RESELLER_SCOPES,
    ROLE_CELLS,
    ROLE_GRANTS,
    TENANT_SCOPES,
    Caller,
    Grants,
    MissingScope,
    ScopeNotHeld,
    grants_of,
    narrowed,
    reaches,
    require,
    require_grantable,
    require_grants_held,
)
from domain.identifiers import TenantId
from domain.identity import ROLES
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
    delegated = () if scope in RESELLER_SCOPES else (a_caller(scope),)
    for caller in (a_caller("*"), a_caller("operator"), *delegated):
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


def somebody(role: str) -> Caller:
    grants = ROLE_GRANTS[role]
    return Caller("user:x", TENANT, grants.scopes, Uuid7Ids().new(), own_only=grants.own_only)


def test_every_scope_has_its_row_in_the_table_and_every_role_its_column() -> None:
    assert ROLE_CELLS.keys() == TENANT_SCOPES.keys() | RESELLER_SCOPES.keys()
    assert ROLE_GRANTS.keys() == set(ROLES)
    columns = {role for cells in ROLE_CELLS.values() for role in cells}
    assert columns == set(ROLES) - {"ADMIN"}


@pytest.mark.parametrize("scope", TENANT_SCOPES)
def test_an_admin_reaches_everything(scope: str) -> None:
    require(somebody("ADMIN"), scope)
    assert reaches(somebody("ADMIN"), scope, None)


def test_a_viewer_writes_nothing_but_their_own_account() -> None:
    own = {"account:write", "external_identities:write"}
    assert somebody("VIEWER").scopes == {"read", *own}


@pytest.mark.parametrize("role", ["USER", "VIEWER", "RESELLER"])
def test_whoever_is_no_admin_reaches_their_own_and_nothing_else(role: str) -> None:
    caller = somebody(role)
    for scope in caller.scopes:
        assert reaches(caller, scope, caller.user_id)
        assert reaches(caller, scope, str(caller.user_id))
        assert not reaches(caller, scope, Uuid7Ids().new())
        assert not reaches(caller, scope, None)


def test_who_has_no_person_behind_them_owns_nothing() -> None:
    program = Caller("api_key:x", TENANT, frozenset({"read"}), own_only=frozenset({"read"}))
    assert not reaches(program, "read", None)
    assert not reaches(program, "read", "None")


def test_nobody_lets_others_do_more_or_reach_further_than_themselves() -> None:
    require_grants_held(somebody("ADMIN"), ROLE_GRANTS["ADMIN"])
    require_grants_held(somebody("ADMIN"), ROLE_GRANTS["USER"])
    require_grants_held(somebody("USER"), ROLE_GRANTS["VIEWER"])
    for role, permissions in (
        ("ADMIN", ["tenants:create"]),
        ("USER", ["*"]),
        ("USER", ["read"]),
        ("VIEWER", ["workflows:write:own"]),
    ):
        with pytest.raises(ScopeNotHeld):
            require_grants_held(somebody(role), grants_of(permissions))


def test_a_permission_reaches_all_unless_it_says_own() -> None:
    wanted = Grants(frozenset({"read", "agents:write"}), frozenset({"agents:write"}))
    assert grants_of(["read", "read:own", "agents:write:own"]) == wanted


def test_only_what_can_be_somebodys_own_has_a_permission_for_it() -> None:
    assert "workflows:execute:own" in PERMISSIONS
    assert "retention:write:own" not in PERMISSIONS


@pytest.mark.parametrize(
    ("role", "scopes", "kept"),
    [
        ("ADMIN", {"*"}, {"*"}),
        ("ADMIN", {"read", "tenants:create"}, {"read"}),
        ("VIEWER", {"*"}, {"read", "account:write", "external_identities:write"}),
        ("VIEWER", {"workflows:write"}, set[str]()),
        ("RESELLER", {"tenants:create"}, {"tenants:create"}),
        ("RESELLER", {"*"}, ROLE_GRANTS["RESELLER"].scopes - RESELLER_SCOPES.keys()),
    ],
)
def test_a_key_holds_what_it_names_as_far_as_its_person_does(
    role: str, scopes: set[str], kept: set[str]
) -> None:
    left = narrowed(ROLE_GRANTS[role], scopes)
    assert left.scopes == kept
    assert left.own_only == left.scopes & ROLE_GRANTS[role].own_only
