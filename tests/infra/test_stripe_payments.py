"""Stripe through its own SDK: against Stripe's mock, which knows every parameter, and against a
server that remembers.
"""

import json
import os
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
import stripe
from pydantic import SecretStr

from commands.payment_port import (
    Charge,
    ChargeRequest,
    CheckoutRequest,
    ForgedEvent,
    PaymentProvider,
    PaymentProviderRefused,
    PaymentProviderUnavailable,
    ProviderEvent,
)
from domain.identifiers import TenantId
from infra.http_client import GuardedHttp
from infra.payments.stripe_amounts import from_stripe, to_stripe
from infra.payments.stripe_objects import PAYMENT, TENANT, charge_of
from infra.payments.stripe_provider import TOLERANCE_S, StripePayments, StripeSettings
from tests.commands.fake_payments import FakePayments
from tests.maven import NoServer
from tests.openai_server import EveryPort
from tests.stripe_mock import stripe_mock
from tests.stripe_server import StripeServer, stripe_server

ACME, PAYMENT_ID = TenantId(UUID(int=1)), UUID(int=2)
OLD_SECRET, SECRET = "whsec_of_before", "whsec_of_the_tests"  # no real ones
BEGUN = datetime.now(UTC)


@asynccontextmanager
async def payments_at(base: str, *, api_key: str = "sk_test_1") -> AsyncIterator[StripePayments]:
    http = GuardedHttp(allowed=EveryPort(), connections_max=4)
    secrets = [SecretStr(OLD_SECRET), SecretStr(SECRET)]
    try:
        yield StripePayments(StripeSettings(SecretStr(api_key), secrets, base), http)
    finally:
        await http.aclose()


@pytest.fixture(scope="module")
def mock_port() -> Iterator[int]:
    try:
        with stripe_mock() as port:
            yield port
    except NoServer as reason:
        if os.environ.get("CI") and "No Go" not in str(reason):
            pytest.fail(f"The tests of Stripe must run where there is Go. {reason}")
        pytest.skip(str(reason))


@pytest.fixture
async def server() -> AsyncIterator[StripeServer]:
    async with stripe_server() as served:
        yield served


@pytest.fixture
async def payments(server: StripeServer) -> AsyncIterator[StripePayments]:
    async with payments_at(server.base) as made:
        yield made


def a_checkout(customer_id: str, amount: str | None = "12.50") -> CheckoutRequest:
    return CheckoutRequest(
        tenant_id=ACME,
        customer_id=customer_id,
        payment_id=None if amount is None else PAYMENT_ID,
        amount=amount,
        currency="USD",
        description="Invoice 1",
        success_url="https://app.example.com/paid",
        cancel_url="https://app.example.com/",
        expires_at=datetime.now(UTC) + timedelta(hours=1),
        key="a checkout",
    )


def a_charge(customer_id: str, attempt: int = 1) -> ChargeRequest:
    return ChargeRequest(
        ACME, PAYMENT_ID, attempt, customer_id, "pm_card_visa", "12.50", "USD", "Invoice 1"
    )


async def test_stripe_knows_everything_that_we_ask_of_it(mock_port: int) -> None:
    """Its mock refuses a path, a parameter or a type that the real one would not take."""
    async with payments_at(f"http://127.0.0.1:{mock_port}") as payments:
        customer_id = await payments.make_customer(ACME, "Acme")
        page = await payments.open_checkout(a_checkout(customer_id))
        assert page.url.startswith("https://")
        await payments.open_checkout(replace(a_checkout(customer_id, None), key="another"))
        assert (await payments.checkout(page.checkout_id)).checkout_id == page.checkout_id
        await payments.close_checkout(page.checkout_id)
        charged = await payments.charge(a_charge(customer_id))
        assert (charged.amount, charged.currency) == ("12.50", "USD")
        assert await payments.charges(customer_id, since=BEGUN)
        assert (await payments.charge_of(charged.reference)).reference == charged.reference
        await payments.refund(charged.reference, "1.00", "USD", key="a refund")


async def test_a_key_that_stripe_refuses_is_no_fault_of_who_pays_and_told_to_nobody(
    mock_port: int, caplog: pytest.LogCaptureFixture
) -> None:
    async with payments_at(f"http://127.0.0.1:{mock_port}", api_key="wrong_key") as payments:
        with pytest.raises(PaymentProviderUnavailable) as refused:
            await payments.make_customer(ACME, "Acme")
    assert "Stripe refuses the key" in caplog.text
    assert "wrong_key" not in str(refused.value) + caplog.text


