"""POST /price-books: what the operator charges everybody, who is on a plan, or one tenant."""

from decimal import Decimal
from http import HTTPStatus
from typing import Annotated, Literal, NamedTuple
from uuid import UUID

from pydantic import AfterValidator, BaseModel, Field, StringConstraints, TypeAdapter
from starlette.responses import Response

from commands.price_books import PublishPrices
from domain.errors import FieldError, Invalid
from domain.identifiers import JsonObject
from domain.money import usd_pico
from domain.plans import PlanNotFound
from domain.price_books import PricesInThePast, TooManyPriceVersions
from domain.price_documents import price_document
from domain.prices import (
    TIERS_MAX,
    Graduated,
    OverPeriod,
    Package,
    Price,
    Tier,
    Tiered,
    UnitPrice,
    Volume,
    are_tiers_complete,
)
from domain.tenants import TenantNotFound
from domain.usage import QUANTITY_MAX
from write_api.edge import Call
from write_api.openapi import Answered, documented
from write_api.routes import route
from write_api.shapes import STRICT, Instant

PRICES_MAX = 5000
PER_MAX = 10**12
USD_MAX = 10**6
MARGIN_MAX = 100
# Which may be over a period.
TIERED_KINDS = frozenset({"package", "graduated", "volume"})


def _money(text: str) -> str:
    if Decimal(text) > USD_MAX:
        message = f"at most {USD_MAX} USD"
        raise ValueError(message)
    return text


def _margin(text: str) -> str:
    if not -1 <= Decimal(text) <= MARGIN_MAX:
        message = f"a margin is -1 to {MARGIN_MAX}: 0.2 is a fifth more"
        raise ValueError(message)
    return text


Usd = Annotated[
    str,
    StringConstraints(pattern=r"^\d{1,7}(\.\d{1,12})?$"),
    AfterValidator(_money),
    Field(description="USD as a decimal string, to 12 decimals."),
]
Margin = Annotated[
    str,
    StringConstraints(pattern=r"^-?\d{1,3}(\.\d{1,6})?$"),
    AfterValidator(_margin),
    Field(description="On prices that this version does not name: 0.2 is a fifth more."),
]
Per = Annotated[int, Field(ge=1, le=PER_MAX)]
ModelPattern = Annotated[
    str,
    StringConstraints(pattern=r"^(\*|[A-Za-z0-9][A-Za-z0-9._:@+/-]{0,199}(/\*)?)$"),
    Field(description="A model, all of a provider (`openai/*`), or `*`."),
]
MeterName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_.]{0,63}$")]


class PlatformScope(BaseModel):
    model_config = STRICT

    type: Literal["platform"]


class TenantScope(BaseModel):
    model_config = STRICT

    type: Literal["tenant"]
    id: Annotated[UUID, Field(strict=False)]


class PlanScope(BaseModel):
    """Of every tenant that is on the plan, as long as it is."""

    model_config = STRICT

    type: Literal["plan"]
    id: Annotated[UUID, Field(strict=False)]


class TierBody(BaseModel):
    """up_to: inclusive; null in the last one, which has no end. fee_usd: once in a period, as soon
    as something is charged in this tier.
    """

    model_config = STRICT

    up_to: Annotated[int, Field(ge=1, le=QUANTITY_MAX)] | None
    usd: Usd
    per: Per = 1
    fee_usd: Usd = "0"


class PriceBody(BaseModel):
    """unit: `usd` for every `per` units. package: `usd` for each package of `size` units that is
    begun. graduated: each part at the price of its tier. volume: all at the price of the tier that
    the quantity, or with volume_by_prompt all input tokens of the call, falls into.

    over: `period`, which it is without it: the quantity of package, graduated and volume is all
    that was used in a billing period, of one model and meter. `call`: that of each call, or of each
    event that a tenant sends, as it always is with unit and volume_by_prompt.
    """

    model_config = STRICT

    kind: Literal["unit", "package", "graduated", "volume", "volume_by_prompt"]
    usd: Usd | None = None
    per: Per = 1
    size: Per | None = None
    tiers: Annotated[list[TierBody], Field(max_length=TIERS_MAX)] | None = None
    over: Literal["period", "call"] | None = None


class PriceEntry(BaseModel):
    model_config = STRICT

    model: ModelPattern
    meter: MeterName
    price: PriceBody


