"""invoices."""

from typing import Any

import orjson
import pytest

from domain.invoices import Invoice
from projections.fold import rows_after
from projections.invoices import INVOICES
from tests.projections.invoice_histories import a_line, an_invoice, an_issued_invoice, is_credited


def test_an_invoice_that_gathers_has_no_number_and_no_amounts() -> None:
    (row,) = rows_after(INVOICES, an_invoice().events)
    assert (row["status"], row["number"], row["total"]) == ("gathering", "", "")


def test_an_issued_invoice_has_what_its_document_says_and_what_was_given_back() -> None:
    invoice = is_credited(an_issued_invoice(), ("1.60", "0.30"))
    (row,) = rows_after(INVOICES, invoice.events)
    assert (row["status"], row["number"], row["total"]) == ("issued", "INV-000007", "11.90")
    assert (row["credited"], row["amount_due"]) == ("1.90", "10.00")


def test_an_invoice_has_its_credit_notes_with_the_sum_of_their_taxes() -> None:
    invoice = is_credited(an_issued_invoice(), ("1.60", "0.30"), ("1.00", "0.19"))
    (row,) = rows_after(INVOICES, is_credited(invoice, ("0.01", "0.00"), number=2).events)
    notes = orjson.loads(str(row["credit_notes"]))
    assert [(one["number"], one["total"], one["tax"]) for one in notes] == [
        ("CN-000001", "3.09", "0.49"),
        ("CN-000002", "0.01", "0.00"),
    ]


def test_the_first_credit_notes_do_not_say_what_they_gave_back() -> None:
    invoice = is_credited(an_issued_invoice(), ("1.60", "0.30"), says_what_for=False)
    (row,) = rows_after(INVOICES, invoice.events)
    (note,) = orjson.loads(str(row["credit_notes"]))
    assert "owed" not in note


@pytest.mark.parametrize(
    ("kind", "key", "found"),
    [
        ("usage", "usage/openai/gpt-4o/input_tokens", ("openai/gpt-4o", "input_tokens")),
        ("usage", "usage//pages", ("", "pages")),
        ("adjustment", "adjustment/2026-01-01/a/b/requests", ("a/b", "requests")),
        ("adjustment", "adjustment/2026-01-01/included/*/requests", (None, None)),
        ("usage", "usage/a/b/requests#0f.02", ("a/b", "requests")),
        ("adjustment", "adjustment/2026-01-01//pages#0f.01", ("", "pages")),
        ("adjustment", "adjustment/2026-01-01/included//pages#0f", (None, None)),
        ("recurring", "plan/7/2", (None, None)),
    ],
)
def test_a_line_says_whose_usage_it_is(kind: str, key: str, found: tuple[Any, Any]) -> None:
    invoice = an_issued_invoice(None, a_line(1, kind, key, "1.00"))
    (row,) = rows_after(INVOICES, invoice.events)
    (line,) = orjson.loads(str(row["lines"]))
    assert (line["model"], line["meter"]) == found
    assert line.get("price") == ("0f" if "#" in key and found[1] else None)


@pytest.mark.parametrize(
    ("event", "fields", "status"),
    [
        (Invoice.Paid, {"method": "manual", "reference": "1"}, "paid"),
        (Invoice.PastDueMarked, {}, "past_due"),
        (Invoice.UncollectibleMarked, {"reason": "x"}, "uncollectible"),
        (Invoice.Voided, {"reason": "x"}, "void"),
    ],
)
def test_an_issued_invoice_comes_to_an_end(event: Any, fields: Any, status: str) -> None:
    (row,) = rows_after(INVOICES, an_issued_invoice().happens(event, **fields).events)
    assert row["status"] == status
