"""The GraphQL schema: what may be read, and what may be followed."""

from collections.abc import AsyncGenerator, Mapping
from functools import cache

import strawberry
from graphql import GraphQLSchema
from strawberry.schema.config import StrawberryConfig
from strawberry.types.base import StrawberryObjectDefinition

from read_api.agents import Agent, agent, agents
from read_api.aggregates import AggregateState, aggregate_at, aggregate_diff
from read_api.approvals import Approval, approvals
from read_api.audit import AuditEntry, audit_entries
from read_api.budget_alerts import BudgetAlert, budget_alerts
from read_api.budgets import Budget, budget, budgets
from read_api.bulk_operations import BulkOperation, bulk_operation, bulk_operations
from read_api.columns import source_of
from read_api.connections import Connection
from read_api.cost_explorer import CostComparison, cost_explorer
from read_api.credentials import ApiKey, api_keys
from read_api.credits import (
    CreditEntry,
    CreditGrant,
    Credits,
    credit_entries,
    credit_grants,
    credits_of_tenant,
)
from read_api.differences import Difference
from read_api.events import Event, event, events
from read_api.execution_diff import execution_diff
from read_api.execution_stats import ExecutionStats, execution_stats
from read_api.executions import Execution, execution, execution_at, executions
from read_api.executor import ReadExecutor
from read_api.external_identities import ExternalIdentity, external_identities
from read_api.feature_flags import FeatureFlag, feature_flags
from read_api.identity import Me, User, me, user, users
from read_api.identity_providers import IdentityProvider, identity_providers
from read_api.invoices import Invoice, invoice, invoices
from read_api.licences import Licence, licences
from read_api.payments import Payment, payments
from read_api.price_books import PriceBookVersion, price_books
from read_api.projections import ProjectionStatus, projections
from read_api.providers import Provider, providers
from read_api.roles import Permission, Role, permissions, roles
from read_api.scalars import SCALARS
from read_api.seals import (
    ConsistencyProof,
    InclusionProof,
    Seal,
    consistency_proof,
    inclusion_proof,
    seals,
)
from read_api.secrets import Secret, secrets
from read_api.sessions import Session, sessions
from read_api.shaping import Field, Shaper
from read_api.subscriptions import PlanSubscription, subscription
from read_api.system_status import SystemStatus, system_status
from read_api.tenants import Tenant, tenant, tenants
from read_api.tokens import TokenChunk, tokens
from read_api.triggers import Trigger, trigger, triggers
from read_api.upcoming_invoices import UpcomingInvoice, upcoming_invoice
from read_api.updates import EventNotice, ExecutionUpdate, execution_updates, tenant_updates
from read_api.usage import UsageBucket, usage
from read_api.usage_facts import UsageFact, usage_facts
from read_api.usage_updates import UsageUpdate, usage_updates
from read_api.workflow_templates import (
    SimilarWorkflow,
    WorkflowTemplate,
    similar_workflows,
    workflow_templates,
)
from read_api.workflows import Workflow, workflow, workflows


