"""The states of an invoice, and what can be done in each."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from domain.identifiers import TenantId
from domain.invoices import (
    CreditTooLarge,
    Invoice,
    InvoiceNotInState,
    InvoicePaidAlready,
    invoice_id,
)
from tests.domain.given import NOON, Story

END = NOON + timedelta(days=30)
GRACE_UNTIL = END + timedelta(hours=1)
DOCUMENT = {"number": "INV-000007", "total": "11.90"}
AMOUNTS = {"currency": "EUR", "total": 1190, "amount_due": 1190}
PAID = ("invoice.paid", {"method": "manual", "reference": "tr-1"})


def gathering() -> Story[Invoice]:
    return Story(
        Invoice(
            id=UUID(int=3),
            issuer_id=None,
            period_start=NOON.isoformat(),
            period_end=END.isoformat(),
            time_zone="UTC",
        )
    )


def open_draft(story: Any) -> None:
    story.aggregate.open_draft(now=END, grace_until=GRACE_UNTIL)


def finalize(story: Any, **amounts: int) -> None:
    told = {**AMOUNTS, **amounts}
    story.aggregate.finalize(number=7, document=DOCUMENT, content_sha256="ab", amounts=told)


def issued(**amounts: int) -> Story[Invoice]:
    story = gathering().when(open_draft).when(lambda told: finalize(told, **amounts))
    return story.when(lambda told: told.aggregate.issue(due_at=END + timedelta(days=14)))


def pay(reference: str = "tr-1") -> Any:
    return lambda story: story.aggregate.pay(method="manual", reference=reference)


def void(story: Any) -> None:
    story.aggregate.void("wrong customer")


def credit(amount: int) -> Any:
    return lambda story: story.aggregate.credit(
        number=1, amount=amount, document={"total": str(amount)}, content_sha256="cd"
    )


def test_an_invoice_is_drafted_finalised_issued_and_paid() -> None:
    story = gathering()
    drafted = ("invoice.drafted", {"grace_until": GRACE_UNTIL.isoformat()})
    story.when(open_draft).then(drafted)
    told = {"number": 7, "document": DOCUMENT, "content_sha256": "ab", **AMOUNTS}
    story.when(finalize).then(("invoice.finalized", told))
    due_at = END + timedelta(days=14)
    issued_fact = ("invoice.issued", {"due_at": due_at.isoformat()})
    story.when(lambda told: told.aggregate.issue(due_at=due_at)).then(issued_fact)
    story.when(pay()).then(PAID)
    assert story.aggregate.status == "paid"


def test_a_draft_is_not_opened_before_the_end_of_its_period() -> None:
    early = END - timedelta(microseconds=1)
    with pytest.raises(InvoiceNotInState):
        gathering().aggregate.open_draft(now=early, grace_until=GRACE_UNTIL)


def test_opening_a_draft_again_records_nothing() -> None:
    gathering().when(open_draft).when(open_draft).then()


def test_what_is_finalised_is_never_finalised_again() -> None:
    with pytest.raises(InvoiceNotInState):
        issued().when(finalize)


def test_the_same_payment_told_twice_is_one_and_another_one_is_refused() -> None:
    story = issued().when(pay()).when(pay()).then()
    with pytest.raises(InvoicePaidAlready):
        story.when(pay("tr-2"))


def test_what_is_past_due_or_given_up_can_still_be_paid() -> None:
    story = issued()
    story.when(lambda told: told.aggregate.mark_past_due()).then(("invoice.past_due_marked", {}))
    story.when(lambda told: told.aggregate.mark_past_due()).then()
    given_up = ("invoice.uncollectible_marked", {"reason": "insolvent"})
    story.when(lambda told: told.aggregate.mark_uncollectible("insolvent")).then(given_up)
    story.when(pay()).then(PAID)


def test_a_payment_that_came_just_before_is_not_undone_by_the_due_date() -> None:
    issued().when(pay()).when(lambda told: told.aggregate.mark_past_due()).then()


def test_what_was_paid_cannot_be_voided_and_what_is_void_cannot_be_paid() -> None:
    with pytest.raises(InvoiceNotInState):
        issued().when(pay()).when(void)
    story = issued().when(void).then(("invoice.voided", {"reason": "wrong customer"}))
    with pytest.raises(InvoiceNotInState):
        story.when(pay())


def test_of_nothing_to_pay_it_is_paid_when_it_is_issued() -> None:
    assert issued(amount_due=0).aggregate.status == "paid"


def test_credit_notes_reduce_what_is_due_and_never_exceed_the_invoice() -> None:
    story = issued().when(credit(1000))
    assert (story.aggregate.amount_due, story.aggregate.status) == (190, "issued")
    with pytest.raises(CreditTooLarge):
        story.when(credit(191))
    story.when(credit(190)).then_topics("invoice.credited")


def test_of_one_tenant_and_period_there_is_one_invoice() -> None:
    one, other = TenantId(UUID(int=1)), TenantId(UUID(int=2))
    assert invoice_id(one, NOON) == invoice_id(one, NOON)
    assert len({invoice_id(one, NOON), invoice_id(one, END), invoice_id(other, NOON)}) == 3
    assert invoice_id(other, NOON) < invoice_id(one, END)
