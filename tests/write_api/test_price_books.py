"""POST /price-books."""

from typing import Any

import pytest

from domain.identifiers import PLATFORM
from domain.price_books import PriceBook, price_book_id
from domain.prices import Graduated, OverPeriod, Package, Price, Tier, UnitPrice, Volume
from tests.write_api.api import OPERATOR_KEY, Api, problem

OPERATOR = {"X-Operator-Key": OPERATOR_KEY}


def entry(meter: str = "input_tokens", **price: Any) -> dict[str, Any]:
    return {"model": "openai/gpt-4o", "meter": meter, "price": price}


WITH_FEE = [{"up_to": None, "usd": "1", "fee_usd": "2"}]
TIERS = [{"up_to": None, "usd": "1"}]
UNIT = entry(kind="unit", usd="0.15", per=1_000_000)


async def publish(api: Api, *entries: dict[str, Any], **fields: Any) -> Any:
    body = {"scope": {"type": "platform"}, "prices": list(entries), **fields}
    return await api.send("POST", "/price-books", body, headers=OPERATOR)


async def test_prices_are_published_as_decimal_strings_and_kept_exactly(api: Api) -> None:
    tiers = [
        {"up_to": 10, "usd": "0.000000000001"},
        {"up_to": None, "usd": "0", "fee_usd": "2.5"},
    ]
    response = await publish(
        api, UNIT, entry("tool_calls", kind="graduated", tiers=tiers), margin="0.2"
    )
    assert response.status_code == 201
    assert response.json()["data"]["version"] == 1
    book = await api.store.load(PriceBook, price_book_id(PLATFORM), PLATFORM)
    assert book is not None
    (version,) = book.versions
    assert version.price("openai/gpt-4o", "input_tokens") == UnitPrice(150_000_000_000, 1_000_000)
    told = Graduated((Tier(10, 1), Tier(None, 0, 1, 25 * 10**11)))
    assert version.price("openai/gpt-4o", "tool_calls") == OverPeriod(told)


@pytest.mark.parametrize(
    ("price", "stored"),
    [
        ({"kind": "graduated", "tiers": TIERS}, OverPeriod(Graduated((Tier(None, 10**12),)))),
        ({"kind": "volume", "tiers": TIERS}, OverPeriod(Volume((Tier(None, 10**12),)))),
        ({"kind": "package", "usd": "1", "size": 10}, OverPeriod(Package(10**12, 10))),
        (
            {"kind": "package", "usd": "1", "size": 10, "over": "period"},
            OverPeriod(Package(10**12, 10)),
        ),
        ({"kind": "package", "usd": "1", "size": 10, "over": "call"}, Package(10**12, 10)),
        (
            {"kind": "volume_by_prompt", "tiers": TIERS},
            Volume((Tier(None, 10**12),), is_by_prompt=True),
        ),
        ({"kind": "unit", "usd": "1", "over": "call"}, UnitPrice(10**12)),
    ],
)
async def test_tiers_are_of_the_period_unless_somebody_says_that_they_are_of_each_call(
    api: Api, price: dict[str, Any], stored: Price
) -> None:
    assert (await publish(api, entry("pages", **price))).status_code == 201
    book = await api.store.load(PriceBook, price_book_id(PLATFORM), PLATFORM)
    assert book is not None
    assert book.versions[0].price("openai/gpt-4o", "pages") == stored


@pytest.mark.parametrize(
    ("mistake", "path"),
    [
        ({"margin": "-1.5"}, "/margin"),
        ({"margin": 0.2}, "/margin"),
        ({"scope": {"type": "planet"}}, "/scope"),
        ({"effective_from": "tomorrow"}, "/effective_from"),
        ({"prices": [entry(kind="unit", usd="1e-3")]}, "/prices/0/price/usd"),
        ({"prices": [entry(kind="unit", usd=0.15)]}, "/prices/0/price/usd"),
        ({"prices": [entry(kind="unit", usd="-1")]}, "/prices/0/price/usd"),
        ({"prices": [entry(kind="unit", usd="1", per=0)]}, "/prices/0/price/per"),
        ({"prices": [entry("Tokens", kind="unit", usd="1")]}, "/prices/0/meter"),
        ({"prices": [UNIT, UNIT]}, "/prices/1"),
        ({"prices": [entry(kind="unit")]}, "/prices/0/price/usd"),
        ({"prices": [entry(kind="package", usd="1")]}, "/prices/0/price/size"),
        ({"prices": [entry(kind="graduated")]}, "/prices/0/price/tiers"),
        ({"prices": [entry(kind="unit", usd="1", over="period")]}, "/prices/0/price/over"),
        (
            {"prices": [entry(kind="volume_by_prompt", tiers=TIERS, over="period")]},
            "/prices/0/price/over",
        ),
        (
            {"prices": [entry(kind="volume", tiers=WITH_FEE, over="call")]},
            "/prices/0/price/tiers",
        ),
        ({"prices": [entry(kind="volume_by_prompt", tiers=WITH_FEE)]}, "/prices/0/price/tiers"),
        (
            {"prices": [entry(kind="volume", tiers=[{"up_to": 5, "usd": "1"}])]},
            "/prices/0/price/tiers",
        ),
    ],
)
async def test_a_mistake_is_named_with_its_place(
    api: Api, mistake: dict[str, Any], path: str
) -> None:
    response = await publish(api, **mistake)
    assert [place for place, _ in problem(response, 422, "invalid")] == [path]
    assert api.store.events == []


async def test_prices_that_would_have_held_already_are_refused(api: Api) -> None:
    problem(
        await publish(api, UNIT, effective_from="2020-01-01T00:00:00Z"), 409, "prices_in_the_past"
    )


async def test_a_tenant_cannot_set_its_prices(api: Api) -> None:
    body = {"scope": {"type": "platform"}, "prices": [UNIT]}
    problem(await api.send("POST", "/price-books", body), 403, "forbidden")


async def test_prices_of_a_plan_that_there_is_not_are_refused(api: Api) -> None:
    scope = {"type": "plan", "id": "01890000-0000-7000-8000-0000000000ff"}
    response = await publish(api, UNIT, scope=scope)
    problem(response, 404, "not_found")
    assert api.store.events == []
