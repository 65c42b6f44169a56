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
        "issuer": {"id": None, "legal_name": "Ledger GmbH"},
        "customer": {"id": "acme", "legal_name": "Acme SA"},
        "currency": "EUR",
        "usd_rate": "0.92",
        "subtotal": "10.00",
        "taxes": [{"percent": "19", "of": "10.00", "tax": "1.90"}],
        "tax": "1.90",
        "total": "11.90",
        "balance_before": "0.00",
        "credits": "0.00",
        "amount_due": "11.90",
        "balance_after": "0.00",
        "held": 2,
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


def is_credited(
    invoice: Stream, *amounts: tuple[str, str], number: int = 1, says_what_for: bool = True
) -> Stream:
    """amounts: without tax, and the tax of it, of lines from the first on; in EUR. says_what_for:
    the first notes did not.
    """
    lines: list[Json] = [
        {"line": line, "description": "a day", "amount": amount, "tax_percent": "19", "tax": tax}
        for line, (amount, tax) in enumerate(amounts, 1)
    ]
    smallest = sum(int(text.replace(".", "")) for pair in amounts for text in pair)
    total = f"{smallest // 100}.{smallest % 100:02}"
    given_back: Json = {"owed": total, "credits": "0.00", "carried_over": "0.00"}
    return invoice.happens(
        Invoice.Credited,
        number=number,
        amount=smallest,
        document={
            "number": f"CN-{number:06}",
            "issued_at": "2026-02-03T00:00:00+00:00",
            "reason": "an outage",
            "currency": "EUR",
            "lines": lines,
            "total": total,
            **({"given_back": given_back} if says_what_for else {}),
        },
        content_sha256="ef",
    )
