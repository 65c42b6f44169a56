"""Prices over a period on a real database: from `POST /usage-events` one by one to invoices, what
comes late, and `verify`, which makes all of it again.
"""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from psycopg import AsyncConnection

from commands.authorization import Caller
from commands.decisions import Tenancy
from commands.invoices import CreditInvoice
from commands.plans import CreatePlan
from commands.price_books import PublishPrices
from commands.subscriptions import Subscribe
from commands.upcoming_invoices import upcoming_invoice
from commands.usage_events import SendUsageEvents, SentEvent
from domain.billing_accounts import BillingAccount
from domain.identifiers import TenantId
from domain.invoices import Invoice
from domain.usage_events import UsageEvent
from infra.billing_facts import PostgresBilling
from tests.commands.fakes import NOON
from tests.infra.billing_steps import DECEMBER, Installation
from tests.infra.conftest import Parts
from tests.infra.test_invoice_replay import GRACE, JANUARY, Planted, in_document, setting

CENT = 10**10
# The first 10 pages at 1, all others at 0.5 and once 2; each 10 stamps that are begun at 2.
PRICES: Any = {
    "meter/*": {
        "pages": {
            "kind": "graduated",
            "tiers": [[10, 100 * CENT, 1], [None, 50 * CENT, 1, 200 * CENT]],
            "over": "period",
        },
        "stamps": {"kind": "package", "usd_pico": 200 * CENT, "size": 10, "over": "period"},
    }
}
PLAN: Any = {
    "interval": "month",
    "recurring_usd": "0",
    "minimum_usd": "0",
    "trial_days": 0,
    "included": [{"meter": "pages", "model": "*", "quantity": 30}],
}


class Story:
    def __init__(self, installation: Installation, tenant_id: TenantId) -> None:
        self.installation = installation
        self.tenant_id = tenant_id
        self.sent = 0

    async def used(self, meter: str, quantities: list[int], happened_at: datetime) -> None:
        events: list[SentEvent] = []
        for quantity in quantities:
            self.sent += 1
            told: Any = {"quantity": quantity}
            events.append(SentEvent("/p", str(self.sent), meter, None, happened_at, told))
        caller = Caller("api_key:1", self.tenant_id, frozenset({"usage:write"}))
        await self.installation.done(SendUsageEvents(events), caller)

    async def upcoming(self) -> list[tuple[str, str, str, str]]:
        on = Tenancy(self.installation.ports, self.installation.operator, self.tenant_id)
        return lines((await upcoming_invoice(on))["document"])

    async def invoice(self, start: datetime) -> Invoice:
        return await self.installation.invoice(self.tenant_id, start)


def of_usage(invoice: Invoice) -> list[tuple[str, str, str]]:
    found = lines(invoice.document)
    return [line[1:] for line in found if line[0] in ("usage", "included", "adjustment")]


def lines(document: Any) -> list[tuple[str, str, str, str]]:
    return [
        (line["kind"], line["description"], line["quantity"], line["amount"])
        for line in document["lines"]
    ]


@pytest.fixture
async def story(parts: Parts) -> Story:
    installation = Installation(parts, PostgresBilling(await parts.database("api"), parts.keys))
    tenant_id = await installation.billed_tenant()
    await installation.done(PublishPrices(tenant_id, PRICES))
    return Story(installation, tenant_id)


@pytest.fixture
async def owner(database_url: str) -> AsyncIterator[AsyncConnection]:
    async with await AsyncConnection.connect(
        database_url, autocommit=True, options="-c search_path=agentledger,pg_catalog"
    ) as conn:
        yield conn


async def test_what_comes_one_by_one_is_charged_by_the_tiers_of_its_month(
    story: Story, owner: AsyncConnection
) -> None:
    """15 pages are 10 and 4.50; 11 stamps two packages. The day after the invoice 2 pages and
    9 stamps of that month come: 1.00, and nothing, for they were in the second package.
    """
    installation = story.installation
    in_november = NOON + timedelta(days=1)
    installation.clock.time = in_november
    await story.used("pages", [1] * 15, in_november)
    await story.used("stamps", [1] * 11, in_november)
    november = [
        ("usage", "Pages (tier 1: up to 10)", "10", "10.00"),
        ("usage", "Pages (tier 2: above 10)", "5", "4.50"),
        ("usage", "Stamps (packages of 10)", "11", "4.00"),
    ]
    assert sorted(await story.upcoming()) == november
    await installation.until(DECEMBER + GRACE)
    first = await story.invoice(NOON)
    assert sorted(lines(first.document)) == november
    await story.used("pages", [1, 1], in_november)
    await story.used("stamps", [9], in_november)
    await story.used("pages", [1], DECEMBER)
    await installation.until(JANUARY + GRACE)
    second = await story.invoice(DECEMBER)
    assert lines(second.document) == [
        ("usage", "Pages (tier 1: up to 10)", "1", "1.00"),
        ("adjustment", "Pages (tier 2: above 10)", "2", "1.00"),
    ]
    # A line of a tier is credited as any other is.
    told: Any = first.document
    tier = next(line["line"] for line in told["lines"] if "tier 2" in line["description"])
    await installation.done(CreditInvoice(story.tenant_id, first.id, "outage", [(tier, "1.50")]))
    planted = Planted(installation.parts, owner, story.tenant_id)
    assert await planted.found() == ""
    finalized, closed = Invoice.Finalized.TOPIC, BillingAccount.PeriodClosed.TOPIC
    usd = in_document(setting("lines", 1, "usd", to="9"))
    assert "line 2 (usage)" in await planted.found(finalized, usd, first.id)
    assert "closed in another way" in await planted.found(closed, setting("counted", to={}))
    more = setting("usage", "lines", 0, 1, to=7)
    assert "facts cost" in await planted.found(UsageEvent.Created.TOPIC, more)


async def test_what_a_plan_includes_is_followed_through_late_facts(
    story: Story, owner: AsyncConnection
) -> None:
    """Of 30 pages a month 9.5 until the month ends. Of 12 pages 2.5 are to be paid, of 32 then
    22.5: 2.50 and 18.25, where all of them are 13.00 and 23.00.
    """
    installation = story.installation
    made = await installation.done(CreatePlan("Team", {}, is_for_resellers=False, terms=PLAN))
    await installation.done(Subscribe(story.tenant_id, UUID(made["plan_id"])))
    await story.used("pages", [1] * 12, NOON)
    await installation.until(DECEMBER + GRACE)
    assert of_usage(await story.invoice(NOON)) == [
        ("Pages (tier 1: up to 10)", "10", "10.00"),
        ("Pages (tier 2: above 10)", "2", "3.00"),
        ("Included: pages", "-9.5", "-10.50"),
    ]
    await story.used("pages", [20], NOON)
    await installation.until(JANUARY + GRACE)
    assert of_usage(await story.invoice(DECEMBER)) == [
        ("Pages (tier 2: above 10)", "20", "10.00"),
        ("Included: pages", "0", "5.75"),
    ]
    assert await Planted(installation.parts, owner, story.tenant_id).found() == ""
