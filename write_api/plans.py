"""GET and POST /plans, PATCH and DELETE /plans/{id}: the plans that tenants are on.

GET and PUT /tenants/{id}/plan: which one a tenant is on, and how much of it is used.
"""

from http import HTTPStatus
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, Field, StringConstraints, TypeAdapter
from starlette.responses import Response

from commands.authorization import require
from commands.plans import (
    ArchivePlan,
    AssignPlan,
    CreatePlan,
    PlanOfSubscription,
    RevisePlan,
)
from domain.errors import Stale
from domain.identifiers import Json, TenantId
from domain.plans import (
    PlanArchived,
    PlanNotFound,
    PlanVersionNotFound,
    StandardPlanStays,
)
from domain.tenants import TenantNotFound
from write_api.call_limits import ConcurrentCalls, TokensPerMin, Usd
from write_api.edge import Call, json_response
from write_api.openapi import Answered, documented, documented_query
from write_api.plan_terms import TermsBody
from write_api.routes import route
from write_api.shapes import STRICT, AnyObject, Name, VersionNumber

MANAGE = AssignPlan.requires
COUNT_MAX = 1_000_000_000

Count = Annotated[int, Field(ge=0, le=COUNT_MAX)]
AtLeastOne = Annotated[int, Field(ge=1, le=COUNT_MAX)]


class Limits(BaseModel):
    """What is null or left out is limited by the installation alone. domain/plans.py says what each
    of them counts.
    """

    model_config = STRICT

    requests_per_min: Annotated[int, Field(ge=1, le=10_000_000)] | None = None
    requests_burst: Annotated[int, Field(ge=1, le=10_000_000)] | None = None
    step_weight: Annotated[float, Field(ge=0.01, le=100)] | None = None
    concurrent_executions: Annotated[int, Field(ge=1, le=100_000)] | None = None
    concurrent_steps: Annotated[int, Field(ge=1, le=100_000)] | None = None
    executions_per_month: Count | None = None
    run_duration_s: Annotated[int, Field(ge=1, le=366 * 86_400)] | None = None
    run_cost_usd: Usd | None = None
    concurrent_calls: ConcurrentCalls | None = None
    tokens_per_min: TokensPerMin | None = None
    cost_usd_per_min: Usd | None = None
    concurrent_http_calls: ConcurrentCalls | None = None
    payload_bytes: Annotated[int, Field(ge=0, le=2**53)] | None = None
    users: AtLeastOne | None = None
    api_keys: AtLeastOne | None = None
    workflows: Count | None = None
    agents: Count | None = None
    triggers: Count | None = None
    secrets: Count | None = None
    retention_days: Annotated[int, Field(ge=1, le=3650)] | None = None

    def told(self) -> dict[str, Json]:
        """Those that the body names, also with null."""
        return self.model_dump(exclude_unset=True)


class PlanBody(BaseModel):
    """is_for_resellers: whether they may put their customers on it. terms: what it costs; null is
    nothing.
    """

    model_config = STRICT

    name: Name
    limits: Limits
    is_for_resellers: bool = False
    terms: TermsBody | None = None


class PlanPatch(BaseModel):
    """limits: those that change; null takes one away. terms: all of them; null takes them away."""

    model_config = STRICT

    name: Name | None = None
    limits: Limits = Limits()
    is_for_resellers: bool | None = None
    terms: TermsBody | None = None


class TenantPlanBody(BaseModel):
    """plan_version: null follows the newest. overrides: single limits of the tenant's own, all of
    them; null in them is no limit. A reseller's are no wider than the plan.
    """

    model_config = STRICT

    plan_id: Annotated[
        str, StringConstraints(pattern="^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")
    ]
    plan_version: VersionNumber | None = None
    overrides: Limits = Limits()


class PlanTold(BaseModel):
    plan_id: str
    plan_version: int
    name: str
    limits: AnyObject
    terms: AnyObject | None
    is_for_resellers: bool
    version: int


class PlanListed(BaseModel):
    plan_id: str
    plan_version: int
    name: str
    limits: AnyObject
    terms: AnyObject | None
    is_for_resellers: bool
    is_archived: bool


class PlansListed(BaseModel):
    plans: list[PlanListed]


class PlanIsArchived(BaseModel):
    plan_id: str
    is_archived: bool


class TenantPlanTold(BaseModel):
    tenant_id: str
    plan_id: str
    plan_name: str
    plan_version: int
    follows_newest: bool
    limits: AnyObject


class Quota(BaseModel):
    """limit: null is none. used: null where nothing is counted, because nothing limits it."""

    name: str
    limit: int | None
    used: int | None
    remaining: int | None
    resets_at: str | None


class TenantUsage(TenantPlanTold):
    overrides: AnyObject
    quotas: list[Quota]


PLAN_BODY = TypeAdapter(PlanBody)
PLAN_PATCH = TypeAdapter(PlanPatch)
TENANT_PLAN_BODY = TypeAdapter(TenantPlanBody)


