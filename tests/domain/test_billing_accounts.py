"""Billing accounts: whom invoices are addressed to, their terms, and how far a tenant is billed."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from domain.billing_accounts import (
    BillingAccount,
    BillingAccountNotFound,
    Closing,
    CurrencyHeldByBalance,
    Terms,
)
from domain.identifiers import JsonObject
from tests.domain.given import NOON, Story

TERMS = Terms("EUR", "0.92", None, {"default": "19"}, payment_terms_days=14, grace_s=3600)
PARTY = {
    "legal_name": "Acme GmbH",
    "address": ["Hauptstr. 1", "10115 Berlin"],
    "country": "DE",
    "tax_id": "DE123",
    "email": None,
}
LEFT: JsonObject = {NOON.isoformat(): [["input_tokens", "*", "40"]]}
END = NOON + timedelta(days=9)


def an_account() -> Story[BillingAccount]:
    return Story(BillingAccount(id=UUID(int=3)))


def change_terms(**changes: Any) -> Any:
    terms = TERMS._replace(**changes)
    return lambda story: story.aggregate.change_terms(terms, starts_at=NOON)


def close(balance: int = 0, *, end: datetime = END, counted: JsonObject | None = None) -> Any:
    places = ([1, 7, 2], [1, 9, 4])
    counted = counted or {}
    closing = Closing(str(UUID(int=9)), end.isoformat(), *places, balance, LEFT, counted)
    return lambda story: story.aggregate.close_period(closing)


def test_the_first_terms_say_from_when_on_the_tenant_is_billed() -> None:
    story = an_account()
    with pytest.raises(BillingAccountNotFound):
        assert story.aggregate.next_start
    told = {**TERMS._asdict(), "taxes": {"default": "19"}}
    started = ("billing_account.billing_started", {"starts_at": NOON.isoformat()})
    story.when(change_terms()).then(("billing_account.terms_changed", told), started)
    story.when(change_terms()).then()
    story.when(change_terms(grace_s=60)).then_topics("billing_account.terms_changed")
    assert story.aggregate.next_start == NOON


def test_the_address_is_the_tenants_and_the_prefix_stays_when_it_is_not_said() -> None:
    story = an_account()

    def address(prefix: str | None) -> Any:
        return lambda told: told.aggregate.address_to(PARTY, number_prefix=prefix)

    addressed = ("billing_account.addressed", {**PARTY, "number_prefix": "AC-"})
    story.when(address("AC-")).then(addressed)
    story.when(address(None)).then()


def test_the_next_period_begins_where_the_last_one_ended() -> None:
    story = an_account().when(change_terms()).when(close())
    story.then_topics("billing_account.period_closed")
    assert story.aggregate.next_start == END


def test_the_account_knows_what_was_counted_of_all_periods_and_each_closing_says_what_changed() -> (
    None
):
    first: JsonObject = {NOON.isoformat(): [["m/a", "requests", "p1", "7", "0"]]}
    second: JsonObject = {
        NOON.isoformat(): [["m/a", "requests", "p1", "9", "1/2"], ["", "pages", "p2", "3", "0"]],
        END.isoformat(): [["m/a", "requests", "p1", "1", "0"]],
    }
    story = an_account().when(change_terms()).when(close(counted=first))
    story.when(close(end=END + timedelta(days=31), counted=second))
    told = {start: list(sums.values()) for start, sums in story.aggregate.counted.items()}
    assert told == second
    assert story.aggregate.closed is not None
    assert story.aggregate.closed.counted == second


def test_the_currency_stays_while_something_is_carried_over() -> None:
    story = an_account().when(change_terms()).when(close(balance=-5))
    with pytest.raises(CurrencyHeldByBalance):
        story.when(change_terms(currency="USD"))
    story.when(change_terms(usd_rate="0.93")).then_topics("billing_account.terms_changed")
