"""POST /budgets, PATCH and DELETE /budgets/{id}, POST /budgets/{id}/release."""

from decimal import Decimal
from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, BaseModel, Field, StringConstraints, TypeAdapter
from starlette.responses import Response

from commands.budgets import CreateBudget, DeleteBudget, ReleaseBudgetHold, ReviseBudget
from domain.budget_rules import Mode, Period, ScopeType
from domain.budgets import (
    LIMIT_USD_MAX,
    NOTIFY_AT_MAX,
    WINDOW_DAYS_MAX,
    BudgetKept,
    BudgetNotFound,
    NothingHeld,
    Unpriced,
)
from domain.errors import FieldError, Invalid, Stale
from domain.executions import ExecutionNotFound
from domain.money import usd_pico
from domain.quotas import QuotaReached
from domain.usage import UsageNotUnresolved
from write_api.edge import Call
from write_api.openapi import Answered, documented
from write_api.routes import route
from write_api.shapes import STRICT, NodePath
from write_api.tenants import TimeZone

ATTEMPT_MAX = 2**31 - 1


def _money(text: str) -> str:
    if not 0 < Decimal(text) <= LIMIT_USD_MAX:
        message = f"more than 0 and at most {LIMIT_USD_MAX} USD"
        raise ValueError(message)
    return text


def _part(value: float) -> float:
    if not 0 < value <= 1:
        message = "a part of the limit, such as 0.8"
        raise ValueError(message)
    return value


LimitUsd = Annotated[
    str,
    StringConstraints(pattern=r"^\d{1,7}(\.\d{1,12})?$"),
    AfterValidator(_money),
    Field(description="USD as a decimal string, to 12 decimals."),
]
Thresholds = Annotated[
    list[Annotated[float, AfterValidator(_part), Field(strict=False, gt=0, le=1)]],
    Field(max_length=NOTIFY_AT_MAX, description="Parts of the limit at which it is told."),
]
UnpricedCalls = Annotated[
    Unpriced, Field(description="Of models whose price nobody knows, under a hard budget.")
]


class ScopeBody(BaseModel):
    """id: of all but the tenant; a budget of runs without one is for each run by itself."""

    model_config = STRICT

    type: ScopeType
    id: Annotated[UUID, Field(strict=False)] | None = None


class WindowBody(BaseModel):
    """One of the two."""

    model_config = STRICT

    days: Annotated[int, Field(ge=1, le=WINDOW_DAYS_MAX)] | None = None
    hours: Annotated[int, Field(ge=1, le=24 * WINDOW_DAYS_MAX)] | None = None


class BudgetBody(BaseModel):
    """period run: for each run by itself. window: of a rolling period. time_zone: where days and
    months begin; the tenant's without it.
    """

    model_config = STRICT

    scope: ScopeBody
    period: Period
    window: WindowBody | None = None
    limit_usd: LimitUsd
    mode: Mode
    notify_at: Thresholds = []
    unpriced: UnpricedCalls = "refuse"
    time_zone: TimeZone | None = None


class BudgetChanges(BaseModel):
    model_config = STRICT

    limit_usd: LimitUsd | None = None
    mode: Mode | None = None
    notify_at: Thresholds | None = None
    unpriced: UnpricedCalls | None = None


class HoldBody(BaseModel):
    """An attempt of which nobody knows what it used."""

    model_config = STRICT

    execution_id: Annotated[UUID, Field(strict=False)]
    path: NodePath
    attempt: Annotated[int, Field(ge=1, le=ATTEMPT_MAX)]


class BudgetWritten(BaseModel):
    budget_id: str
    version: int


class BudgetDeleted(BaseModel):
    budget_id: str
    is_deleted: bool


BUDGET_BODY = TypeAdapter(BudgetBody)
BUDGET_CHANGES = TypeAdapter(BudgetChanges)
HOLD_BODY = TypeAdapter(HoldBody)


@route(
    "POST",
    "/api/v1/budgets",
    documented(
        "createBudget",
        "Say how much may be spent: refused before it is overshot (hard), or told about (soft)",
        requires=CreateBudget.requires,
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
        refusals=[QuotaReached],
    ),
)
async def create(call: Call) -> Response:
    body = await call.body(BUDGET_BODY)
    return await call.answer(asked(body), HTTPStatus.CREATED)


