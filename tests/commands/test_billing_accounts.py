"""Who says to whom invoices are addressed, and on which terms."""

from dataclasses import replace
from uuid import UUID

import pytest

from commands.authorization import Caller, MissingScope
from commands.billing_accounts import AddressInvoices, SetBillingTerms
from commands.billing_port import SetBillingTimer
from domain.billing_accounts import billing_account_id
from domain.identifiers import PLATFORM, TenantId
from domain.tenants import TenantNotFound
from tests.commands.billing_steps import ACME, DECEMBER, Billed
from tests.commands.fakes import World

ADDRESS = AddressInvoices("Acme GmbH", ["Hauptstr. 1"], "DE", "DE123", None)


def terms(tenant_id: TenantId, currency: str = "EUR") -> SetBillingTerms:
    return SetBillingTerms(tenant_id, currency, "0.5", None, {}, 14, 3600)


async def test_the_first_terms_begin_the_first_period_and_later_ones_do_not() -> None:
    world = World()
    billed = await Billed.begun(world)
    account_id = billing_account_id(billed.tenant_id)
    assert SetBillingTimer(account_id, DECEMBER) in world.store.side_rows
    began = world.store.topics.count("invoice.created")
    await world.when(terms(billed.tenant_id, "JPY"), caller=world.operator)
    assert world.store.topics.count("invoice.created") == began == 1


async def test_the_tenant_says_its_address_and_cannot_say_its_terms() -> None:
    world = World()
    answer = await world.when(ADDRESS)
    assert answer.result["legal_name"] == "Acme GmbH"
    with pytest.raises(MissingScope):
        await world.when(terms(world.tenant_id))


async def test_the_operators_own_address_is_of_who_issues() -> None:
    world = World()
    await world.when(replace(ADDRESS, number_prefix="OP-"), caller=world.operator)
    assert world.store.envelopes[-1].tenant_id == PLATFORM


async def test_a_reseller_sets_terms_of_its_own_customers_only() -> None:
    world = World()
    reseller = Caller(
        "user:r", world.tenant_id, frozenset({"tenants:create", "invoices:write"}), UUID(int=9)
    )
    own = await Billed.begun(world, reseller)
    assert (await own.invoice()).issuer_id == str(world.tenant_id)
    other = await world.when(ACME, caller=world.operator)
    with pytest.raises(TenantNotFound):
        await world.when(terms(TenantId(UUID(str(other.result["tenant_id"])))), caller=reseller)