@strawberry.type
class Query:
    execution: Execution | None = strawberry.field(resolver=execution)
    executions: Connection[Execution] = strawberry.field(
        resolver=executions, description="Newest first, like every list here."
    )
    execution_at: Execution | None = strawberry.field(
        resolver=execution_at, description="The execution as it was after one of its events."
    )
    execution_diff: list[Difference] | None = strawberry.field(
        resolver=execution_diff,
        description="What differs between two versions of an execution, in either direction.",
    )
    approvals: Connection[Approval] = strawberry.field(
        resolver=approvals,
        description="What waits for the caller's decision; with forMe false, for anybody's.",
    )
    execution_stats: list[ExecutionStats] = strawberry.field(
        resolver=execution_stats,
        description="How many executions there were, how they ended, how long they took and what"
        " they cost; times without any are there, with zeros.",
    )
    usage: list[UsageBucket] = strawberry.field(
        resolver=usage,
        description="What was used and what it cost; intervals without any are there, with zeros.",
    )
    usage_facts: Connection[UsageFact] = strawberry.field(
        resolver=usage_facts, description="What sums are made of, newest first."
    )
    budget: Budget | None = strawberry.field(resolver=budget)
    budgets: Connection[Budget] = strawberry.field(resolver=budgets)
    invoice: Invoice | None = strawberry.field(resolver=invoice)
    invoices: Connection[Invoice] = strawberry.field(resolver=invoices)
    upcoming_invoice: UpcomingInvoice | None = strawberry.field(
        resolver=upcoming_invoice,
        description="The invoice that is finalised next, as it would be with what is known now.",
    )
    cost_explorer: CostComparison = strawberry.field(
        resolver=cost_explorer,
        description="Two times beside each other, and the groups whose costs moved most.",
    )
    workflow: Workflow | None = strawberry.field(resolver=workflow)
    workflows: Connection[Workflow] = strawberry.field(resolver=workflows)
    workflow_templates: list[WorkflowTemplate] = strawberry.field(
        resolver=workflow_templates,
        description="What is offered as a starting point: the tenant's public workflows, newest"
        " first, and then the platform's.",
    )
    similar_workflows: list[SimilarWorkflow] = strawberry.field(
        resolver=similar_workflows,
        description="Templates that are like a text or another workflow, most alike first.",
    )
    agent: Agent | None = strawberry.field(resolver=agent)
    agents: Connection[Agent] = strawberry.field(resolver=agents)
    trigger: Trigger | None = strawberry.field(resolver=trigger)
    triggers: Connection[Trigger] = strawberry.field(
        resolver=triggers, description="What begins runs by itself; of one workflow, or of all."
    )
    bulk_operation: BulkOperation | None = strawberry.field(resolver=bulk_operation)
    bulk_operations: Connection[BulkOperation] = strawberry.field(resolver=bulk_operations)
    tenant: Tenant = strawberry.field(resolver=tenant, description="The caller's.")
    subscription: PlanSubscription | None = strawberry.field(
        resolver=subscription, description="What the caller's tenant pays for."
    )
    credits: Credits = strawberry.field(resolver=credits_of_tenant)
    credit_grants: Connection[CreditGrant] = strawberry.field(resolver=credit_grants)
    credit_entries: Connection[CreditEntry] = strawberry.field(
        resolver=credit_entries, description="The ledger of credits, newest first."
    )
    licences: Connection[Licence] = strawberry.field(
        resolver=licences, description="Those that the caller's tenant has issued, as a reseller."
    )
    me: Me = strawberry.field(resolver=me)
    user: User | None = strawberry.field(resolver=user)
    tenants: Connection[Tenant] = strawberry.field(
        resolver=tenants,
        description="Those that a reseller has created, oldest first; for the operator all.",
    )
    users: Connection[User] = strawberry.field(resolver=users)
    identity_providers: Connection[IdentityProvider] = strawberry.field(resolver=identity_providers)
    external_identities: Connection[ExternalIdentity] = strawberry.field(
        resolver=external_identities,
        description="Accounts at identity providers that people sign in with.",
    )
    feature_flags: list[FeatureFlag] = strawberry.field(
        resolver=feature_flags, description="What is switched on for the caller."
    )
    roles: Connection[Role] = strawberry.field(
        resolver=roles, description="Those of the tenant's own making."
    )
    permissions: list[Permission] = strawberry.field(
        resolver=permissions, description="What a role can be made of."
    )
    api_keys: Connection[ApiKey] = strawberry.field(resolver=api_keys)
    sessions: Connection[Session] = strawberry.field(
        resolver=sessions, description="The caller's own; for who may read all, everybody's."
    )
    payments: Connection[Payment] = strawberry.field(
        resolver=payments, description="What the tenant paid, or did not, and why."
    )
    providers: Connection[Provider] = strawberry.field(
        resolver=providers, description="Of the tenant, and the caller's own."
    )
    secrets: Connection[Secret] = strawberry.field(
        resolver=secrets, description="Of the tenant, and the caller's own."
    )
    event: Event | None = strawberry.field(
        resolver=event, description="One event; its causes and effects make a tree."
    )
    events: Connection[Event] = strawberry.field(
        resolver=events,
        description="What was recorded, newest first: of the tenant, or of one stream.",
    )
    audit_entries: Connection[AuditEntry] = strawberry.field(
        resolver=audit_entries,
        description="Who asked what, from where, and what came of it, newest first.",
    )
    aggregate_at: AggregateState | None = strawberry.field(
        resolver=aggregate_at,
        description="What any stream adds up to, at a version, at an instant, or now.",
    )
    aggregate_diff: list[Difference] | None = strawberry.field(
        resolver=aggregate_diff, description="What differs between two versions of any stream."
    )
    seals: Connection[Seal] = strawberry.field(
        resolver=seals, description="Of the log, signed and chained, the newest first."
    )
    inclusion_proof: InclusionProof | None = strawberry.field(
        resolver=inclusion_proof,
        description="That an event is sealed, as of a seal or of the newest; null while it is not.",
    )
    consistency_proof: ConsistencyProof | None = strawberry.field(
        resolver=consistency_proof, description="That one seal only adds to an earlier one."
    )
    price_books: Connection[PriceBookVersion] = strawberry.field(
        resolver=price_books,
        description="What was agreed with the tenant, newest first; for the operator also others.",
    )
    system: SystemStatus = strawberry.field(
        resolver=system_status,
        description="Which roles run, and what is behind the log beside the read models.",
    )
    projections: list[ProjectionStatus] = strawberry.field(
        resolver=projections, description="How far the read models are behind."
    )


