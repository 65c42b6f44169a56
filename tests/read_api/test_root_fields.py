"""Every root field asks each role for its scope."""

import pytest

from commands.authorization import OPERATOR_SCOPES, ROLE_GRANTS, TENANT_SCOPES, Caller, holds
from read_api.errors import RequestRefused
from read_api.limits import ReadLimits
from read_api.root_fields import ROOT_FIELDS, check_root_field
from tests.projections.histories import IDS, a_tenant


def test_every_field_asks_for_a_scope_that_somebody_holds() -> None:
    assert {rule.scope for rule in ROOT_FIELDS.values()} <= {*TENANT_SCOPES, *OPERATOR_SCOPES}


@pytest.mark.parametrize("role", ROLE_GRANTS)
@pytest.mark.parametrize("name", ROOT_FIELDS)
def test_a_field_is_closed_to_a_role_without_its_scope(role: str, name: str) -> None:
    grants = ROLE_GRANTS[role]
    caller = Caller("user:1", a_tenant(), grants.scopes, IDS.new(), own_only=grants.own_only)
    try:
        check_root_field(name, {}, caller, ReadLimits())
        is_open = True
    except RequestRefused as refused:
        is_open = (refused.errors[0].extensions or {})["code"] != "forbidden"
    except KeyError:
        is_open = True  # The check of its arguments, which comes after.
    if scope_reaches_all(caller, name) or not holds(caller, ROOT_FIELDS[name].scope):
        assert is_open is holds(caller, ROOT_FIELDS[name].scope)


def scope_reaches_all(caller: Caller, name: str) -> bool:
    return ROOT_FIELDS[name].scope not in caller.own_only
