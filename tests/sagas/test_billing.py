"""The billing of a tenant takes its steps when they are due, by a clock that tests move."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from commands.billing_accounts import SetBillingTerms
from commands.tenants import CreateTenant
from domain.identifiers import TenantId
from domain.invoices import Invoice, invoice_id
from sagas.billing import BillingSaga
from tests.commands.fake_billing import FakeBillingTimers
from tests.commands.fakes import NOON, World

ACME = CreateTenant("Acme", "Ada@Example.com", "correct horse battery")
DECEMBER = datetime(2026, 12, 1, tzinfo=UTC)
JANUARY = datetime(2027, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
US = timedelta(microseconds=1)


class Billed:
    """A tenant that is billed from noon of 21 November on, with a day of grace."""

    def __init__(self, world: World, tenant_id: TenantId) -> None:
        self.world = world
        self.tenant_id = tenant_id
        self.saga = BillingSaga(FakeBillingTimers(world.store), world.ports, "worker:1", poll_s=1)

    async def until(self, now: datetime) -> None:
        self.world.clock.time = now
        while await self.saga.work_once():
            pass

    async def invoice(self, start: datetime) -> Invoice:
        found = await self.world.store.load(
            Invoice, invoice_id(self.tenant_id, start), self.tenant_id
        )
        assert found is not None
        return found

    def used(self, happened_at: datetime, **told: Any) -> None:
        self.world.billing.used(self.tenant_id, happened_at, **told)


@pytest.fixture
async def billed() -> Billed:
    world = World()
    made = await world.when(ACME, caller=world.operator)
    tenant_id = TenantId(UUID(str(made.result["tenant_id"])))
    terms = SetBillingTerms(tenant_id, "EUR", "0.5", None, {"default": "19"}, 14, 86400)
    await world.when(terms, caller=world.operator)
    return Billed(world, tenant_id)


def amounts(invoice: Invoice) -> list[tuple[str, str]]:
    document: Any = invoice.document
    return [(line["kind"], line["amount"]) for line in document["lines"]]


async def test_a_month_ends_its_grace_passes_and_the_invoice_is_issued(billed: Billed) -> None:
    billed.used(NOON)
    billed.used(DECEMBER - US)
    billed.used(DECEMBER)
    await billed.until(DECEMBER - US)
    assert (await billed.invoice(NOON)).status == "gathering"
    await billed.until(DECEMBER)
    assert (await billed.invoice(NOON)).status == "draft"
    assert (await billed.invoice(DECEMBER)).status == "gathering"
    await billed.until(DECEMBER + DAY)
    invoice = await billed.invoice(NOON)
    assert (invoice.status, invoice.number, invoice.due_at) == (
        "issued",
        1,
        DECEMBER + 15 * DAY,
    )
    assert amounts(invoice) == [("usage", "1.00")]
    assert (invoice.total, invoice.amount_due) == (119, 119)


async def test_what_comes_in_the_grace_is_still_on_it_and_what_comes_later_an_adjustment(
    billed: Billed,
) -> None:
    billed.used(NOON)
    await billed.until(DECEMBER)
    billed.used(DECEMBER - US)
    billed.used(DECEMBER + DAY)
    await billed.until(DECEMBER + DAY)
    billed.used(DECEMBER - DAY)
    await billed.until(JANUARY + DAY)
    assert amounts(await billed.invoice(NOON)) == [("usage", "1.00")]
    second: Any = (await billed.invoice(DECEMBER)).document
    assert [(line["kind"], line["amount"], line["start"]) for line in second["lines"]] == [
        ("usage", "0.50", DECEMBER.isoformat()),
        ("adjustment", "0.50", NOON.isoformat()),
    ]


async def test_what_was_used_before_billing_began_is_never_billed(billed: Billed) -> None:
    billed.used(NOON - US)
    await billed.until(DECEMBER + DAY)
    billed.used(NOON - US)
    await billed.until(JANUARY + DAY)
    first, second = await billed.invoice(NOON), await billed.invoice(DECEMBER)
    assert amounts(first) == amounts(second) == []


async def test_an_invoice_of_nothing_is_paid_when_it_is_issued(billed: Billed) -> None:
    await billed.until(DECEMBER + DAY)
    assert (await billed.invoice(NOON)).status == "paid"


async def test_an_unpaid_invoice_is_past_due_when_its_day_has_come(billed: Billed) -> None:
    billed.used(NOON)
    await billed.until(DECEMBER + DAY)
    await billed.until(DECEMBER + 15 * DAY - US)
    assert (await billed.invoice(NOON)).status == "issued"
    await billed.until(DECEMBER + 15 * DAY)
    assert (await billed.invoice(NOON)).status == "past_due"


async def test_months_that_nobody_billed_are_billed_one_after_the_other(billed: Billed) -> None:
    for days in (0, 20, 50, 80):
        billed.used(NOON + days * DAY)
    await billed.until(datetime(2027, 3, 2, tzinfo=UTC))
    numbers = [(await billed.invoice(start)).number for start in (NOON, DECEMBER, JANUARY)]
    assert numbers == [1, 2, 3]
    assert [amounts(await billed.invoice(start)) for start in (NOON, DECEMBER, JANUARY)] == [
        [("usage", "0.50")]
    ] * 3


async def test_what_was_held_is_an_adjustment_once_it_is_known(billed: Billed) -> None:
    lost = {"stream_id": UUID(int=77)}
    billed.used(NOON, lines=None, **lost)
    await billed.until(DECEMBER + DAY)
    first: Any = (await billed.invoice(NOON)).document
    assert (first["held"], first["lines"]) == (1, [])
    billed.used(NOON, **lost)
    await billed.until(JANUARY + DAY)
    second: Any = (await billed.invoice(DECEMBER)).document
    assert (second["held"], amounts(await billed.invoice(DECEMBER))) == (
        0,
        [("adjustment", "0.50")],
    )


async def test_usage_without_a_price_is_listed_and_said_aloud(
    billed: Billed, caplog: pytest.LogCaptureFixture
) -> None:
    billed.used(NOON, model="new/model", prices="", lines=[("input_tokens", 7, None)])
    await billed.until(DECEMBER + DAY)
    document: Any = (await billed.invoice(NOON)).document
    (listed,) = document["unpriced"]
    assert (listed["model"], listed["quantity"], listed["facts"]) == ("new/model", "7", 1)
    assert "usage without a price" in caplog.text


async def test_nothing_is_done_twice_by_who_comes_too_late(billed: Billed) -> None:
    """Two workers took the same step; the second one stores nothing."""
    billed.used(NOON)
    await billed.until(DECEMBER)
    billed.world.clock.time = DECEMBER + DAY
    (due,) = billed.saga.timers.timers()  # type: ignore[attr-defined] # the fake's
    assert await billed.saga.take_step(due)
    stored = len(billed.world.store.events)
    assert not await billed.saga.take_step(due)
    assert len(billed.world.store.events) == stored