@strawberry.type
class Subscription:
    execution_updates: AsyncGenerator[ExecutionUpdate] = strawberry.subscription(
        resolver=execution_updates,
        description="Every event of one execution after a version; completes when it ends.",
    )
    tokens: AsyncGenerator[TokenChunk] = strawberry.subscription(
        resolver=tokens,
        description="What models are saying in one execution, as it comes; of calls that stream:"
        " those that began while somebody followed, with heartbeat_s, or with parameters.stream."
        " Completes when the execution ends.",
    )
    tenant_updates: AsyncGenerator[EventNotice] = strawberry.subscription(
        resolver=tenant_updates,
        description="A notice of every event after a position, or from now on.",
    )
    usage_updates: AsyncGenerator[UsageUpdate] = strawberry.subscription(
        resolver=usage_updates,
        description="Usage as it is recorded, after a position, or from now on.",
    )
    budget_alerts: AsyncGenerator[BudgetAlert] = strawberry.subscription(
        resolver=budget_alerts,
        description="What is told of budgets, after a position, or from now on.",
    )


@cache
def build_schema() -> strawberry.Schema:
    """Nothing in it changes, so there is one in a process."""
    return strawberry.Schema(
        query=Query,
        subscription=Subscription,
        execution_context_class=ReadExecutor,
        config=StrawberryConfig(scalar_map=SCALARS),
    )


@cache
def build_shaper(schema: strawberry.Schema) -> Shaper:
    """The SQL of every field that has some, gathered from the types."""
    fields: dict[str, Mapping[str, Field]] = {}
    for name, concrete in schema.schema_converter.type_map.items():
        definition = concrete.definition
        if isinstance(definition, StrawberryObjectDefinition):
            fields[name] = _fields(definition, schema)
    return Shaper(core_schema(schema), fields)


def core_schema(schema: strawberry.Schema) -> GraphQLSchema:
    """The schema of graphql-core underneath; Strawberry gives it out in no other way."""
    return schema._schema  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]


def _fields(definition: StrawberryObjectDefinition, schema: strawberry.Schema) -> dict[str, Field]:
    names = schema.config.name_converter
    found: dict[str, Field] = {}
    for field in definition.fields:
        source = source_of(field.metadata)
        if source is not None:
            found[names.get_graphql_name(field)] = Field(field.python_name, source)
    return found
