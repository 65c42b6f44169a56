"""/tenants/{id}/budgets: those that the operator, or the reseller who created a tenant, keeps for
it. They hold beside the tenant's own, and the tenant cannot change them.
"""

from http import HTTPStatus

from pydantic import BaseModel
from starlette.responses import Response

from commands.authorization import require
from commands.budgets import (
    CreateBudget,
    CreateManagedBudget,
    DeleteBudget,
    DeleteManagedBudget,
    ReleaseBudgetHold,
    ReleaseManagedBudgetHold,
    ReviseManagedBudget,
)
from domain.budget_rules import Mode, Period
from domain.budgets import BudgetNotFound, Keeper, NothingHeld, Unpriced
from domain.errors import FieldError, Invalid, Stale
from domain.executions import ExecutionNotFound
from domain.identifiers import Json, TenantId
from domain.quotas import QuotaReached
from domain.tenants import TenantNotFound
from domain.usage import UsageNotUnresolved
from write_api.budgets import (
    BUDGET_BODY,
    BUDGET_CHANGES,
    HOLD_BODY,
    BudgetDeleted,
    BudgetWritten,
    asked,
    revision,
)
from write_api.edge import Call, json_response
from write_api.openapi import Answered, documented, documented_query
from write_api.routes import route

MANAGE = CreateManagedBudget.requires
SCOPES = ("tenant", "run")


class KeptBudget(BaseModel):
    """keeper: who alone may change it. spent_usd and those after it: in the present period; of a
    budget for each run, of the run that has come farthest.
    """

    budget_id: str
    keeper: Keeper
    scope_type: str
    period: Period
    window_s: int | None
    time_zone: str
    mode: Mode
    notify_at: list[float]
    unpriced: Unpriced
    limit_usd: str
    spent_usd: str
    reserved_usd: str
    remaining_usd: str


class KeptBudgets(BaseModel):
    budgets: list[KeptBudget]


@route(
    "POST",
    "/api/v1/tenants/{tenant_id}/budgets",
    documented(
        "createManagedBudget",
        "Say how much a tenant that one manages, or each of its runs, may spend",
        requires=MANAGE,
        answers=Answered[BudgetWritten],
        status=HTTPStatus.CREATED,
        body="BudgetBody",
        example={
            "scope": {"type": "tenant"},
            "period": "month",
            "limit_usd": "100",
            "mode": "hard",
            "notify_at": [0.5, 0.8],
        },
        refusals=[TenantNotFound, QuotaReached],
    ),
)
async def create(call: Call) -> Response:
    command = asked(await call.body(BUDGET_BODY))
    _require_whole(command)
    managed = CreateManagedBudget(call.id("tenant_id"), command)
    return await call.answer(managed, HTTPStatus.CREATED)


@route(
    "GET",
    "/api/v1/tenants/{tenant_id}/budgets",
    documented_query(
        "managedBudgets",
        "The budgets that who manages a tenant keeps for it, and how they stand now",
        requires=MANAGE,
        answers=Answered[KeptBudgets],
        refusals=[TenantNotFound],
    ),
    is_sensitive=False,
)
async def listed(call: Call) -> Response:
    require(call.caller, MANAGE)
    found = await call.edge.plan_usage.budgets(
        TenantId(call.id("tenant_id")), reseller_id=call.caller.tenant_id
    )
    meta: dict[str, Json] = {"position": None, "request_id": str(call.request_id)}
    return json_response({"data": {"budgets": [*found]}, "meta": meta}, HTTPStatus.OK)


@route(
    "PATCH",
    "/api/v1/tenants/{tenant_id}/budgets/{budget_id}",
    documented(
        "reviseManagedBudget",
        "Change a budget that one keeps for a tenant",
        requires=MANAGE,
        answers=Answered[BudgetWritten],
        body="BudgetChanges",
        example={"limit_usd": "250"},
        refusals=[TenantNotFound, BudgetNotFound, Stale],
    ),
)
async def revise(call: Call) -> Response:
    body = await call.body(BUDGET_CHANGES)
    command = ReviseManagedBudget(call.id("tenant_id"), revision(call, body))
    return await call.answer(command, HTTPStatus.OK)


@route(
    "DELETE",
    "/api/v1/tenants/{tenant_id}/budgets/{budget_id}",
    documented(
        "deleteManagedBudget",
        "Delete a budget that one keeps for a tenant",
        requires=MANAGE,
        answers=Answered[BudgetDeleted],
        refusals=[TenantNotFound, BudgetNotFound, Stale],
    ),
)
async def delete(call: Call) -> Response:
    change = DeleteBudget(call.id("budget_id"), call.expected_version)
    return await call.answer(DeleteManagedBudget(call.id("tenant_id"), change), HTTPStatus.OK)


@route(
    "POST",
    "/api/v1/tenants/{tenant_id}/budgets/{budget_id}/release",
    documented(
        "releaseManagedBudgetHold",
        "Let go of what a budget that one keeps holds for an attempt of which nobody knows",
        requires=MANAGE,
        answers=Answered[BudgetWritten],
        body="HoldBody",
        example={
            "execution_id": "0198c0de-0000-7000-8000-000000000000",
            "path": "draft",
            "attempt": 1,
        },
        refusals=[
            TenantNotFound,
            BudgetNotFound,
            ExecutionNotFound,
            UsageNotUnresolved,
            NothingHeld,
        ],
    ),
)
async def release(call: Call) -> Response:
    body = await call.body(HOLD_BODY)
    held = (call.id("budget_id"), body.execution_id, body.path, body.attempt)
    command = ReleaseManagedBudgetHold(call.id("tenant_id"), ReleaseBudgetHold(*held))
    return await call.answer(command, HTTPStatus.OK)


def _require_whole(command: CreateBudget) -> None:
    """What is in a tenant is its own business. Raises Invalid."""
    if command.scope_type not in SCOPES:
        reason = "a budget of the whole tenant, or of each run, is expected"
        raise Invalid(errors=[FieldError("/scope/type", "not_allowed", reason)])
    if command.scope_id is not None:
        reason = "a budget of each run is expected"
        raise Invalid(errors=[FieldError("/scope/id", "not_allowed", reason)])


ROUTES = (create, listed, revise, delete, release)