class PriceBookBody(BaseModel):
    """effective_from: now without it; never earlier. What a tenant's book does not name has the
    price of its plan's, of the platform's, or of the list that comes with the release, with the
    margins of the books before on it.
    """

    model_config = STRICT

    scope: Annotated[PlatformScope | PlanScope | TenantScope, Field(discriminator="type")]
    effective_from: Instant | None = None
    margin: Margin = "0"
    prices: Annotated[list[PriceEntry], Field(max_length=PRICES_MAX)] = []


class PricesPublished(BaseModel):
    price_book_id: str
    version: int
    effective_from: str


PRICE_BOOK_BODY = TypeAdapter(PriceBookBody)


@route(
    "POST",
    "/api/v1/price-books",
    documented(
        "publishPrices",
        "Publish prices: a new version, from an instant on",
        requires=PublishPrices.requires,
        answers=Answered[PricesPublished],
        status=HTTPStatus.CREATED,
        body="PriceBookBody",
        example={
            "scope": {"type": "platform"},
            "margin": "0.2",
            "prices": [
                {
                    "model": "openai/gpt-4o-mini",
                    "meter": "input_tokens",
                    "price": {"kind": "unit", "usd": "0.15", "per": 1_000_000},
                }
            ],
        },
        refusals=[TenantNotFound, PlanNotFound, PricesInThePast, TooManyPriceVersions],
    ),
)
async def publish(call: Call) -> Response:
    body = await call.body(PRICE_BOOK_BODY)
    command = PublishPrices(
        body.scope.id if isinstance(body.scope, TenantScope) else None,
        _prices(body.prices),
        body.margin,
        body.effective_from,
        body.scope.id if isinstance(body.scope, PlanScope) else None,
    )
    return await call.answer(command, HTTPStatus.CREATED)


def _prices(entries: list[PriceEntry]) -> JsonObject:
    """Raises Invalid for what is named twice, and for prices that leave something out."""
    prices: dict[str, JsonObject] = {}
    mistakes: list[FieldError] = []
    for place, entry in enumerate(entries):
        of_model = prices.setdefault(entry.model, {})
        if entry.meter in of_model:
            reason = "this model has a price for this meter already"
            mistakes.append(FieldError(f"/prices/{place}", "duplicate", reason))
        price = _price(entry.price)
        if isinstance(price, _Missing):
            field = f"/prices/{place}/price/{price.field}"
            mistakes.append(FieldError(field, price.code, price.reason))
        else:
            of_model[entry.meter] = price_document(price)
    if mistakes:
        raise Invalid(errors=mistakes)
    return {**prices}


class _Missing(NamedTuple):
    field: str
    code: str
    reason: str


def _price(body: PriceBody) -> Price | _Missing:
    if body.kind not in TIERED_KINDS and body.over == "period":
        return _Missing("over", "bad_over", f"a price of kind {body.kind} is of each call")
    if body.kind == "unit":
        if body.usd is None:
            return _Missing("usd", "missing", "a price of kind unit needs it")
        return UnitPrice(usd_pico(body.usd), body.per)
    price = _package(body) if body.kind == "package" else _tiered(body)
    if isinstance(price, _Missing) or body.kind not in TIERED_KINDS or body.over == "call":
        return price
    return OverPeriod(price)


def _package(body: PriceBody) -> Package | _Missing:
    if body.usd is None or body.size is None:
        field = "usd" if body.usd is None else "size"
        return _Missing(field, "missing", "a price of kind package needs it")
    return Package(usd_pico(body.usd), body.size)


def _tiered(body: PriceBody) -> Tiered | _Missing:
    tiers = tuple(
        Tier(one.up_to, usd_pico(one.usd), one.per, usd_pico(one.fee_usd))
        for one in body.tiers or ()
    )
    if not are_tiers_complete(tiers):
        reason = "tiers ascend, and the last one (and no other) has up_to null"
        return _Missing("tiers", "bad_tiers", reason)
    is_of_call = body.over == "call" or body.kind not in TIERED_KINDS
    if is_of_call and any(tier.fee_usd_pico for tier in tiers):
        return _Missing("tiers", "bad_fee", "a fee is of a period, and this price of each call")
    if body.kind == "graduated":
        return Graduated(tiers)
    return Volume(tiers, is_by_prompt=body.kind == "volume_by_prompt")


ROUTES = (publish,)
BODIES = (PRICE_BOOK_BODY,)