@route(
    "PATCH",
    "/api/v1/budgets/{budget_id}",
    documented(
        "reviseBudget",
        "Change the limit, the mode or the thresholds of a budget",
        requires=ReviseBudget.requires,
        answers=Answered[BudgetWritten],
        body="BudgetChanges",
        example={"limit_usd": "250"},
        refusals=[BudgetNotFound, BudgetKept, Stale],
    ),
)
async def revise(call: Call) -> Response:
    body = await call.body(BUDGET_CHANGES)
    return await call.answer(revision(call, body), HTTPStatus.OK)


@route(
    "DELETE",
    "/api/v1/budgets/{budget_id}",
    documented(
        "deleteBudget",
        "Delete a budget: nothing is refused for it any more",
        requires=DeleteBudget.requires,
        answers=Answered[BudgetDeleted],
        refusals=[BudgetNotFound, BudgetKept, Stale],
    ),
)
async def delete(call: Call) -> Response:
    command = DeleteBudget(call.id("budget_id"), call.expected_version)
    return await call.answer(command, HTTPStatus.OK)


@route(
    "POST",
    "/api/v1/budgets/{budget_id}/release",
    documented(
        "releaseBudgetHold",
        "Let go of what a budget holds for an attempt of which nobody knows what it used",
        requires=ReleaseBudgetHold.requires,
        answers=Answered[BudgetWritten],
        body="HoldBody",
        example={
            "execution_id": "0198c0de-0000-7000-8000-000000000000",
            "path": "draft",
            "attempt": 1,
        },
        refusals=[BudgetNotFound, BudgetKept, ExecutionNotFound, UsageNotUnresolved, NothingHeld],
    ),
)
async def release(call: Call) -> Response:
    body = await call.body(HOLD_BODY)
    command = ReleaseBudgetHold(call.id("budget_id"), body.execution_id, body.path, body.attempt)
    return await call.answer(command, HTTPStatus.OK)


def asked(body: BudgetBody) -> CreateBudget:
    """Raises Invalid."""
    return CreateBudget(
        body.scope.type,
        body.scope.id,
        body.period,
        _window_s(body),
        body.time_zone,
        usd_pico(body.limit_usd),
        body.mode,
        [str(part) for part in body.notify_at],
        body.unpriced,
    )


def revision(call: Call, body: BudgetChanges) -> ReviseBudget:
    """Of the budget of the path."""
    return ReviseBudget(
        call.id("budget_id"),
        None if body.limit_usd is None else usd_pico(body.limit_usd),
        body.mode,
        None if body.notify_at is None else [str(part) for part in body.notify_at],
        body.unpriced,
        call.expected_version,
    )


def _window_s(body: BudgetBody) -> int | None:
    """Raises Invalid for what does not go together."""
    mistakes: list[FieldError] = []
    scope = body.scope
    if scope.type == "tenant" and scope.id is not None:
        reason = "a tenant's budget is the caller's tenant's"
        mistakes.append(FieldError("/scope/id", "not_allowed", reason))
    if scope.type not in ("tenant", "run") and scope.id is None:
        reason = f"say of which one: a budget of type {scope.type} needs its id"
        mistakes.append(FieldError("/scope/id", "missing", reason))
    if scope.type == "run" and scope.id is None and body.period != "run":
        reason = "a budget of every run is for each run: its period is run"
        mistakes.append(FieldError("/period", "not_allowed", reason))
    window = body.window
    given = None if window is None else [one for one in (window.days, window.hours) if one]
    if (body.period == "rolling") != (given is not None):
        reason = "a rolling period, and no other, has a window"
        mistakes.append(FieldError("/window", "not_allowed" if given else "missing", reason))
    elif given is not None and len(given) != 1:
        mistakes.append(FieldError("/window", "one_of", "either days or hours"))
    if mistakes:
        raise Invalid(errors=mistakes)
    if window is None:
        return None
    return (window.days or 0) * 86_400 + (window.hours or 0) * 3600


ROUTES = (create, revise, delete, release)
BODIES = (BUDGET_BODY, BUDGET_CHANGES, HOLD_BODY)
