"""POST /tenants/{id}/executions/{id}/usage/resolve: what a provider's report says of an attempt."""

from http import HTTPStatus
from typing import Annotated

from pydantic import BaseModel, Field, StringConstraints, TypeAdapter
from starlette.responses import Response

from commands.execution_usage import ResolveUsage
from domain.errors import FieldError, Invalid
from domain.execution_usage import UsageNotUnresolved
from domain.executions import ExecutionNotFound
from domain.usage import METERS, QUANTITY_MAX
from write_api.edge import Call
from write_api.openapi import Answered, documented
from write_api.routes import route
from write_api.shapes import STRICT, NodePath

REASON_CHARACTERS_MAX = 500
ModelName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:@+/-]{0,199}$")]


class ResolveUsageBody(BaseModel):
    """usage: quantities by meter, without `requests`; none say that nothing was billed. model: as
    prices name it.
    """

    model_config = STRICT

    path: NodePath
    attempt: Annotated[int, Field(ge=1, le=2**31 - 1)]
    model: ModelName
    usage: dict[str, Annotated[int, Field(ge=1, le=QUANTITY_MAX)]] = {}
    reason: Annotated[str, StringConstraints(min_length=1, max_length=REASON_CHARACTERS_MAX)]


class UsageResolved(BaseModel):
    execution_id: str
    path: str
    attempt: int
    is_priced: bool


RESOLVE_USAGE_BODY = TypeAdapter(ResolveUsageBody)


@route(
    "POST",
    "/api/v1/tenants/{tenant_id}/executions/{execution_id}/usage/resolve",
    documented(
        "resolveUsage",
        "Say what an attempt used that was cut off after its call had left",
        requires=ResolveUsage.requires,
        answers=Answered[UsageResolved],
        body="ResolveUsageBody",
        example={
            "path": "draft",
            "attempt": 1,
            "model": "openai/gpt-4o",
            "usage": {"input_tokens": 120, "output_tokens": 30},
            "reason": "usage report of November, request 7f3a",
        },
        refusals=[ExecutionNotFound, UsageNotUnresolved],
    ),
)
async def resolve(call: Call) -> Response:
    body = await call.body(RESOLVE_USAGE_BODY)
    unknown = [
        FieldError(f"/usage/{meter}", "unknown_meter", "this is no meter that can be resolved")
        for meter in body.usage
        if meter not in METERS or meter == "requests"
    ]
    if unknown:
        raise Invalid(errors=unknown)
    command = ResolveUsage(
        call.id("tenant_id"),
        call.id("execution_id"),
        body.path,
        body.attempt,
        body.model,
        body.usage,
        body.reason,
    )
    return await call.answer(command, HTTPStatus.OK)


ROUTES = (resolve,)
BODIES = (RESOLVE_USAGE_BODY,)
