"""POST /credits, and /credits/{tenant_id}/{grant_id}/withdraw: what a tenant need not pay."""

from http import HTTPStatus
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, Field, StringConstraints, TypeAdapter
from starlette.responses import Response

from commands.credits import GrantCredits, WithdrawCredits
from domain.credits import CreditGrantNotFound, NothingLeft, TooManyGrants
from domain.money import usd_pico
from domain.tenants import TenantNotFound
from write_api.edge import Call
from write_api.openapi import Answered, documented
from write_api.price_books import Usd
from write_api.routes import route
from write_api.shapes import STRICT, Instant
from write_api.subscriptions import IdText


def _positive(text: str) -> str:
    if not usd_pico(text):
        message = "more than 0 is expected"
        raise ValueError(message)
    return text


class CreditsBody(BaseModel):
    """priority: the lowest burns first; then what expires first; then what was given first.
    effective_at: null is now. scope: usage pays only for usage; null pays for everything.
    """

    model_config = STRICT

    tenant_id: IdText
    amount_usd: Annotated[Usd, AfterValidator(_positive)]
    source: Literal["promotional", "purchased", "included"]
    description: Annotated[str, StringConstraints(max_length=500)] = ""
    priority: Annotated[int, Field(ge=0, le=1000)] = 100
    effective_at: Instant | None = None
    expires_at: Instant | None = None
    scope: Literal["usage"] | None = None


class WithdrawBody(BaseModel):
    model_config = STRICT

    reason: Annotated[str, StringConstraints(min_length=1, max_length=500)]


class CreditsTold(BaseModel):
    """left_usd: of this grant. available_usd: of all that could be used now."""

    tenant_id: str
    grant_id: str
    left_usd: str
    available_usd: str


CREDITS_BODY = TypeAdapter(CreditsBody)
WITHDRAW_BODY = TypeAdapter(WithdrawBody)


@route(
    "POST",
    "/api/v1/credits",
    documented(
        "grantCredits",
        "Give a tenant credits, which its invoices use up",
        requires=GrantCredits.requires,
        answers=Answered[CreditsTold],
        status=HTTPStatus.CREATED,
        body="CreditsBody",
        example={
            "tenant_id": "0192e4a0-7c1e-7c3a-8000-000000000001",
            "amount_usd": "25",
            "source": "promotional",
        },
        refusals=[TenantNotFound, TooManyGrants],
    ),
)
async def grant(call: Call) -> Response:
    body = await call.body(CREDITS_BODY)
    command = GrantCredits(
        UUID(body.tenant_id),
        body.amount_usd,
        body.source,
        description=body.description,
        priority=body.priority,
        effective_at=body.effective_at,
        expires_at=body.expires_at,
        scope=body.scope,
    )
    return await call.answer(command, HTTPStatus.CREATED)


@route(
    "POST",
    "/api/v1/credits/{tenant_id}/{grant_id}/withdraw",
    documented(
        "withdrawCredits",
        "Take back what is left of credits that should not have been given",
        requires=WithdrawCredits.requires,
        answers=Answered[CreditsTold],
        body="WithdrawBody",
        example={"reason": "given twice"},
        refusals=[TenantNotFound, CreditGrantNotFound, NothingLeft],
    ),
)
async def withdraw(call: Call) -> Response:
    body = await call.body(WITHDRAW_BODY)
    command = WithdrawCredits(call.id("tenant_id"), call.id("grant_id"), body.reason)
    return await call.answer(command, HTTPStatus.OK)


ROUTES = (grant, withdraw)
BODIES = (CREDITS_BODY, WITHDRAW_BODY)