async def test_a_tenant_is_one_customer_also_when_nobody_remembers(
    payments: StripePayments, server: StripeServer
) -> None:
    first = await payments.make_customer(ACME, "Acme")
    assert await payments.make_customer(ACME, "Acme") == first
    assert server.things[first]["metadata"] == {TENANT: str(ACME)}


async def test_what_is_paid_at_a_page_is_known_by_it(
    payments: StripePayments, server: StripeServer
) -> None:
    customer_id = await payments.make_customer(ACME, "Acme")
    page = await payments.open_checkout(a_checkout(customer_id))
    assert (await payments.checkout(page.checkout_id)).status == "open"
    server.pay(page.checkout_id)
    paid = await payments.checkout(page.checkout_id)
    assert (paid.status, paid.tenant_id, paid.payment_id) == ("complete", ACME, PAYMENT_ID)
    assert paid.charge is not None
    assert (paid.charge.status, paid.charge.amount) == ("succeeded", "12.50")
    assert paid.method_id == "pm_visa"


async def test_a_page_that_asks_for_nothing_saves_what_is_paid_with(
    payments: StripePayments, server: StripeServer
) -> None:
    customer_id = await payments.make_customer(ACME, "Acme")
    page = await payments.open_checkout(a_checkout(customer_id, None))
    server.pay(page.checkout_id, "pm_sepa")
    saved = await payments.checkout(page.checkout_id)
    assert (saved.charge, saved.method_id, saved.payment_id) == (None, "pm_sepa", None)


async def test_a_page_that_was_paid_cannot_be_closed(
    payments: StripePayments, server: StripeServer
) -> None:
    customer_id = await payments.make_customer(ACME, "Acme")
    opened = await payments.open_checkout(a_checkout(customer_id))
    paid = await payments.open_checkout(replace(a_checkout(customer_id), key="another"))
    server.pay(paid.checkout_id)
    assert (await payments.close_checkout(opened.checkout_id)).status == "expired"
    assert (await payments.close_checkout(paid.checkout_id)).status == "complete"


@pytest.fixture(params=["stripe", "fake"])
def provider(request: pytest.FixtureRequest, payments: StripePayments) -> PaymentProvider:
    """What the tests of commands are made on does as the real one."""
    return payments if request.param == "stripe" else FakePayments()


def theirs(provider: PaymentProvider, server: StripeServer) -> StripeServer | FakePayments:
    """Where declines and lost answers are ordered, and what was taken is counted."""
    return provider if isinstance(provider, FakePayments) else server


async def test_a_try_is_made_once_however_often_it_is_asked_for(
    provider: PaymentProvider, server: StripeServer
) -> None:
    customer_id = await provider.make_customer(ACME, "Acme")
    theirs(provider, server).loses_answers = 1
    with pytest.raises(PaymentProviderUnavailable):
        await provider.charge(a_charge(customer_id))
    [found] = await provider.charges(customer_id, since=BEGUN)
    again = await provider.charge(a_charge(customer_id))
    assert again.reference == found.reference
    assert (found.tenant_id, found.payment_id, found.attempt) == (ACME, PAYMENT_ID, 1)
    assert len(await provider.charges(customer_id, since=BEGUN)) == 1
    assert theirs(provider, server).taken in {1250, Decimal("12.50")}


async def test_a_card_that_is_declined_is_an_answer_with_the_reason_of_the_bank(
    provider: PaymentProvider, server: StripeServer
) -> None:
    customer_id = await provider.make_customer(ACME, "Acme")
    theirs(provider, server).declines = ["insufficient_funds"]
    declined = await provider.charge(a_charge(customer_id))
    assert (declined.status, declined.failure_code) == ("failed", "insufficient_funds")
    assert (await provider.charge(a_charge(customer_id, 2))).status == "succeeded"


async def test_what_was_given_back_is_told_with_the_charge(
    provider: PaymentProvider, server: StripeServer
) -> None:
    del server
    customer_id = await provider.make_customer(ACME, "Acme")
    charged = await provider.charge(a_charge(customer_id))
    await provider.refund(charged.reference, "2.50", "USD", key="first")
    again = await provider.refund(charged.reference, "1.00", "USD", key="second")
    assert Decimal(again.refunded) == Decimal("3.50")
    assert (await provider.charge_of(charged.reference)).status == "succeeded"


async def test_what_stripe_does_not_know_is_refused(payments: StripePayments) -> None:
    with pytest.raises(PaymentProviderRefused) as refused:
        await payments.charge_of("pi_of_nobody")
    assert refused.value.data == {"provider_code": "resource_missing"}


