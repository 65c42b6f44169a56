"""How limits of calls are written in bodies: those of plans, of tenants and of agents.

PUT /tenant/limits: what a tenant holds its calls to, within its plan.
"""

from decimal import Decimal
from http import HTTPStatus
from typing import Annotated

from pydantic import AfterValidator, BaseModel, Field, StringConstraints, TypeAdapter
from starlette.responses import Response

from commands.call_limits import LimitTenant
from domain.call_limits import CALLS_AT_ONCE_MAX
from domain.tenants import TenantNotFound
from write_api.edge import Call
from write_api.openapi import Answered, documented
from write_api.routes import route
from write_api.shapes import STRICT

COST_USD_MAX = Decimal(1_000_000)


def _cost(text: str) -> str:
    if not 0 < Decimal(text) <= COST_USD_MAX:
        message = f"more than 0 and at most {COST_USD_MAX} USD are expected"
        raise ValueError(message)
    return text


ConcurrentCalls = Annotated[int, Field(ge=1, le=CALLS_AT_ONCE_MAX)]
TokensPerMin = Annotated[int, Field(ge=1, le=10_000_000_000)]
Usd = Annotated[
    str, StringConstraints(pattern=r"^[0-9]{1,7}(\.[0-9]{1,12})?$"), AfterValidator(_cost)
]


class TenantLimits(BaseModel):
    """Of all calls of models of the tenant, over all runs and workers, each no wider than its
    plan's; what is null or left out is limited by the plan alone. What is per minute is spread over
    it. concurrent_http_calls: of requests of `http` nodes.
    """

    model_config = STRICT

    concurrent_calls: ConcurrentCalls | None = None
    tokens_per_min: TokensPerMin | None = None
    cost_usd_per_min: Usd | None = None
    concurrent_http_calls: ConcurrentCalls | None = None


class TenantLimited(BaseModel):
    limits: TenantLimits


TENANT_LIMITS = TypeAdapter(TenantLimits)


@route(
    "PUT",
    "/api/v1/tenant/limits",
    documented(
        "limitTenant",
        "Say how many calls of models one's tenant makes at once, and what they use in a minute",
        requires=LimitTenant.requires,
        answers=Answered[TenantLimited],
        body="TenantLimits",
        example={"concurrent_calls": 20, "tokens_per_min": 500_000, "cost_usd_per_min": "2"},
        refusals=[TenantNotFound],
    ),
)
async def limit(call: Call) -> Response:
    body = await call.body(TENANT_LIMITS)
    return await call.answer(LimitTenant(body.model_dump()), HTTPStatus.OK)


ROUTES = (limit,)
BODIES = (TENANT_LIMITS,)
