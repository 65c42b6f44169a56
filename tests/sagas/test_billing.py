"""The billing of a tenant takes its steps when they are due, by a clock that tests move."""

from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from commands.billing_port import DueBilling, SetBillingTimer
from commands.invoices import PayInvoice
from domain.billing_accounts import Terms
from domain.invoice_documents import canonical
from domain.invoices import Invoice
from sagas.billing import AGAIN_S
from tests.commands.billing_steps import DAY, DEATHS, DECEMBER, Billed, Died, dying_at
from tests.commands.fakes import NOON, World

JANUARY = datetime(2027, 1, 1, tzinfo=UTC)
US = timedelta(microseconds=1)


@pytest.fixture
async def billed() -> Billed:
    return await Billed.begun(World())


def used(billed: Billed, happened_at: datetime, **told: Any) -> None:
    billed.world.billing.used(billed.tenant_id, happened_at, **told)


def amounts(invoice: Invoice) -> list[tuple[str, str]]:
    document: Any = invoice.document
    return [(line["kind"], line["amount"]) for line in document["lines"]]


async def test_a_month_ends_its_grace_passes_and_the_invoice_is_issued(billed: Billed) -> None:
    used(billed, NOON)
    used(billed, DECEMBER - US)
    used(billed, DECEMBER)
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
    used(billed, NOON)
    await billed.until(DECEMBER)
    used(billed, DECEMBER - US)
    used(billed, DECEMBER + DAY)
    await billed.until(DECEMBER + DAY)
    used(billed, DECEMBER - DAY)
    await billed.until(JANUARY + DAY)
    assert amounts(await billed.invoice(NOON)) == [("usage", "1.00")]
    second: Any = (await billed.invoice(DECEMBER)).document
    assert [(line["kind"], line["amount"], line["start"]) for line in second["lines"]] == [
        ("usage", "0.50", DECEMBER.isoformat()),
        ("adjustment", "0.50", NOON.isoformat()),
    ]


async def test_what_was_used_before_billing_began_is_never_billed(billed: Billed) -> None:
    used(billed, NOON - US)
    await billed.until(DECEMBER + DAY)
    used(billed, NOON - US)
    await billed.until(JANUARY + DAY)
    first, second = await billed.invoice(NOON), await billed.invoice(DECEMBER)
    assert amounts(first) == amounts(second) == []


async def test_an_invoice_of_nothing_is_paid_when_it_is_issued(billed: Billed) -> None:
    await billed.until(DECEMBER + DAY)
    assert (await billed.invoice(NOON)).status == "paid"


async def test_an_unpaid_invoice_is_past_due_when_its_day_has_come(billed: Billed) -> None:
    used(billed, NOON)
    await billed.until(DECEMBER + DAY)
    await billed.until(DECEMBER + 15 * DAY - US)
    assert (await billed.invoice(NOON)).status == "issued"
    await billed.until(DECEMBER + 15 * DAY)
    assert (await billed.invoice(NOON)).status == "past_due"


async def test_months_that_nobody_billed_are_billed_one_after_the_other(billed: Billed) -> None:
    for days in (0, 20, 50, 80):
        used(billed, NOON + days * DAY)
    await billed.until(datetime(2027, 3, 2, tzinfo=UTC))
    numbers = [(await billed.invoice(start)).number for start in (NOON, DECEMBER, JANUARY)]
    assert numbers == [1, 2, 3]
    assert [amounts(await billed.invoice(start)) for start in (NOON, DECEMBER, JANUARY)] == [
        [("usage", "0.50")]
    ] * 3


async def test_what_was_held_is_an_adjustment_once_it_is_known(billed: Billed) -> None:
    lost = {"stream_id": UUID(int=77)}
    used(billed, NOON, lines=None, **lost)
    await billed.until(DECEMBER + DAY)
    first: Any = (await billed.invoice(NOON)).document
    assert (first["held"], first["lines"]) == (1, [])
    used(billed, NOON, **lost)
    await billed.until(JANUARY + DAY)
    second: Any = (await billed.invoice(DECEMBER)).document
    assert (second["held"], amounts(await billed.invoice(DECEMBER))) == (
        0,
        [("adjustment", "0.50")],
    )


