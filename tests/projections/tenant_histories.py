"""Histories of all there is in a tenant."""

import random

from domain.agents import Agent
from domain.budgets import Budget
from domain.bulk_operations import BulkOperation
from domain.credentials import ApiKey
from domain.identifiers import TenantId
from domain.invoices import Invoice
from domain.providers import Provider
from domain.secrets import Secret
from domain.sessions import Session
from domain.sharing import Share, Sharing, share_id
from domain.triggers import Trigger
from domain.workflows import Workflow
from tests.projections.approval_histories import asks_and_is_answered
from tests.projections.billing_histories import (
    a_credit_account,
    a_licence,
    a_payment,
    a_subscription,
)
from tests.projections.budget_histories import a_budget
from tests.projections.histories import (
    PROFILE,
    REFUSAL,
    Stream,
    a_bulk_operation,
    a_page_of,
    a_provider,
    a_role,
    a_rotated_key,
    a_secret,
    a_user,
    a_workflow,
    an_agent,
    an_execution,
    random_run,
    the_tenant,
    workflow_content,
)
from tests.projections.identity_histories import (
    a_session,
    a_sharing,
    an_external_identity,
    an_identity_provider,
)
from tests.projections.invoice_histories import an_issued_invoice
from tests.projections.trigger_histories import a_trigger
from tests.projections.usage_histories import (
    a_sent_event,
    an_embedding_call,
    resolved_embedding,
    unresolved_embedding,
)

HOLD = {"execution_id": "00000000-0000-7000-8000-000000000001", "path": "draft", "attempt": 1}


def random_streams(draw: random.Random, tenant_id: TenantId, count: int) -> list[Stream]:
    streams = [random_run(draw, tenant_id) for _ in range(count)]
    streams.append(asks_and_is_answered(an_execution(tenant_id)))
    agent = an_agent(tenant_id).happens(Agent.Limited, limits={"concurrent_calls": 2})
    for number in range(draw.randrange(3)):
        agent.happens(
            Agent.Revised, agent_version=number + 2, profile=PROFILE | {"tools": [{"name": "t"}]}
        )
    workflow = a_workflow(tenant_id)
    if draw.random() < 0.5:
        content = workflow_content("v2")
        workflow.happens(Workflow.Revised, workflow_version=2, **content).happens(Workflow.Deleted)
    key = a_rotated_key(tenant_id, expires_at="2027-01-01T00:00:00Z").happens(ApiKey.Revoked)
    operation = a_page_of(a_page_of(a_bulk_operation(tenant_id)), REFUSAL)
    operation.happens(BulkOperation.Completed)
    stopped = a_page_of(a_bulk_operation(tenant_id)).happens(BulkOperation.Cancelled)
    secret = a_secret(tenant_id).happens(Secret.Removed)
    provider = a_provider(tenant_id).happens(Provider.Removed)
    people = [a_user(tenant_id), a_role(tenant_id)]
    sign_ins = [
        an_identity_provider(tenant_id),
        an_external_identity(tenant_id),
        a_session(tenant_id).happens(Session.Ended, reason="revoked"),
    ]
    with_viewers = Share(None, "VIEWER", "view")
    sharing = a_sharing(agent, with_viewers, Share(str(tenant_id), None, "execute"))
    sharing.happens(Sharing.Ended, share_id=str(share_id(agent.stream_id, with_viewers)))
    billing = [a_subscription(tenant_id), a_credit_account(tenant_id), a_payment(tenant_id)]
    billing.append(a_licence(tenant_id))
    budget = a_budget(tenant_id).happens(Budget.HoldReleased, **HOLD).happens(Budget.Deleted)
    others = [
        budget,
        an_embedding_call(tenant_id),
        resolved_embedding(unresolved_embedding(tenant_id)),
        an_issued_invoice(tenant_id).happens(Invoice.PastDueMarked),
        *billing,
        sharing,
        key,
        operation,
        stopped,
        secret,
        provider,
        *people,
        *sign_ins,
        the_tenant(tenant_id),
        a_trigger(tenant_id).happens(Trigger.Deleted),
    ]
    return [*streams, agent, workflow, a_sent_event(tenant_id), *others]
