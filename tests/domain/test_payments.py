"""What is paid, every try at it, and what a provider knows a tenant by."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest

from domain.identifiers import TenantId
from domain.payment_accounts import (
    PAGES_MAX,
    PAGES_WITHIN,
    PaymentAccount,
    TooManyPages,
    payment_account_id,
)
from domain.payments import (
    DUNNING_DAYS,
    NothingToRefund,
    Payment,
    PaymentEnded,
    PaymentInProgress,
    payment_of_invoice,
)

TENANT = TenantId(UUID(int=7))
NOW = datetime.now(UTC)


def an_account() -> PaymentAccount:
    return PaymentAccount(id=payment_account_id(TENANT), provider="stripe", customer_id="cus_1")


def a_payment(amount: str = "49.00") -> Payment:
    return Payment(
        id=UUID(int=1),
        purpose="invoice",
        plan_id=None,
        plan_version=None,
        invoice_id=str(UUID(int=2)),
        amount=amount,
        currency="EUR",
    )


def topics(payment: Payment) -> list[str]:
    return [type(event).__name__ for event in payment.pending_events]


def paid(payment: Payment, reference: str = "pi_1", attempt: int | None = None) -> bool:
    return payment.succeed(
        "stripe", reference, "49.00", attempt=attempt, is_whole=True, received_at=NOW
    )


def test_what_is_saved_last_is_paid_with() -> None:
    account = an_account()
    account.save_method("pm_1")
    account.save_method("pm_2")
    account.save_method("pm_2")
    assert account.method_id == "pm_2"
    assert account.version == 3


def test_pages_are_opened_so_many_an_hour() -> None:
    account = an_account()
    for number in range(PAGES_MAX):
        account.require_room(NOW)
        account.open_page(f"cs_{number}", None, now=NOW)
    with pytest.raises(TooManyPages) as refused:
        account.require_room(NOW)
    assert 0 < refused.value.retry_after_s <= PAGES_WITHIN.total_seconds()
    account.require_room(NOW + PAGES_WITHIN)


def test_a_try_that_failed_is_made_again_by_the_schedule_and_then_abandoned() -> None:
    payment = a_payment()
    for number, days in enumerate((*DUNNING_DAYS, None), start=1):
        payment.begin_attempt("49.00", "pm_1")
        assert payment.fail(number, "insufficient_funds", f"pi_{number}", now=NOW)
        expected = None if days is None else NOW + timedelta(days=days)
        assert payment.retry_at == expected
    assert payment.status == "abandoned"
    assert paid(payment, "pi_9")
    assert payment.status == "succeeded"


def test_a_try_is_told_once_and_what_succeeded_never_fails() -> None:
    payment = a_payment()
    payment.begin_attempt("49.00", "pm_1")
    with pytest.raises(PaymentInProgress):
        payment.begin_attempt("49.00", "pm_1")
    assert paid(payment, attempt=1)
    assert not paid(payment, attempt=1)
    assert not payment.fail(1, "expired_card", "pi_1", now=NOW)
    assert topics(payment) == ["Created", "Attempted", "Succeeded"]
    with pytest.raises(PaymentEnded):
        payment.begin_attempt("49.00", "pm_1")


def test_a_failure_that_is_told_late_is_of_a_try_that_is_over() -> None:
    payment = a_payment()
    payment.begin_attempt("49.00", "pm_1")
    assert payment.fail(1, "expired_card", None, now=NOW)
    payment.begin_attempt("49.00", "pm_2")
    assert not payment.fail(1, "expired_card", None, now=NOW)
    assert payment.is_attempting


def test_what_comes_twice_is_received_twice_and_under_two_references() -> None:
    """A page and a try at the same moment: nothing that came is forgotten."""
    payment = a_payment()
    payment.begin_attempt("49.00", "pm_1")
    assert paid(payment, "pi_page")
    assert paid(payment, "pi_try", attempt=1)
    assert payment.kept == Decimal("98.00")


def test_parts_are_kept_together_until_all_is_there() -> None:
    payment = a_payment()
    payment.begin_attempt("49.00", "pm_1")
    payment.fail(1, "expired_card", None, now=NOW)
    transfer = {"attempt": None, "received_at": NOW}
    payment.succeed("manual", "wire 1", "20.00", is_whole=False, **transfer)
    assert (payment.status, payment.kept) == ("failed", Decimal("20.00"))
    payment.succeed("manual", "wire 2", "29.00", is_whole=True, **transfer)
    assert payment.status == "succeeded"


def test_no_more_is_given_back_than_came() -> None:
    payment = a_payment()
    paid(payment)
    assert payment.refund("pi_1", "10.00")
    assert not payment.refund("pi_1", "10.00")
    assert payment.refund("pi_1", "12.50")
    assert payment.kept == Decimal("36.50")
    payment.require_refundable("pi_1", "36.50")
    for reference, amount in (("pi_1", "36.51"), ("pi_2", "0.01")):
        with pytest.raises(NothingToRefund):
            payment.require_refundable(reference, amount)
    assert not payment.refund("pi_2", "1.00")


def test_the_payment_of_an_invoice_is_one_and_comes_after_those_before() -> None:
    first = payment_of_invoice(UUID(int=1), NOW)
    assert first == payment_of_invoice(UUID(int=1), NOW)
    assert first != payment_of_invoice(UUID(int=2), NOW)
    assert first < payment_of_invoice(UUID(int=1), NOW + timedelta(days=31))
    assert (first.version, first.variant) == (7, "specified in RFC 4122")