async def test_usage_without_a_price_is_listed_and_said_aloud(
    billed: Billed, caplog: pytest.LogCaptureFixture
) -> None:
    used(billed, NOON, model="new/model", prices="", lines=[("input_tokens", 7, None)])
    await billed.until(DECEMBER + DAY)
    document: Any = (await billed.invoice(NOON)).document
    (listed,) = document["unpriced"]
    assert (listed["model"], listed["quantity"], listed["facts"]) == ("new/model", "7", 1)
    assert "usage without a price" in caplog.text


async def test_nothing_is_done_twice_by_who_comes_too_late(billed: Billed) -> None:
    """Two workers took the same step; the second one stores nothing."""
    used(billed, NOON)
    await billed.until(DECEMBER)
    billed.world.clock.time = DECEMBER + DAY
    (due,) = billed.timers.timers()
    assert await billed.saga.take_step(due)
    stored = len(billed.world.store.events)
    assert not await billed.saga.take_step(due)
    assert len(billed.world.store.events) == stored


async def test_a_timer_that_nothing_is_left_to_do_for_is_not_looked_at_again_at_once(
    billed: Billed,
) -> None:
    """Others are due after it."""
    used(billed, NOON)
    await billed.until(DECEMBER)
    await billed.until(DECEMBER + DAY)
    invoice = await billed.invoice(NOON)
    paying = PayInvoice(billed.tenant_id, invoice.id, "wire 1")
    await billed.world.when(paying, caller=billed.issuer)
    left_over = SetBillingTimer(invoice.id, DECEMBER + DAY)
    billed.world.store.owned_side_rows.append((billed.tenant_id, left_over))
    assert await billed.saga.work_once()
    assert billed.timers.released[-1] == (DueBilling(billed.tenant_id, invoice.id), AGAIN_S)


async def lived(death: tuple[str, int] | None) -> tuple[list[str], list[Any], bool]:
    """A month until its invoice is past due: what was stored, the invoice, and whether a worker
    died.
    """
    billed = await Billed.begun(World())
    used(billed, NOON)
    has_died = False
    with dying_at(*death) if death else nullcontext():
        for days in (0, 1, 15):
            try:
                await billed.until(DECEMBER + days * DAY)
            except Died:
                has_died = True
                await billed.until(DECEMBER + days * DAY)
    invoice = await billed.invoice(NOON)
    told = [invoice.status, invoice.number, invoice.due_at, canonical(invoice.document)]
    return billed.world.store.topics, told, has_died


@pytest.mark.parametrize("point", DEATHS)
@pytest.mark.parametrize("step", [1, 2, 3], ids=["drafting", "finalising", "past due"])
async def test_a_worker_may_die_anywhere_in_any_step(point: str, step: int) -> None:
    topics, told, _ = await lived(None)
    assert told[0] == "past_due"
    assert await lived((point, step)) == (topics, told, True)


@pytest.mark.parametrize(
    ("currency", "rate", "zone", "start", "end", "total"),
    [
        ("JPY", "150.5", "Asia/Kathmandu", "2028-02-01", "2028-03-01", "301"),  # A leap day.
        ("KWD", "0.30725", "Europe/Berlin", "2027-03-01", "2027-04-01", "0.614"),  # An hour less.
        ("CLF", "0.02345", "America/New_York", "2027-11-01", "2027-12-01", "0.0469"),  # One more.
        ("USD", "1", "Pacific/Apia", "2026-12-01", "2027-01-01", "2.00"),
    ],
)
async def test_a_month_has_what_happened_in_it_where_its_tenant_is(
    *, currency: str, rate: str, zone: str, start: str, end: str, total: str
) -> None:
    """A USD each: before, at the beginning, in the last moment, and at the end."""
    begin, over = [
        datetime.fromisoformat(day).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
        for day in (start, end)
    ]
    world = World()
    world.clock.time = begin
    billed = await Billed.begun(world, terms=Terms(currency, rate, zone, {}, 14, 0))
    for happened_at in (begin - US, begin, over - US, over):
        used(billed, happened_at)
    await billed.until(over - US)
    assert (await billed.invoice(begin)).status == "gathering"
    await billed.until(over)
    document: Any = (await billed.invoice(begin)).document
    assert (document["total"], document["facts"]["count"]) == (total, 2)
    assert document["period"] == {"start": begin.isoformat(), "end": over.isoformat()}
