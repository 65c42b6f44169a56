"""The next invoice as GraphQL tells it."""

from dataclasses import replace
from typing import Any

import pytest

from commands.upcoming_invoices import UpcomingInvoices
from infra.authentication import Caller
from tests.commands.billing_steps import Billed
from tests.commands.fakes import NOON, World
from tests.projections.histories import IDS
from tests.read_api.api import KEY, Api

QUERY = (
    "{ upcomingInvoice { id status asOf finalizedFrom periodStart periodEnd timeZone currency"
    " subtotal tax total balanceBefore credits amountDue balanceAfter factsCount held unpriced"
    " lines { line kind description quantity unit usd amount taxPercent tax periodStart } } }"
)


@pytest.fixture
async def billed(api: Api) -> Any:
    """What was made without a database, for the tenant that asks."""
    billed = await Billed.begun(World())
    billed.world.billing.used(billed.tenant_id, NOON)
    billed.world.billing.used(billed.tenant_id, NOON, model="x", lines=[("input_tokens", 7, None)])
    made = await UpcomingInvoices(billed.world.ports).managed(billed.issuer, billed.tenant_id)

    async def upcoming(_caller: Caller) -> Any:
        return made

    api.dependencies = replace(api.dependencies, upcoming_invoice=upcoming)
    return made


async def test_the_next_invoice_is_told_with_its_lines(api: Api, billed: Any) -> None:
    told = (await api.read(QUERY))["upcomingInvoice"]
    assert (told["id"], told["status"], told["asOf"]) == (
        billed["invoice_id"],
        "gathering",
        NOON.isoformat(),
    )
    document = billed["document"]
    money = [told[name] for name in ("subtotal", "tax", "total", "amountDue")]
    assert money == ["0.50", "0.10", "0.60", "0.60"]
    assert (told["factsCount"], told["unpriced"]) == (2, document["unpriced"])
    (line,) = told["lines"]
    assert (line["line"], line["kind"], line["amount"], line["usd"]) == (1, "usage", "0.50", "1")


async def test_who_is_not_billed_has_none(api: Api) -> None:
    assert (await api.read(QUERY))["upcomingInvoice"] is None


async def test_it_is_of_the_tenant_as_a_whole(api: Api, billed: Any) -> None:
    scopes = frozenset({"read"})
    caller = Caller("user:x", api.tenant_id, scopes, IDS.new(), own_only=scopes)
    api.callers.known[KEY] = caller
    assert await api.refused(QUERY) == "forbidden"
