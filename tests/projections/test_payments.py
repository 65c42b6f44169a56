"""payments."""

from datetime import UTC, datetime

from domain.payments import Payment
from projections.fold import rows_after
from projections.payments import PAYMENTS
from tests.projections.billing_histories import a_payment, received
from tests.projections.histories import at


def test_a_payment_tells_what_came_of_every_try() -> None:
    stream = a_payment()
    (row,) = rows_after(PAYMENTS, stream.events)
    assert row == {
        "tenant_id": stream.tenant_id,
        "payment_id": stream.stream_id,
        "purpose": "invoice",
        "plan_id": None,
        "invoice_id": row["invoice_id"],
        "amount": "49.00",
        "currency": "EUR",
        "status": "succeeded",
        "received": "49.00",
        "refunded": "1.50",
        "provider": "manual",
        "reference": "wire 2",
        "attempts": 1,
        "failure_code": "insufficient_funds",
        "retry_at": None,
        "paid_at": at(5),
        "created_at": at(1),
        "updated_at": at(6),
        "version": 6,
    }


def test_a_part_leaves_the_payment_where_it_was() -> None:
    (row,) = rows_after(PAYMENTS, a_payment().events[:4])
    assert (row["status"], row["received"]) == ("failed", "20.00")
    assert row["retry_at"] == datetime(2026, 3, 4, tzinfo=UTC)


def test_a_try_that_fails_after_all_was_paid_takes_nothing_back() -> None:
    stream = a_payment()
    stream.events[:] = stream.events[:2]
    stream.happens(Payment.Succeeded, **received("wire 1", "49.00", is_whole=True))
    stream.happens(Payment.Failed, attempt=1, reference=None, code="expired_card", retry_at=None)
    (row,) = rows_after(PAYMENTS, stream.events)
    assert (row["status"], row["failure_code"]) == ("succeeded", "expired_card")


def test_what_is_abandoned_or_cancelled_says_so() -> None:
    (row,) = rows_after(PAYMENTS, a_payment().happens(Payment.Abandoned).events)
    assert row["status"] == "abandoned"
    stream = a_payment()
    stream.happens(Payment.Postponed, until="2026-03-05T00:00:00+00:00", reason="processing")
    (row,) = rows_after(PAYMENTS, stream.happens(Payment.Cancelled, reason="voided").events)
    assert (row["status"], row["retry_at"]) == ("cancelled", None)
