"""payments: what tenants paid, or did not, and why. Nothing of what they paid with."""

from decimal import Decimal

from typing_extensions import TypedDict

from domain.payments import Payment
from projections.table import (
    BigInt,
    Decoded,
    Instant,
    Integer,
    Key,
    Projection,
    Text,
    UnexpectedEvent,
    Uuid,
    instant_or_none,
    present,
    stream_key,
    uuid_or_none,
)

ENDED = ("succeeded", "cancelled")


class PaymentRow(TypedDict):
    """amount, received, refunded: decimals in whole units of the currency. provider, reference: of
    what was received last. failure_code: of the last try that failed.
    """

    tenant_id: Uuid
    payment_id: Uuid
    purpose: Text
    plan_id: Uuid | None
    invoice_id: Uuid | None
    amount: Text
    currency: Text
    status: Text
    received: Text
    refunded: Text
    provider: Text | None
    reference: Text | None
    attempts: Integer
    failure_code: Text | None
    retry_at: Instant | None
    paid_at: Instant | None
    created_at: Instant
    updated_at: Instant
    version: BigInt


def evolve(row: PaymentRow | None, event: Decoded, _key: Key) -> PaymentRow:
    logged = event.logged
    match event.fact:
        case Payment.Created() as fact:
            return {
                "tenant_id": logged.tenant_id,
                "payment_id": logged.stream_id,
                "purpose": fact.purpose,
                "plan_id": uuid_or_none(fact.plan_id),
                "invoice_id": uuid_or_none(fact.invoice_id),
                "amount": fact.amount,
                "currency": fact.currency,
                "status": "pending",
                "received": "0",
                "refunded": "0",
                "provider": None,
                "reference": None,
                "attempts": 0,
                "failure_code": None,
                "retry_at": None,
                "paid_at": None,
                "created_at": logged.recorded_at,
                "updated_at": logged.recorded_at,
                "version": logged.version,
            }
        case _:
            known = present(row)
            told: PaymentRow = {
                **known,
                "updated_at": logged.recorded_at,
                "version": logged.version,
            }
            return _changed(told, event)


def _changed(  # noqa: PLR0911 # one answer per event
    row: PaymentRow, event: Decoded
) -> PaymentRow:
    match event.fact:
        case Payment.Attempted() as fact:
            return {**row, "status": "processing", "attempts": fact.attempt, "retry_at": None}
        case Payment.Postponed() as fact:
            return {**row, "retry_at": instant_or_none(fact.until)}
        case Payment.Failed() as fact:
            failure: PaymentRow = {**row, "failure_code": fact.code}
            if row["status"] in ENDED:
                return failure
            return {**failure, "status": "failed", "retry_at": instant_or_none(fact.retry_at)}
        case Payment.Succeeded() as fact:
            return _received(row, fact, event)
        case Payment.Refunded() as fact:
            return {**row, "refunded": str(Decimal(row["refunded"]) + Decimal(fact.amount))}
        case Payment.Abandoned():
            return {**row, "status": "abandoned"}
        case Payment.Cancelled():
            return {**row, "status": "cancelled", "retry_at": None}
        case _:
            raise UnexpectedEvent(event.logged.topic)


def _received(row: PaymentRow, fact: Payment.Succeeded, event: Decoded) -> PaymentRow:
    received: PaymentRow = {
        **row,
        "received": str(Decimal(row["received"]) + Decimal(fact.amount)),
        "provider": fact.provider,
        "reference": fact.reference,
    }
    if not fact.is_whole:
        is_over = row["status"] == "processing" and fact.attempt == row["attempts"]
        return {**received, "status": "pending"} if is_over else received
    return {
        **received,
        "status": "succeeded",
        "retry_at": None,
        "paid_at": row["paid_at"] or event.logged.recorded_at,
    }


PAYMENTS = Projection(
    name="payments",
    version=1,
    row=PaymentRow,
    key=("tenant_id", "payment_id"),
    stream_column="payment_id",
    aggregate=Payment,
    events=(
        Payment.Created,
        Payment.Attempted,
        Payment.Postponed,
        Payment.Failed,
        Payment.Succeeded,
        Payment.Refunded,
        Payment.Abandoned,
        Payment.Cancelled,
    ),
    keys=stream_key,
    evolve=evolve,
    own="false",
)
