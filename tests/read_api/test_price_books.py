"""The versions of price books: whose may be read by whom."""

from typing import Any
from uuid import UUID

from commands.authorization import OPERATOR_SCOPES, ROLE_GRANTS, Caller
from domain.identifiers import PLATFORM, TenantId
from domain.plans import STANDARD_ID
from domain.price_books import PriceBook, price_book_id
from tests.projections.histories import IDS, Stream, a_tenant
from tests.read_api.api import KEY, Api

QUERY = """query($tenant: ID, $plan: ID, $first: Int, $after: String) {
  priceBooks(tenantId: $tenant, planId: $plan, first: $first, after: $after) {
    edges { node { name version effectiveFrom margin prices } }
    pageInfo { hasNextPage endCursor } } }"""
PRICES = {
    "openai/gpt-4o": {
        "input_tokens": {"kind": "unit", "usd_pico": 150_000_000_000, "per": 1_000_000},
        "output_tokens": {"kind": "graduated", "tiers": [[10, 5 * 10**11, 1], [None, 10**12, 1]]},
        "tool_calls": {"kind": "volume", "tiers": [[None, 0, 1, 10**12]], "over": "period"},
    }
}


def a_book(owner: TenantId, versions: int, *, plan_id: UUID | None = None) -> Stream:
    book = Stream(PriceBook, owner)
    book.stream_id = price_book_id(plan_id or owner)
    kind = "platform" if owner == PLATFORM else "tenant"
    book.happens(PriceBook.Created, owner=kind if plan_id is None else f"plan/{plan_id}")
    for number in range(1, versions + 1):
        book.happens(
            PriceBook.Published,
            book_version=number,
            effective_from=f"2026-01-0{number}T00:00:00+00:00",
            margin="0.2",
            prices=PRICES,
        )
    return book


async def names(api: Api, **asked: Any) -> list[str]:
    page = (await api.read(QUERY, **asked))["priceBooks"]
    return [edge["node"]["name"] for edge in page["edges"]]


async def test_a_tenant_reads_what_was_agreed_with_it_the_newest_first(api: Api) -> None:
    await api.record(a_book(api.tenant_id, 3), a_book(a_tenant(), 1))
    assert await names(api) == ["tenant/3", "tenant/2", "tenant/1"]
    page = (await api.read(QUERY, first=2))["priceBooks"]
    assert page["pageInfo"]["hasNextPage"]
    assert await names(api, after=page["pageInfo"]["endCursor"]) == ["tenant/1"]
    assert page["edges"][0]["node"] == {
        "name": "tenant/3",
        "version": 3,
        "effectiveFrom": "2026-01-03T00:00:00+00:00",
        "margin": "0.2",
        "prices": [
            {
                "model": "openai/gpt-4o",
                "meter": "input_tokens",
                "price": {"kind": "unit", "usd": "0.15", "per": 1_000_000},
            },
            {
                "model": "openai/gpt-4o",
                "meter": "output_tokens",
                "price": {
                    "kind": "graduated",
                    "over": "call",
                    "tiers": [
                        {"up_to": 10, "usd": "0.5", "per": 1},
                        {"up_to": None, "usd": "1", "per": 1},
                    ],
                },
            },
            {
                "model": "openai/gpt-4o",
                "meter": "tool_calls",
                "price": {
                    "kind": "volume",
                    "over": "period",
                    "tiers": [{"up_to": None, "usd": "0", "per": 1, "fee_usd": "1"}],
                },
            },
        ],
    }


async def test_nobody_but_the_operator_reads_the_prices_of_others(api: Api) -> None:
    other = a_tenant()
    await api.record(a_book(other, 1), a_book(PLATFORM, 2), a_book(api.tenant_id, 1))
    for tenant in (str(other), str(PLATFORM), "nonsense"):
        answer = await api.ask(QUERY, tenant=tenant)
        assert answer["errors"][0]["extensions"]["code"] == "forbidden"
    grants, user_id = ROLE_GRANTS["USER"], IDS.new()
    api.callers.known[KEY] = Caller(
        "user:1", api.tenant_id, grants.scopes, user_id, own_only=grants.own_only
    )
    assert await api.refused(QUERY) == "forbidden"
    api.callers.known[KEY] = Caller("operator", None, frozenset(OPERATOR_SCOPES), is_operator=True)
    assert await names(api) == ["platform/2", "platform/1"]
    assert await names(api, tenant=str(other)) == ["tenant/1"]
    assert await names(api, tenant="nonsense") == []


async def test_a_tenant_reads_the_prices_of_its_plan_and_of_no_other(api: Api) -> None:
    other = IDS.new()
    await api.record(a_book(PLATFORM, 1, plan_id=STANDARD_ID), a_book(PLATFORM, 2, plan_id=other))
    assert await names(api, plan=str(STANDARD_ID)) == [f"plan/{STANDARD_ID}/1"]
    for plan in (str(other), "nonsense"):
        answer = await api.ask(QUERY, plan=plan)
        assert answer["errors"][0]["extensions"]["code"] == "forbidden"
    api.callers.known[KEY] = Caller("operator", None, frozenset(OPERATOR_SCOPES), is_operator=True)
    assert await names(api, plan=str(other)) == [f"plan/{other}/2", f"plan/{other}/1"]
