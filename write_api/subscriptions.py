"""POST /subscriptions, and PATCH /subscriptions/{tenant_id} with /cancel and /resume: which plan a
tenant pays for. A tenant has one subscription, so its id names it.
"""

from http import HTTPStatus
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, StringConstraints, TypeAdapter
from starlette.responses import Response

from commands.subscriptions import (
    CancelSubscription,
    ChangeSubscription,
    ResumeSubscription,
    Subscribe,
)
from domain.errors import Stale
from domain.plans import PlanArchived, PlanNotFound, PlanVersionNotFound
from domain.subscriptions import (
    AlreadySubscribed,
    NothingScheduled,
    StartInThePast,
    SubscriptionEnded,
    SubscriptionNotFound,
    TooManyPlanChanges,
)
from domain.tenants import TenantNotFound
from write_api.edge import Call
from write_api.openapi import Answered, documented
from write_api.plan_terms import TrialDays
from write_api.routes import route
from write_api.shapes import STRICT, Instant, VersionNumber

IdText = Annotated[str, StringConstraints(pattern="^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]
When = Literal["now", "period_end"]
EXAMPLE_PLAN = "00000000-0000-7000-8000-0000000000a1"


class SubscriptionBody(BaseModel):
    """plan_version: null is the newest, and it stays that one. starts_at: null is now. trial_days:
    null is what the plan says.
    """

    model_config = STRICT

    tenant_id: IdText
    plan_id: IdText
    plan_version: VersionNumber | None = None
    starts_at: Instant | None = None
    trial_days: TrialDays | None = None


class SubscriptionPatch(BaseModel):
    """when: at once, with what is left of the period given back for the one plan and charged for
    the other; or with the next period.
    """

    model_config = STRICT

    plan_id: IdText
    plan_version: VersionNumber | None = None
    when: When = "now"


class SubscriptionCancelBody(BaseModel):
    """when: at the end of the period that is paid for, or at once, with the rest of it given
    back.
    """

    model_config = STRICT

    when: When = "period_end"
    reason: Annotated[str, StringConstraints(max_length=500)] = ""


class NextPlan(BaseModel):
    plan_id: str
    plan_version: int
    at: str


class SubscriptionTold(BaseModel):
    """ends_at: when it ends or has ended. next_plan: the change that is scheduled."""

    subscription_id: str
    status: Literal["scheduled", "trialing", "active", "ended"]
    plan_id: str
    plan_version: int
    plan_name: str
    starts_at: str
    trial_ends_at: str | None
    time_zone: str
    period_start: str | None
    period_end: str | None
    ends_at: str | None
    next_plan: NextPlan | None
    version: int


SUBSCRIPTION_BODY = TypeAdapter(SubscriptionBody)
SUBSCRIPTION_PATCH = TypeAdapter(SubscriptionPatch)
SUBSCRIPTION_CANCEL_BODY = TypeAdapter(SubscriptionCancelBody)
PLAN_REFUSALS = [PlanNotFound, PlanVersionNotFound, PlanArchived]
REFUSALS = [TenantNotFound, SubscriptionNotFound, SubscriptionEnded, Stale]


@route(
    "POST",
    "/api/v1/subscriptions",
    documented(
        "subscribe",
        "Let a tenant pay for a version of a plan, and be on it",
        requires=Subscribe.requires,
        answers=Answered[SubscriptionTold],
        status=HTTPStatus.CREATED,
        body="SubscriptionBody",
        example={
            "tenant_id": "0192e4a0-7c1e-7c3a-8000-000000000001",
            "plan_id": EXAMPLE_PLAN,
            "trial_days": 14,
        },
        refusals=[TenantNotFound, *PLAN_REFUSALS, AlreadySubscribed, StartInThePast],
    ),
)
async def subscribe(call: Call) -> Response:
    body = await call.body(SUBSCRIPTION_BODY)
    command = Subscribe(
        UUID(body.tenant_id), UUID(body.plan_id), body.plan_version, body.starts_at, body.trial_days
    )
    return await call.answer(command, HTTPStatus.CREATED)


@route(
    "PATCH",
    "/api/v1/subscriptions/{tenant_id}",
    documented(
        "changeSubscription",
        "Change the plan that a tenant pays for, at once or with the next period",
        requires=ChangeSubscription.requires,
        answers=Answered[SubscriptionTold],
        body="SubscriptionPatch",
        example={"plan_id": EXAMPLE_PLAN, "when": "period_end"},
        refusals=[*REFUSALS, *PLAN_REFUSALS, TooManyPlanChanges],
    ),
)
async def change(call: Call) -> Response:
    body = await call.body(SUBSCRIPTION_PATCH)
    command = ChangeSubscription(
        call.id("tenant_id"),
        UUID(body.plan_id),
        body.plan_version,
        body.when,
        call.expected_version,
    )
    return await call.answer(command, HTTPStatus.OK)


@route(
    "POST",
    "/api/v1/subscriptions/{tenant_id}/cancel",
    documented(
        "cancelSubscription",
        "End a subscription with its period, or at once",
        requires=CancelSubscription.requires,
        answers=Answered[SubscriptionTold],
        body="SubscriptionCancelBody",
        example={"when": "period_end", "reason": "too expensive"},
        refusals=REFUSALS,
    ),
)
async def cancel(call: Call) -> Response:
    body = await call.body(SUBSCRIPTION_CANCEL_BODY)
    command = CancelSubscription(
        call.id("tenant_id"), body.when, body.reason, call.expected_version
    )
    return await call.answer(command, HTTPStatus.OK)


@route(
    "POST",
    "/api/v1/subscriptions/{tenant_id}/resume",
    documented(
        "resumeSubscription",
        "Take back the end and the change of plan that are scheduled",
        requires=ResumeSubscription.requires,
        answers=Answered[SubscriptionTold],
        refusals=[*REFUSALS, NothingScheduled],
    ),
)
async def resume(call: Call) -> Response:
    command = ResumeSubscription(call.id("tenant_id"), call.expected_version)
    return await call.answer(command, HTTPStatus.OK)


ROUTES = (subscribe, change, cancel, resume)
BODIES = (SUBSCRIPTION_BODY, SUBSCRIPTION_PATCH, SUBSCRIPTION_CANCEL_BODY)
