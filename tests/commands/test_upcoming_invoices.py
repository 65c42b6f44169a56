"""The next invoice before it is there: the same as it will be, and nothing of it is stored."""

import asyncio
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from commands.authorization import Caller, MissingScope
from commands.credits import GrantCredits, credit_account
from commands.decisions import Tenancy
from commands.plans import CreatePlan
from commands.subscriptions import Subscribe
from commands.upcoming_invoices import UpcomingInvoices
from domain.billing_accounts import BillingAccountNotFound
from domain.identifiers import JsonObject
from domain.tenants import TenantNotFound
from tests.commands.billing_steps import DAY, DECEMBER, Billed
from tests.commands.fakes import NOON, World

# Of what only a finalised invoice has, and of how far the log was read.
NOT_COMPARED = ("format", "number", "finalized_at", "facts", "made_of")


@pytest.fixture
async def billed() -> Billed:
    return await Billed.begun(World())


def used(billed: Billed, at: Any = NOON, **told: Any) -> None:
    billed.world.billing.used(billed.tenant_id, at, **told)


async def upcoming(billed: Billed) -> Any:
    return await UpcomingInvoices(billed.world.ports).managed(billed.issuer, billed.tenant_id)


def compared(document: Any) -> dict[str, Any]:
    return {name: told for name, told in document.items() if name not in NOT_COMPARED}


async def test_it_is_the_invoice_that_comes_when_nothing_happens_meanwhile(billed: Billed) -> None:
    """With a plan, what it includes, credits of which some expire, and what is held."""
    terms: JsonObject = {
        "interval": "month",
        "recurring_usd": "10",
        "minimum_usd": "0",
        "trial_days": 0,
        "included": [{"meter": "input_tokens", "model": "*", "quantity": 500_000}],
    }
    await subscribed(billed, terms)
    for amount, expires_at in (("3", None), ("100", DECEMBER)):
        grant = GrantCredits(billed.tenant_id, amount, "promotional", expires_at=expires_at)
        await billed.world.when(grant, caller=billed.issuer)
    used(billed)
    used(billed, DECEMBER)
    used(billed, lines=None, stream_id=UUID(int=77))
    stored = len(billed.world.store.events)
    told = await upcoming(billed)
    assert len(billed.world.store.events) == stored
    assert (told["status"], told["as_of"]) == ("gathering", NOON.isoformat())
    assert told["finalized_from"] == (DECEMBER + DAY).isoformat()
    assert "number" not in told["document"]
    await billed.until(DECEMBER + DAY)
    document: Any = (await billed.invoice()).document
    assert compared(told["document"]) == compared(document)
    kinds = [line["kind"] for line in document["lines"]]
    assert kinds == ["recurring", "usage", "included"]
    # Of what has expired by then, nothing is counted on.
    assert document["credits"] == "1.50"
    assert told["document"]["facts"]["sha256"] == document["facts"]["sha256"]


async def subscribed(billed: Billed, terms: Any) -> None:
    made = await billed.world.when(
        CreatePlan("Team", {}, is_for_resellers=False, terms=terms), caller=billed.issuer
    )
    plan_id = UUID(str(made.result["plan_id"]))
    await billed.world.when(Subscribe(billed.tenant_id, plan_id), caller=billed.issuer)


async def test_a_draft_in_its_grace_comes_before_the_period_that_runs(billed: Billed) -> None:
    used(billed)
    await billed.until(DECEMBER)
    used(billed, DECEMBER)
    told = await upcoming(billed)
    assert (told["status"], told["document"]["total"]) == ("draft", "0.60")
    await billed.until(DECEMBER + DAY)
    following = await upcoming(billed)
    assert following["status"] == "gathering"
    assert following["document"]["period"]["start"] == DECEMBER.isoformat()


async def test_nothing_burns_for_what_is_only_looked_at(billed: Billed) -> None:
    grant = GrantCredits(billed.tenant_id, "1", "promotional")
    await billed.world.when(grant, caller=billed.issuer)
    used(billed)
    for _ in range(2):
        assert (await upcoming(billed))["document"]["credits"] == "0.50"
    account = await credit_account(Tenancy(billed.world.ports, billed.issuer, billed.tenant_id))
    assert account is not None
    assert account.available_pico(NOON) == 10**12


async def test_who_is_not_billed_has_none(billed: Billed) -> None:
    reader = UpcomingInvoices(billed.world.ports)
    assert await reader.own_if_billed(billed.world.caller) is None
    with pytest.raises(BillingAccountNotFound):
        await reader.own(billed.world.caller)
    with pytest.raises(BillingAccountNotFound):
        await reader.own(billed.world.operator)


async def test_it_is_told_to_its_tenant_as_a_whole_and_to_its_issuer(billed: Billed) -> None:
    reader = UpcomingInvoices(billed.world.ports)
    scopes = frozenset({"read", "invoices:write"})
    person = Caller("user:x", billed.tenant_id, scopes, UUID(int=9), own_only=scopes)
    with pytest.raises(MissingScope):
        await reader.own(person)
    stranger = Caller("user:x", billed.world.tenant_id, scopes, UUID(int=9))
    with pytest.raises(TenantNotFound):
        await reader.managed(stranger, billed.tenant_id)


class Slow:
    """Billing that takes a minute of the clock, until it is let go."""

    def __init__(self, billed: Billed) -> None:
        self.billed = billed
        self.times = 0
        self.go = asyncio.Event()

    async def settled(self) -> Any:
        self.times += 1
        await self.go.wait()
        self.billed.world.clock.pass_time(minutes=1)
        return await self.billed.world.billing.settled()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.billed.world.billing, name)


async def test_who_asks_often_costs_a_tenth_of_one_maker(billed: Billed) -> None:
    used(billed)
    slow = Slow(billed)
    reader = UpcomingInvoices(replace(billed.world.ports, billing=slow))

    async def total() -> str:
        told: Any = await reader.managed(billed.issuer, billed.tenant_id)
        return told["document"]["total"]

    asked = [asyncio.create_task(total()) for _ in range(5)]
    while not slow.times:
        await asyncio.sleep(0)
    asked[0].cancel()  # Who asked first goes, and the others get it all the same.
    await asyncio.sleep(0)
    slow.go.set()
    first, *others = await asyncio.gather(*asked, return_exceptions=True)
    assert isinstance(first, asyncio.CancelledError)
    assert others == ["0.60"] * 4
    used(billed)
    billed.world.clock.pass_time(minutes=9)
    assert await total() == "0.60"
    billed.world.clock.pass_time(minutes=1)
    assert await total() == "1.19"
    assert slow.times == 2