@route(
    "POST",
    "/api/v1/plans",
    documented(
        "createPlan",
        "Create a plan: what the tenants on it may use, and what it costs",
        requires=CreatePlan.requires,
        answers=Answered[PlanTold],
        status=HTTPStatus.CREATED,
        body="PlanBody",
        example={
            "name": "Team",
            "limits": {"users": 10, "executions_per_month": 10_000},
            "terms": {
                "interval": "month",
                "recurring_usd": "49",
                "trial_days": 14,
                "included": [{"meter": "output_tokens", "quantity": 1_000_000}],
            },
        },
    ),
)
async def create(call: Call) -> Response:
    body = await call.body(PLAN_BODY)
    terms = body.terms and body.terms.told()
    command = CreatePlan(body.name, body.limits.told(), body.is_for_resellers, terms)
    return await call.answer(command, HTTPStatus.CREATED)


@route(
    "PATCH",
    "/api/v1/plans/{plan_id}",
    documented(
        "revisePlan",
        "Make a new version of a plan, which tenants follow that are not on a fixed one",
        requires=RevisePlan.requires,
        answers=Answered[PlanTold],
        body="PlanPatch",
        example={"limits": {"users": 20}},
        refusals=[PlanNotFound, PlanArchived, Stale],
    ),
)
async def revise(call: Call) -> Response:
    body = await call.body(PLAN_PATCH)
    command = RevisePlan(
        call.id("plan_id"),
        body.name,
        body.limits.told(),
        body.is_for_resellers,
        call.expected_version,
        has_terms="terms" in body.model_fields_set,
        terms=body.terms and body.terms.told(),
    )
    return await call.answer(command, HTTPStatus.OK)


@route(
    "DELETE",
    "/api/v1/plans/{plan_id}",
    documented(
        "archivePlan",
        "Archive a plan: tenants on it stay on it, and no other comes to it",
        requires=ArchivePlan.requires,
        answers=Answered[PlanIsArchived],
        refusals=[PlanNotFound, StandardPlanStays, Stale],
    ),
)
async def archive(call: Call) -> Response:
    command = ArchivePlan(call.id("plan_id"), call.expected_version)
    return await call.answer(command, HTTPStatus.OK)


@route(
    "GET",
    "/api/v1/plans",
    documented_query(
        "listPlans",
        "The newest version of each plan; for a reseller of those that it can use",
        requires=MANAGE,
        answers=Answered[PlansListed],
    ),
    is_sensitive=False,
)
async def listed(call: Call) -> Response:
    require(call.caller, MANAGE)
    plans = await call.edge.plan_usage.plans(is_of_reseller=not call.caller.is_operator)
    return _told(call, {"plans": [*plans]})


@route(
    "GET",
    "/api/v1/plans/{plan_id}/versions",
    documented_query(
        "listPlanVersions",
        "Every version of a plan, newest first",
        requires=CreatePlan.requires,
        answers=Answered[PlansListed],
        refusals=[PlanNotFound],
    ),
    is_sensitive=False,
)
async def versions(call: Call) -> Response:
    require(call.caller, CreatePlan.requires)
    return _told(call, {"plans": [*await call.edge.plan_usage.versions(call.id("plan_id"))]})


@route(
    "PUT",
    "/api/v1/tenants/{tenant_id}/plan",
    documented(
        "assignPlan",
        "Put a tenant on a plan, at once: what it has stays, and more is refused",
        requires=AssignPlan.requires,
        answers=Answered[TenantPlanTold],
        body="TenantPlanBody",
        example={
            "plan_id": "00000000-0000-7000-8000-0000000000a1",
            "overrides": {"users": 5},
        },
        refusals=[
            TenantNotFound,
            PlanNotFound,
            PlanVersionNotFound,
            PlanArchived,
            PlanOfSubscription,
        ],
    ),
)
async def assign(call: Call) -> Response:
    body = await call.body(TENANT_PLAN_BODY)
    command = AssignPlan(
        call.id("tenant_id"), UUID(body.plan_id), body.plan_version, body.overrides.told()
    )
    return await call.answer(command, HTTPStatus.OK)


@route(
    "GET",
    "/api/v1/tenants/{tenant_id}/plan",
    documented_query(
        "tenantPlan",
        "Which plan a tenant is on, and how much of it is used",
        requires=MANAGE,
        answers=Answered[TenantUsage],
        refusals=[TenantNotFound],
    ),
    is_sensitive=False,
)
async def usage(call: Call) -> Response:
    require(call.caller, MANAGE)
    told = await call.edge.plan_usage.of_tenant(
        TenantId(call.id("tenant_id")), reseller_id=call.caller.tenant_id
    )
    return _told(call, told)


def _told(call: Call, data: dict[str, Any]) -> Response:
    meta: dict[str, Json] = {"position": None, "request_id": str(call.request_id)}
    return json_response({"data": data, "meta": meta}, HTTPStatus.OK)


ROUTES = (create, revise, archive, listed, versions, assign, usage)
BODIES = (PLAN_BODY, PLAN_PATCH, TENANT_PLAN_BODY)
