"""PUT /billing-profile: to whom invoices are addressed. PUT /tenants/{id}/billing-profile: on which
terms a tenant is billed.
"""

from decimal import Decimal
from http import HTTPStatus
from typing import Annotated, get_args

from pydantic import AfterValidator, BaseModel, Field, StringConstraints, TypeAdapter
from starlette.responses import Response

from commands.billing_accounts import AddressInvoices, SetBillingTerms
from domain.billing_accounts import CurrencyHeldByBalance
from domain.charges import ChargeKind
from domain.currencies import EXPONENTS
from domain.tenants import TenantNotFound
from write_api.edge import Call
from write_api.openapi import Answered, documented
from write_api.routes import route
from write_api.shapes import STRICT, Instant, Name
from write_api.tenants import EmailAddress, TimeZone

ADDRESS_LINES_MAX = 6
PERCENT_MAX = 100
TERMS_DAYS_MAX = 365
# A grace is over before the period after it.
GRACE_S_MAX = 10 * 86400
GRACE_S_DEFAULT = 86400


def _known_currency(code: str) -> str:
    if code not in EXPONENTS:
        message = "a currency is a code of ISO 4217, such as EUR"
        raise ValueError(message)
    return code


def _positive(text: str) -> str:
    if Decimal(text) <= 0:
        message = "a rate is above 0"
        raise ValueError(message)
    return text


def _percent(text: str) -> str:
    if Decimal(text) > PERCENT_MAX:
        message = f"at most {PERCENT_MAX}"
        raise ValueError(message)
    return text


def _known_kinds(taxes: dict[str, str]) -> dict[str, str]:
    kinds = ("default", *get_args(ChargeKind))
    if taxes.keys() - set(kinds):
        message = f"taxes are by kind of line: {', '.join(kinds)}"
        raise ValueError(message)
    return taxes


Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$"), AfterValidator(_known_currency)]
Rate = Annotated[
    str,
    StringConstraints(pattern=r"^\d{1,9}(\.\d{1,12})?$"),
    AfterValidator(_positive),
    Field(description="How much of the currency a USD is, as a decimal string."),
]
Percent = Annotated[
    str, StringConstraints(pattern=r"^\d{1,3}(\.\d{1,4})?$"), AfterValidator(_percent)
]
Country = Annotated[
    str, StringConstraints(pattern=r"^[A-Z]{2}$"), Field(description="ISO 3166, two letters.")
]
NumberPrefix = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9/._-]{0,20}$")]


class BillingAddressBody(BaseModel):
    """number_prefix: of invoices that one issues oneself, as the operator and resellers do."""

    model_config = STRICT

    legal_name: Name
    address: Annotated[list[Name], Field(min_length=1, max_length=ADDRESS_LINES_MAX)]
    country: Country
    tax_id: Name | None = None
    email: EmailAddress | None = None
    number_prefix: NumberPrefix | None = None


class BillingAddress(BaseModel):
    legal_name: str
    address: list[str]
    country: str
    tax_id: str | None
    email: str | None
    number_prefix: str


class BillingTermsBody(BaseModel):
    """time_zone: of the months that are billed; null is the tenant's own. taxes: percent by kind of
    line, `default` for all others. starts_at: from when on the tenant is billed, said once; now
    without it.
    """

    model_config = STRICT

    currency: Currency = "USD"
    usd_rate: Rate = "1"
    time_zone: TimeZone | None = None
    taxes: Annotated[dict[str, Percent], AfterValidator(_known_kinds)] = {}
    payment_terms_days: Annotated[int, Field(ge=0, le=TERMS_DAYS_MAX)] = 14
    grace_s: Annotated[int, Field(ge=0, le=GRACE_S_MAX)] = GRACE_S_DEFAULT
    starts_at: Instant | None = None


class BillingTerms(BaseModel):
    tenant_id: str
    currency: str
    usd_rate: str
    time_zone: str | None
    taxes: dict[str, str]
    payment_terms_days: int
    grace_s: int
    billed_from: str


BILLING_ADDRESS_BODY = TypeAdapter(BillingAddressBody)
BILLING_TERMS_BODY = TypeAdapter(BillingTermsBody)


@route(
    "PUT",
    "/api/v1/billing-profile",
    documented(
        "addressInvoices",
        "Say to whom invoices are addressed; of the operator and of resellers: who issues them",
        requires=AddressInvoices.requires,
        answers=Answered[BillingAddress],
        body="BillingAddressBody",
        example={
            "legal_name": "Acme GmbH",
            "address": ["Hauptstr. 1", "10115 Berlin"],
            "country": "DE",
            "tax_id": "DE123456789",
        },
    ),
)
async def address(call: Call) -> Response:
    body = await call.body(BILLING_ADDRESS_BODY)
    command = AddressInvoices(
        body.legal_name,
        body.address,
        body.country,
        body.tax_id,
        body.email,
        body.number_prefix,
    )
    return await call.answer(command, HTTPStatus.OK)


@route(
    "PUT",
    "/api/v1/tenants/{tenant_id}/billing-profile",
    documented(
        "setBillingTerms",
        "Say on which terms a tenant is billed; the first time its first period begins",
        requires=SetBillingTerms.requires,
        answers=Answered[BillingTerms],
        body="BillingTermsBody",
        example={"currency": "EUR", "usd_rate": "0.92", "taxes": {"default": "19"}},
        refusals=[TenantNotFound, CurrencyHeldByBalance],
    ),
)
async def terms(call: Call) -> Response:
    body = await call.body(BILLING_TERMS_BODY)
    command = SetBillingTerms(
        call.id("tenant_id"),
        body.currency,
        body.usd_rate,
        body.time_zone,
        body.taxes,
        body.payment_terms_days,
        body.grace_s,
        body.starts_at,
    )
    return await call.answer(command, HTTPStatus.OK)


ROUTES = (address, terms)
BODIES = (BILLING_ADDRESS_BODY, BILLING_TERMS_BODY)
