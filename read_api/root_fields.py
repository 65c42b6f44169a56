"""What each root field requires of its caller and of its arguments; a field without an entry is not
served.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from infra.audit_trail import Outcome
from infra.authentication import Caller, DomainError, require
from read_api.aggregates import check_state, check_states
from read_api.approvals import check_approvals
from read_api.connections import check_page
from read_api.cost_explorer import check_exploring
from read_api.documents import Document
from read_api.errors import VALIDATION, RequestRefused, coded, refuse
from read_api.events import check_event_page
from read_api.execution_diff import check_versions
from read_api.execution_stats import check_stats
from read_api.limits import ReadLimits
from read_api.past import check_version
from read_api.seals import check_seal_order, check_seal_page
from read_api.usage import check_usage
from read_api.usage_facts import check_facts
from read_api.workflow_templates import check_similar

# What a refusal is of that concerns the operation as a whole.
ANY_FIELD = "graphql"
FORBIDDEN = "forbidden"


def check_nothing(arguments: Mapping[str, Any], limits: ReadLimits) -> None:
    """For fields whose arguments mean something or match nothing, but are never wrong."""


@dataclass(frozen=True, slots=True)
class RootFieldRule:
    """check: raises RequestRefused for arguments that cannot be served. is_of_tenant: False for
    what has no tenant. is_sensitive: each reading is put on record, as long as nobody says that it
    need not be. is_of_all: told only to who reads the whole tenant.
    """

    scope: str
    check: Callable[[Mapping[str, Any], ReadLimits], None] = check_nothing
    is_of_tenant: bool = True
    is_sensitive: bool = True
    is_of_all: bool = False


ROOT_FIELDS: Mapping[str, RootFieldRule] = {
    "execution": RootFieldRule("read", is_sensitive=False),
    "executions": RootFieldRule("read", check_page, is_sensitive=False),
    "executionAt": RootFieldRule("read", check_version, is_sensitive=False),
    "executionDiff": RootFieldRule("read", check_versions, is_sensitive=False),
    "approvals": RootFieldRule("read", check_approvals, is_sensitive=False),
    "executionStats": RootFieldRule("read", check_stats, is_sensitive=False),
    "usage": RootFieldRule("read", check_usage, is_sensitive=False),
    "budget": RootFieldRule("read", is_sensitive=False, is_of_all=True),
    "invoice": RootFieldRule("read", is_sensitive=False, is_of_all=True),
    "invoices": RootFieldRule("read", check_page, is_sensitive=False, is_of_all=True),
    "upcomingInvoice": RootFieldRule("read", is_sensitive=False, is_of_all=True),
    "budgets": RootFieldRule("read", check_page, is_sensitive=False, is_of_all=True),
    "usageFacts": RootFieldRule("read", check_facts, is_sensitive=False),
    "costExplorer": RootFieldRule("read", check_exploring, is_sensitive=False),
    "workflow": RootFieldRule("read", is_sensitive=False),
    "workflows": RootFieldRule("read", check_page, is_sensitive=False),
    "workflowTemplates": RootFieldRule("read", is_sensitive=False),
    "similarWorkflows": RootFieldRule("read", check_similar, is_sensitive=False),
    "agent": RootFieldRule("read", is_sensitive=False),
    "agents": RootFieldRule("read", check_page, is_sensitive=False),
    "trigger": RootFieldRule("read", is_sensitive=False),
    "triggers": RootFieldRule("read", check_page, is_sensitive=False),
    "bulkOperation": RootFieldRule("read", is_sensitive=False),
    "bulkOperations": RootFieldRule("read", check_page, is_sensitive=False),
    "tenant": RootFieldRule("read", is_sensitive=False),
    "subscription": RootFieldRule("read", is_sensitive=False),
    "credits": RootFieldRule("read", is_sensitive=False),
    "creditGrants": RootFieldRule("read", check_page, is_sensitive=False),
    "creditEntries": RootFieldRule("read", check_page, is_sensitive=False),
    "licences": RootFieldRule("read", check_page, is_sensitive=False),
    "tenants": RootFieldRule("tenants:manage", check_page, is_of_tenant=False),
    "users": RootFieldRule("read", check_page),
    "identityProviders": RootFieldRule("read", check_page),
    "externalIdentities": RootFieldRule("read", check_page),
    "user": RootFieldRule("read"),
    "me": RootFieldRule("read", is_sensitive=False),
    "featureFlags": RootFieldRule("read", is_sensitive=False),
    "roles": RootFieldRule("read", check_page, is_sensitive=False),
    "permissions": RootFieldRule("read", is_sensitive=False),
    "apiKeys": RootFieldRule("read", check_page),
    "sessions": RootFieldRule("read", check_page),
    "payments": RootFieldRule("read", check_page, is_sensitive=False, is_of_all=True),
    "providers": RootFieldRule("read", check_page),
    "secrets": RootFieldRule("read", check_page),
    "event": RootFieldRule("read"),
    "events": RootFieldRule("read", check_event_page),
    "auditEntries": RootFieldRule("audit:read", check_page, is_of_tenant=False),
    "aggregateAt": RootFieldRule("read", check_state),
    "aggregateDiff": RootFieldRule("read", check_states),
    "seals": RootFieldRule("audit:read", check_seal_page, is_sensitive=False),
    "inclusionProof": RootFieldRule("audit:read"),
    "consistencyProof": RootFieldRule("audit:read", check_seal_order, is_sensitive=False),
    "system": RootFieldRule("read", is_of_tenant=False, is_sensitive=False, is_of_all=True),
    "projections": RootFieldRule("read", is_of_tenant=False, is_sensitive=False),
    "priceBooks": RootFieldRule(
        "read", check_seal_page, is_of_tenant=False, is_sensitive=False, is_of_all=True
    ),
    "usageUpdates": RootFieldRule("read", is_sensitive=False),
    "executionUpdates": RootFieldRule("read", is_sensitive=False),
    "tokens": RootFieldRule("read", is_sensitive=False),
    "tenantUpdates": RootFieldRule("read", is_of_all=True),
    "budgetAlerts": RootFieldRule("read", is_sensitive=False, is_of_all=True),
    # Of the schema itself, which is no secret to whoever may ask at all.
    "__schema": RootFieldRule("read", is_of_tenant=False, is_sensitive=False),
    "__type": RootFieldRule("read", is_of_tenant=False, is_sensitive=False),
    "__typename": RootFieldRule("read", is_of_tenant=False, is_sensitive=False),
}


def check_root_field(
    name: str, arguments: Mapping[str, Any], caller: Caller, limits: ReadLimits
) -> None:
    """Raises RequestRefused."""
    rule = ROOT_FIELDS[name]
    try:
        require(caller, rule.scope)
    except DomainError as error:
        raise RequestRefused([coded(error.code, error.detail, field=name)]) from None
    if rule.is_of_tenant and caller.tenant_id is None:
        raise refuse(FORBIDDEN, "This belongs to a tenant: use one of its credentials.")
    is_all_asked = rule.is_of_all or (name == "events" and arguments.get("streamId") is None)
    if is_all_asked and caller.reads_as is not None:
        raise refuse("forbidden", "This needs the scope read for everything of the tenant.")
    rule.check(arguments, limits)


def audited_fields(document: Document) -> list[str]:
    """The sensitive fields of an operation, each once."""
    names = {root.name for root in document.roots.values()}
    return sorted(name for name in names if ROOT_FIELDS[name].is_sensitive)


def audited_refusal(refused: RequestRefused) -> tuple[str, str, Outcome]:
    """The action, the reason and the outcome that the audit trail tells."""
    extensions = refused.errors[0].extensions or {}
    code = str(extensions.get("code", VALIDATION))
    outcome: Outcome = "denied" if code == FORBIDDEN else "failed"
    return str(extensions.get("field", ANY_FIELD)), code, outcome
