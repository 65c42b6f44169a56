"""Histories of invoices."""

from domain.identifiers import Json, JsonObject, TenantId
from domain.invoices import Invoice
from tests.projections.histories import Stream, a_tenant

START, END = "2026-01-01T00:00:00+00:00", "2026-02-01T00:00:00+00:00"
# Behind everything that tests store.
CLOSED_TO: list[Json] = [1, 2**60, 0]


def a_line(line: int, kind: str, key: str, amount: str) -> JsonObject:
    return {
        "line": line,
        "kind": kind,
        "key": key,
        "description": "offline/echo, input tokens",
        "quantity": "3",
        "unit": "tokens",
        "usd": "0.000003",
        "amount": amount,
        "tax_percent": "19",
        "tax": "0.00",
        "start": START,
        "end": END,
    }


def a_document(*lines: JsonObject) -> JsonObject:
    return {
        "number": "INV-000007",
        "currency": "EUR",
        "subtotal": "10.00",
        "tax": "1.90",
        "total": "11.90",
        "credits": "0.00",
        "amount_due": "11.90",
        "lines": [*lines],
        "unpriced": [],
        "facts": {
            "count": 1,
            "sha256": "ab",
            "read_from": [0, 0, 0],
            "billed_to": [0, 0, 0],
            "closed_to": CLOSED_TO,
        },
    }


def an_invoice(tenant_id: TenantId | None = None) -> Stream:
    """That gathers."""
    stream = Stream(Invoice, tenant_id or a_tenant())
    return stream.happens(
        Invoice.Created, issuer_id=None, period_start=START, period_end=END, time_zone="UTC"
    )


def an_issued_invoice(tenant_id: TenantId | None = None, *lines: JsonObject) -> Stream:
    stream = an_invoice(tenant_id).happens(Invoice.Drafted, grace_until=END)
    stream.happens(
        Invoice.Finalized,
        number=7,
        document=a_document(*lines),
        content_sha256="cd",
        currency="EUR",
        total=1190,
        amount_due=1190,
    )
    return stream.happens(Invoice.Issued, due_at="2026-02-15T00:00:00+00:00")