async def test_a_stripe_that_is_away_is_asked_again_later() -> None:
    async with payments_at("http://127.0.0.1:9") as payments:
        with pytest.raises(PaymentProviderUnavailable):
            await payments.make_customer(ACME, "Acme")


def signed(payload: str, secret: str = SECRET, age_s: int = 0) -> str:
    """As Stripe's own SDK signs."""
    at = int(time.time()) - age_s
    return stripe.WebhookSignature.generate_signature_header(payload, secret, at)


def told(kind: str, **members: object) -> str:
    return json.dumps({"id": "evt_1", "type": kind, "data": {"object": members}})


OURS = {TENANT: str(ACME), PAYMENT: str(PAYMENT_ID)}
PAID = told("payment_intent.succeeded", id="pi_1", metadata=OURS)


@pytest.mark.parametrize(
    ("payload", "about"),
    [
        (PAID, ("charge", "pi_1", ACME)),
        (told("charge.refunded", id="ch_1", payment_intent="pi_1", metadata=OURS),
         ("charge", "pi_1", ACME)),
        (told("checkout.session.expired", id="cs_1", metadata=OURS), ("checkout", "cs_1", ACME)),
        (told("payment_intent.succeeded", id="pi_1", metadata={}), (None, "", None)),
        (told("payment_intent.succeeded", id="pi_1", metadata={TENANT: "x"}), (None, "", None)),
        (told("customer.updated", id="cus_1", metadata=OURS), (None, "", None)),
        (told("charge.updated", id="ch_1", payment_intent=None, metadata=OURS), (None, "", None)),
    ],
    ids=["paid", "refunded", "expired", "others", "nobodys", "customer", "without_intent"],
)  # fmt: skip
async def test_an_event_says_what_it_is_about(
    payments: StripePayments, payload: str, about: tuple[object, ...]
) -> None:
    event = await payments.verified(payload.encode(), signed(payload))
    assert (event.subject, event.subject_id, event.tenant_id) == about
    assert event.event_id == "evt_1"


async def test_each_secret_counts_while_one_is_being_replaced(payments: StripePayments) -> None:
    events = [
        await payments.verified(PAID.encode(), signed(PAID, secret))
        for secret in (OLD_SECRET, SECRET)
    ]
    assert (
        events == [ProviderEvent("evt_1", "payment_intent.succeeded", "charge", "pi_1", ACME)] * 2
    )


@pytest.mark.parametrize(
    ("payload", "signature"),
    [
        (PAID, signed(PAID, "whsec_of_somebody")),
        (PAID, signed(PAID + " ")),
        (PAID, signed(PAID, age_s=TOLERANCE_S + 60)),
        (PAID, signed(PAID).replace("v1=", "v0=")),
        (PAID, "t=1,v1=\u00e9"),
        (PAID, "t=,v1="),
        (PAID, ""),
        ("[]", signed("[]")),
        ('{"id": 1}', signed('{"id": 1}')),
        ("no json", signed("no json")),
    ],
    ids=["secret", "body", "old", "scheme", "letters", "empty", "none", "list", "members", "text"],
)
async def test_whatever_is_not_stripes_word_is_the_same_refusal(
    payments: StripePayments, payload: str, signature: str
) -> None:
    with pytest.raises(ForgedEvent):
        await payments.verified(payload.encode(), signature)


async def test_bytes_that_are_no_text_are_not_stripes_word(payments: StripePayments) -> None:
    with pytest.raises(ForgedEvent):
        await payments.verified(b"\xff\xfe", signed("x"))


@pytest.mark.parametrize(
    ("amount", "currency", "number"),
    [
        ("12.50", "USD", 1250),
        ("1500", "JPY", 1500),
        ("1.230", "KWD", 1230),
        ("1500.00", "ISK", 150000),
        ("0.10", "MGA", None),
        ("0.005", "USD", None),
        ("1.234", "KWD", None),
        ("1.50", "UGX", None),
    ],
)
def test_amounts_are_whole_numbers_of_the_units_that_stripe_takes(
    amount: str, currency: str, number: int | None
) -> None:
    if number is None:
        with pytest.raises(PaymentProviderRefused):
            to_stripe(amount, currency)
    else:
        assert to_stripe(amount, currency) == number
        assert from_stripe(number, currency) == amount


def test_a_state_that_we_do_not_know_is_neither_paid_nor_failed() -> None:
    intent = {"id": "pi_1", "status": "of next year", "amount": 1, "currency": "usd"}
    charge: Charge = charge_of(intent)
    assert (charge.status, charge.tenant_id, charge.failure_code) == ("open", None, None)
