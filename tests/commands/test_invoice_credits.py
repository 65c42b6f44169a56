"""What an invoice was paid with comes back when it is voided or credited."""

from typing import Any
from uuid import UUID

import pytest

from commands.credits import GrantCredits, WithdrawCredits, credit_account
from commands.decisions import Tenancy
from commands.invoices import CreditInvoice, PayInvoice, VoidInvoice
from domain.credits import CreditAccount
from tests.commands.billing_steps import DAY, DECEMBER, Billed
from tests.commands.fakes import NOON, World

PICO = 10**12


@pytest.fixture
async def billed() -> Billed:
    return await Billed.begun(World())


async def when(billed: Billed, command: Any) -> Any:
    return (await billed.world.when(command, caller=billed.issuer)).result


async def granted(billed: Billed, amount_usd: str, **told: Any) -> str:
    grant = GrantCredits(billed.tenant_id, amount_usd, "promotional", **told)
    return (await when(billed, grant))["grant_id"]


async def account(billed: Billed) -> CreditAccount:
    found = await credit_account(Tenancy(billed.world.ports, billed.issuer, billed.tenant_id))
    assert found is not None
    return found


async def left(billed: Billed) -> list[int]:
    """Of each grant, in the order in which they were given; and the ledger sums to zero."""
    found = await account(billed)
    assert sum(found.balances.values()) == 0
    return [one.left_pico for one in found.grants.values()]


async def credit(billed: Billed, invoice_id: UUID, *amounts: tuple[int, str]) -> Any:
    told = await when(billed, CreditInvoice(billed.tenant_id, invoice_id, "an outage", amounts))
    return told["given_back"], told["status"]


def back(owed: str, credits: str, carried_over: str = "0.00") -> dict[str, str]:  # noqa: A002 # as it is told
    return {"owed": owed, "credits": credits, "carried_over": carried_over}


async def test_a_credit_note_makes_less_owed_and_then_gives_credits_back(billed: Billed) -> None:
    """Of 1.20 EUR with tax, 1.00 was paid by 2 USD: the last grant that burned gets it first."""
    await granted(billed, "0.5", priority=1)
    await granted(billed, "1.5")
    invoice = await billed.issued()
    assert (invoice.total, invoice.amount_due, await left(billed)) == (120, 20, [0, 0])
    assert await credit(billed, invoice.id, (1, "0.10")) == (back("0.12", "0.00"), "issued")
    assert await left(billed) == [0, 0]
    assert await credit(billed, invoice.id, (2, "0.50")) == (back("0.08", "0.52"), "paid")
    assert await left(billed) == [0, 1_040_000_000_000]
    assert await credit(billed, invoice.id) == (back("0.00", "0.48"), "paid")
    assert await left(billed) == [PICO // 2, 3 * PICO // 2]


async def test_what_is_void_gives_back_what_no_credit_note_has_given(billed: Billed) -> None:
    await granted(billed, "2")
    invoice = await billed.issued()
    await credit(billed, invoice.id, (1, "0.10"))
    void = VoidInvoice(billed.tenant_id, invoice.id, "wrong")
    await when(billed, void)
    assert await left(billed) == [2 * PICO]
    stored = len(billed.world.store.events)
    await when(billed, void)
    assert len(billed.world.store.events) == stored


async def test_what_comes_back_to_what_has_ended_is_gone_again(billed: Billed) -> None:
    """Expired or withdrawn meanwhile: in the same append, so nobody can use it in between."""
    await granted(billed, "1", expires_at=DECEMBER + 2 * DAY)
    withdrawn = await granted(billed, "3")
    invoice = await billed.issued()
    take = WithdrawCredits(billed.tenant_id, UUID(withdrawn), "given twice")
    await when(billed, take)
    billed.world.clock.time = DECEMBER + 3 * DAY
    appends = billed.world.store.appends_count
    await credit(billed, invoice.id)
    assert billed.world.store.appends_count == appends + 1
    assert await left(billed) == [0, 0]
    assert (await account(billed)).balances["issued"] == -PICO
    assert (await account(billed)).balances["expired"] == PICO


async def test_what_an_earlier_invoice_had_carried_over_becomes_credit(billed: Billed) -> None:
    """1 USD given back, at half a EUR for one, pays for a part of the next invoice; of that part
    nothing is lost when that one is void or credited.
    """
    billed.world.billing.used(billed.tenant_id, NOON, lines=[("pages", -1, -(10**12))])
    await billed.until(DECEMBER + DAY)
    billed.world.billing.used(billed.tenant_id, DECEMBER)
    billed.world.billing.used(billed.tenant_id, DECEMBER, model="offline/script")
    await billed.until(DECEMBER + 40 * DAY)
    second = await billed.invoice(DECEMBER)
    document: Any = second.document
    assert (document["balance_before"], document["amount_due"]) == ("-0.60", "0.60")
    given, _ = await credit(billed, second.id, (1, "0.50"))
    assert given == back("0.60", "0.00")
    given, _ = await credit(billed, second.id, (2, "0.20"))
    assert given == back("0.00", "0.00", "0.24")
    assert await left(billed) == [480_000_000_000]
    with pytest.raises(Exception, match="paid"):
        await when(billed, VoidInvoice(billed.tenant_id, second.id, "wrong"))


async def test_a_void_invoice_gives_back_what_was_carried_over(billed: Billed) -> None:
    billed.world.billing.used(billed.tenant_id, NOON, lines=[("pages", -1, -(10**12))])
    await billed.until(DECEMBER + DAY)
    billed.world.billing.used(billed.tenant_id, DECEMBER, lines=[("pages", 3, 3 * 10**12)])
    await billed.until(DECEMBER + 40 * DAY)
    second = await billed.invoice(DECEMBER)
    await when(billed, VoidInvoice(billed.tenant_id, second.id, "wrong"))
    assert await left(billed) == [12 * PICO // 10]


async def test_an_invoice_of_which_nothing_is_owed_any_more_is_paid(billed: Billed) -> None:
    """Also when a part of it was paid; and nobody reminds of it."""
    invoice = await billed.issued()
    await when(billed, PayInvoice(billed.tenant_id, invoice.id, "line 7", amount="0.60"))
    assert (await credit(billed, invoice.id, (1, "0.50")))[1] == "paid"
    await billed.until(DECEMBER + 20 * DAY)
    stored = await billed.invoice()
    assert (stored.status, stored.payment) == ("paid", ("credit_note", "CN-000001"))
