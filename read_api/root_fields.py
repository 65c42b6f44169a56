"""What each root field requires of its caller and of its arguments; a field without an entry is not
served.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from infra.authentication import Caller, DomainError, require
from read_api.connections import check_page
from read_api.errors import RequestRefused, coded, refuse
from read_api.events import check_event_page
from read_api.execution_diff import check_versions
from read_api.execution_stats import check_stats
from read_api.limits import ReadLimits
from read_api.past import check_version


def check_nothing(arguments: Mapping[str, Any], limits: ReadLimits) -> None:
    """For fields whose arguments mean something or match nothing, but are never wrong."""


@dataclass(frozen=True, slots=True)
class RootFieldRule:
    """check: raises RequestRefused for arguments that cannot be served. is_of_tenant: False for
    what has no tenant.
    """

    scope: str
    check: Callable[[Mapping[str, Any], ReadLimits], None] = check_nothing
    is_of_tenant: bool = True


ROOT_FIELDS: Mapping[str, RootFieldRule] = {
    "execution": RootFieldRule("read"),
    "executions": RootFieldRule("read", check_page),
    "executionAt": RootFieldRule("read", check_version),
    "executionDiff": RootFieldRule("read", check_versions),
    "executionStats": RootFieldRule("read", check_stats),
    "workflow": RootFieldRule("read"),
    "workflows": RootFieldRule("read", check_page),
    "agent": RootFieldRule("read"),
    "agents": RootFieldRule("read", check_page),
    "bulkOperation": RootFieldRule("read"),
    "bulkOperations": RootFieldRule("read", check_page),
    "tenant": RootFieldRule("read"),
    "users": RootFieldRule("read", check_page),
    "identityProviders": RootFieldRule("read", check_page),
    "externalIdentities": RootFieldRule("read", check_page),
    "apiKeys": RootFieldRule("read", check_page),
    "events": RootFieldRule("read", check_event_page),
    "projections": RootFieldRule("read", is_of_tenant=False),
    "executionUpdates": RootFieldRule("read"),
    "tenantUpdates": RootFieldRule("read"),
    # Of the schema itself, which is no secret to whoever may ask at all.
    "__schema": RootFieldRule("read", is_of_tenant=False),
    "__type": RootFieldRule("read", is_of_tenant=False),
    "__typename": RootFieldRule("read", is_of_tenant=False),
}


def check_root_field(
    name: str, arguments: Mapping[str, Any], caller: Caller, limits: ReadLimits
) -> None:
    """Raises RequestRefused."""
    rule = ROOT_FIELDS[name]
    try:
        require(caller, rule.scope)
    except DomainError as error:
        raise RequestRefused([coded(error.code, error.detail)]) from None
    if rule.is_of_tenant and caller.tenant_id is None:
        raise refuse("forbidden", "This belongs to a tenant: use one of its credentials.")
    rule.check(arguments, limits)
