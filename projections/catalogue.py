"""Every read model."""

from projections.agents import AGENT_VERSIONS, AGENTS
from projections.budgets import BUDGETS
from projections.bulk_operations import BULK_OPERATIONS
from projections.credentials import API_KEYS
from projections.credits import CREDIT_ENTRIES, CREDIT_GRANTS
from projections.executions import EXECUTIONS
from projections.external_identities import EXTERNAL_IDENTITIES
from projections.identity import USERS
from projections.identity_providers import IDENTITY_PROVIDERS
from projections.invoices import INVOICES
from projections.licences import LICENCE_ACTIVATIONS, LICENCES
from projections.node_runs import NODE_RUNS
from projections.payments import PAYMENTS
from projections.providers import PROVIDERS
from projections.roles import ROLES
from projections.secrets import SECRETS
from projections.sessions import SESSIONS
from projections.sharing import SHARES
from projections.subscriptions import SUBSCRIPTIONS
from projections.table import AnyProjection
from projections.tenants import TENANTS
from projections.triggers import TRIGGERS
from projections.usage import USAGE_FACTS
from projections.workflows import WORKFLOW_VERSIONS, WORKFLOWS

PROJECTIONS: tuple[AnyProjection, ...] = (
    AGENT_VERSIONS,
    AGENTS,
    API_KEYS,
    BUDGETS,
    BULK_OPERATIONS,
    CREDIT_ENTRIES,
    CREDIT_GRANTS,
    EXECUTIONS,
    EXTERNAL_IDENTITIES,
    IDENTITY_PROVIDERS,
    INVOICES,
    LICENCE_ACTIVATIONS,
    LICENCES,
    NODE_RUNS,
    ROLES,
    PAYMENTS,
    PROVIDERS,
    SECRETS,
    SESSIONS,
    SHARES,
    SUBSCRIPTIONS,
    TENANTS,
    TRIGGERS,
    USAGE_FACTS,
    USERS,
    WORKFLOW_VERSIONS,
    WORKFLOWS,
)
