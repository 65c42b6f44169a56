"""The operator publishes prices; nobody else does."""

from datetime import timedelta
from uuid import UUID

import pytest

from commands.authorization import MissingScope
from commands.plan_port import NobodyLimited
from commands.plans import CreatePlan
from commands.price_books import PublishPrices
from commands.price_port import PublishedPrices
from commands.tenants import CreateTenant
from domain.identifiers import PLATFORM, JsonObject, TenantId
from domain.plans import PlanNotFound
from domain.price_books import PriceBook, price_book_id
from domain.prices import UnitPrice
from domain.tenants import TenantNotFound
from infra.price_books import StoredPrices
from tests.commands.fakes import NOON, World

PRICES: JsonObject = {"m/a": {"input_tokens": {"kind": "unit", "usd_pico": 5, "per": 1}}}


async def test_the_platforms_prices_are_everybodys_and_the_tenants_come_first() -> None:
    world = World()
    created = await world.when(
        CreateTenant("Acme", "ada@example.com", "correct horse battery"), caller=world.operator
    )
    tenant_id = TenantId(UUID(str(created.result["tenant_id"])))
    await world.when(PublishPrices(None, PRICES), caller=world.operator)
    answer = await world.when(PublishPrices(tenant_id, {}, "0.5"), caller=world.operator)
    assert answer.result["version"] == 1
    prices = StoredPrices(world.store, NobodyLimited())
    own = await prices.sources(tenant_id, "offline/echo", NOON)
    others = await prices.sources(world.tenant_id, "offline/echo", NOON)
    assert [source.name for source in own] == ["tenant/1", "platform/1", "offline/1"]
    assert [source.name for source in others] == ["platform/1", "offline/1"]
    assert own[1].price("m/a", "input_tokens") == UnitPrice(5)


async def test_whoever_keeps_books_in_memory_is_told_of_each_version() -> None:
    world = World()
    for _ in range(2):
        await world.when(PublishPrices(None, PRICES), caller=world.operator)
    book_id = price_book_id(PLATFORM)
    rows = [row for row in world.store.side_rows if isinstance(row, PublishedPrices)]
    assert rows == [PublishedPrices(book_id, 1), PublishedPrices(book_id, 2)]
    assert {envelope.tenant_id for envelope in world.store.envelopes} == {PLATFORM}


async def test_prices_of_a_tenant_that_does_not_exist_are_refused() -> None:
    world = World()
    with pytest.raises(TenantNotFound):
        await world.when(PublishPrices(world.ids.new(), PRICES), caller=world.operator)


async def test_prices_of_a_plan_are_a_book_of_the_platforms_that_is_named_by_the_plan() -> None:
    world = World()
    made = await world.when(CreatePlan("Team", {}, is_for_resellers=False), caller=world.operator)
    plan_id = UUID(str(made.result["plan_id"]))
    await world.when(PublishPrices(None, PRICES, of_plan=plan_id), caller=world.operator)
    book = await world.store.load(PriceBook, price_book_id(plan_id), PLATFORM)
    assert book is not None
    assert [version.name for version in book.versions] == [f"plan/{plan_id}/1"]
    with pytest.raises(PlanNotFound):
        await world.when(
            PublishPrices(None, PRICES, of_plan=world.ids.new()), caller=world.operator
        )


async def test_no_tenant_publishes_prices() -> None:
    world = World()
    with pytest.raises(MissingScope):
        await world.when(PublishPrices(world.tenant_id, PRICES))


async def test_what_is_published_for_later_does_not_hold_yet() -> None:
    world = World()
    later = NOON + timedelta(hours=1)
    await world.when(PublishPrices(None, PRICES, effective_from=later), caller=world.operator)
    prices = StoredPrices(world.store, NobodyLimited())
    now = await prices.sources(world.tenant_id, "offline/echo", NOON)
    then = await prices.sources(world.tenant_id, "offline/echo", later)
    assert (len(now), len(then)) == (1, 2)
