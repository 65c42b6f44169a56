"""The books that a worker keeps in memory."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

import pytest
from psycopg import AsyncConnection

from commands.plan_port import STANDARD, NobodyLimited, TenantPlan
from commands.price_port import PublishedPrices
from domain.envelope import Envelope
from domain.identifiers import PLATFORM, TenantId
from domain.price_books import PriceBook, price_book_id
from infra.price_books import PriceBooks
from infra.verification import verify_log
from tests.commands.fakes import NOON
from tests.infra.conftest import Parts
from tests.infra.log_steps import IDS

HOUR = timedelta(hours=1)


async def publish(
    parts: Parts, owner: TenantId, *, since: datetime = NOON, plan_id: UUID | None = None
) -> None:
    """plan_id: of a plan, whose books are the platform's."""
    book_id = price_book_id(plan_id or owner)
    kind = "platform" if owner == PLATFORM else "tenant"
    book = await parts.store.load(PriceBook, book_id, owner) or PriceBook._create(
        PriceBook.Created, id=book_id, owner=kind if plan_id is None else f"plan/{plan_id}"
    )
    number = book.publish({}, margin="0.5", effective_from=since, now=NOON)
    rows = [PublishedPrices(book_id, number)]
    await parts.store.append([book], Envelope(owner, "operator"), side_rows=rows)


class SomePlans(NobodyLimited):
    """plan_of: of tenants that are not on the standard plan."""

    def __init__(self) -> None:
        self.plan_of: dict[TenantId, UUID] = {}

    def known(self, tenant_id: TenantId) -> TenantPlan:
        return replace(STANDARD, plan_id=self.plan_of.get(tenant_id, STANDARD.plan_id))


async def names(books: PriceBooks, tenant_id: TenantId, at: datetime = NOON) -> list[str]:
    return [source.name for source in await books.sources(tenant_id, "offline/echo", at)]


@pytest.fixture
async def owner(database_url: str) -> AsyncIterator[AsyncConnection]:
    async with await AsyncConnection.connect(
        database_url, autocommit=True, options="-c search_path=agentledger"
    ) as conn:
        yield conn


@pytest.fixture
def plans() -> SomePlans:
    return SomePlans()


@pytest.fixture
async def books(parts: Parts, plans: SomePlans) -> PriceBooks:
    return PriceBooks(await parts.database("worker"), parts.store, plans)


async def test_a_worker_hears_of_books_and_of_their_versions(
    parts: Parts, books: PriceBooks
) -> None:
    ours, theirs = TenantId(IDS.new()), TenantId(IDS.new())
    await publish(parts, ours)
    await books.refresh()
    assert await names(books, ours) == ["tenant/1", "offline/1"]
    await publish(parts, PLATFORM)
    await publish(parts, ours, since=NOON + HOUR)
    await books.refresh()
    assert await names(books, ours) == ["tenant/1", "platform/1", "offline/1"]
    assert await names(books, ours, NOON + HOUR) == ["tenant/2", "platform/1", "offline/1"]
    assert await names(books, theirs) == ["platform/1", "offline/1"]


async def test_a_plans_prices_come_between_the_tenants_and_the_platforms(
    parts: Parts, books: PriceBooks, plans: SomePlans
) -> None:
    ours, theirs, plan_id = TenantId(IDS.new()), TenantId(IDS.new()), IDS.new()
    plans.plan_of[ours] = plan_id
    await publish(parts, PLATFORM)
    await publish(parts, ours)
    await publish(parts, PLATFORM, plan_id=plan_id)
    await books.refresh()
    own, of_plan, platform, listed = await names(books, ours)
    assert (own, of_plan, listed) == ("tenant/1", f"plan/{plan_id}/1", "offline/1")
    assert await names(books, theirs) == [platform, "offline/1"]
    del plans.plan_of[ours]
    assert await names(books, ours) == ["tenant/1", platform, "offline/1"]


async def test_a_book_goes_from_memory_with_its_row(
    parts: Parts, books: PriceBooks, owner: AsyncConnection
) -> None:
    tenant_id = TenantId(IDS.new())
    await publish(parts, tenant_id)
    await books.refresh()
    await owner.execute("DELETE FROM agentledger.price_books WHERE tenant_id = %s", (tenant_id,))
    await books.refresh()
    assert "tenant/1" not in await names(books, tenant_id)


async def test_verify_finds_a_version_that_nobody_prices_with(
    parts: Parts, owner: AsyncConnection
) -> None:
    tenant_id = TenantId(IDS.new())
    await publish(parts, tenant_id)

    async def told() -> list[str]:
        checks = await verify_log(owner, parts.seals.opened, lambda _: None)
        (check,) = [one for one in checks if "price book" in one.name]
        return [told for told in check.violations if str(price_book_id(tenant_id)) in told]

    assert await told() == []
    await owner.execute(
        "UPDATE agentledger.price_books SET book_version = 7 WHERE tenant_id = %s", (tenant_id,)
    )
    (violation,) = await told()
    assert "7 versions are known to who prices, 1 are published" in violation
