"""invoices: each as it is now, with what its document says and the credit notes to it."""

from datetime import datetime
from typing import Any, cast

import orjson
from typing_extensions import TypedDict

from domain.currencies import amount_text
from domain.identifiers import JsonObject
from domain.invoices import Invoice
from projections.table import (
    BigInt,
    Boolean,
    Decoded,
    Instant,
    Integer,
    JsonText,
    Key,
    Projection,
    Text,
    UnexpectedEvent,
    Uuid,
    json_text,
    present,
    stream_key,
)

# Of a document, as texts.
TOLD = (
    *("number", "currency", "usd_rate", "subtotal", "tax", "total"),
    *("balance_before", "credits", "amount_due", "balance_after"),
)
OF_NOTE = ("number", "issued_at", "reason", "currency", "lines", "total")


class InvoiceRow(TypedDict):
    """number, currency: empty before it is finalised. lines: as its document has them, with model
    and meter. facts: of the document: how many, and between which places of the log. issuer,
    customer: null before it is finalised. credit_notes: what their documents say, in their order;
    tax is the sum of their lines'.
    """

    tenant_id: Uuid
    invoice_id: Uuid
    status: Text
    number: Text
    period_start: Instant
    period_end: Instant
    time_zone: Text
    grace_until: Instant | None
    due_at: Instant | None
    finalized_at: Instant | None
    currency: Text
    subtotal: Text
    tax: Text
    total: Text
    credits: Text
    credited: Text
    amount_due: Text
    content_sha256: Text
    issuer: JsonText | None
    customer: JsonText | None
    usd_rate: Text
    taxes: JsonText
    balance_before: Text
    balance_after: Text
    held: Integer
    lines: JsonText
    credit_notes: JsonText
    unpriced: JsonText
    facts: JsonText | None
    has_unpriced: Boolean
    version: BigInt


def evolve(row: InvoiceRow | None, event: Decoded, _key: Key) -> InvoiceRow:
    logged = event.logged
    match event.fact:
        case Invoice.Created() as fact:
            return _begun(event, fact)
        case Invoice.Drafted() as fact:
            changed: dict[str, Any] = {
                "status": "draft",
                "grace_until": datetime.fromisoformat(fact.grace_until),
            }
        case Invoice.Finalized() as fact:
            changed = _finalized(fact, event)
        case Invoice.Issued() as fact:
            changed = {"status": "issued", "due_at": datetime.fromisoformat(fact.due_at)}
        case Invoice.Paid():
            changed = {"status": "paid"}
        case Invoice.PastDueMarked():
            changed = {"status": "past_due"}
        case Invoice.UncollectibleMarked():
            changed = {"status": "uncollectible"}
        case Invoice.Voided():
            changed = {"status": "void"}
        case Invoice.Credited() as fact:
            changed = _credited(present(row), fact)
        case _:
            raise UnexpectedEvent(logged.topic)
    return cast("InvoiceRow", {**present(row), **changed, "version": logged.version})


def _begun(event: Decoded, fact: Invoice.Created) -> InvoiceRow:
    return {
        "tenant_id": event.logged.tenant_id,
        "invoice_id": event.logged.stream_id,
        "status": "gathering",
        "number": "",
        "period_start": datetime.fromisoformat(fact.period_start),
        "period_end": datetime.fromisoformat(fact.period_end),
        "time_zone": fact.time_zone,
        "grace_until": None,
        "due_at": None,
        "finalized_at": None,
        "currency": "",
        "subtotal": "",
        "tax": "",
        "total": "",
        "credits": "",
        "credited": "",
        "amount_due": "",
        "content_sha256": "",
        "issuer": None,
        "customer": None,
        "usd_rate": "",
        "taxes": json_text([]),
        "balance_before": "",
        "balance_after": "",
        "held": 0,
        "lines": json_text([]),
        "credit_notes": json_text([]),
        "unpriced": json_text([]),
        "facts": None,
        "has_unpriced": False,
        "version": event.logged.version,
    }


def _finalized(fact: Invoice.Finalized, event: Decoded) -> dict[str, Any]:
    document = cast("dict[str, Any]", fact.document)
    return {
        **{name: str(document.get(name, "")) for name in TOLD},
        "issuer": json_text(document.get("issuer")),
        "customer": json_text(document.get("customer")),
        "taxes": json_text(document.get("taxes", [])),
        "held": document.get("held", 0),
        "status": "finalized",
        "finalized_at": event.logged.recorded_at,
        "content_sha256": fact.content_sha256,
        "lines": json_text([_line(line) for line in document.get("lines", [])]),
        "unpriced": json_text(document.get("unpriced", [])),
        "facts": json_text(document.get("facts")),
        "has_unpriced": bool(document.get("unpriced")),
    }


def _line(line: JsonObject) -> JsonObject:
    """With what its facts are found by; null where it is not of one model and meter. price: only
    where it is over a period.
    """
    kind, key = str(line["kind"]), str(line["key"])
    found: JsonObject = {"model": None, "meter": None}
    if kind in ("usage", "adjustment") and "/included/" not in key:
        # `usage/<model>/<meter>`, `adjustment/<start>/<model>/<meter>`; models have slashes. Where
        # its price is over a period, `#<price>.<tier>` follows.
        _, _, rest = key.partition("/")
        if kind == "adjustment":
            _, _, rest = rest.partition("/")
        model, _, of_model = rest.rpartition("/")
        meter, _, of_price = of_model.partition("#")
        found = {"model": model, "meter": meter}
        if of_price:
            found["price"] = of_price.partition(".")[0]
    return {**line, **found}


def _credited(row: InvoiceRow, fact: Invoice.Credited) -> dict[str, Any]:
    currency = row["currency"]
    left = max(_smallest(row["amount_due"]) - fact.amount, 0)
    return {
        "credited": amount_text(_smallest(row["credited"]) + fact.amount, currency),
        "amount_due": amount_text(left, currency),
        "credit_notes": json_text([*orjson.loads(row["credit_notes"]), _note(fact, currency)]),
    }


def _note(fact: Invoice.Credited, currency: str) -> JsonObject:
    document = cast("dict[str, Any]", fact.document)
    tax = sum(_smallest(line["tax"]) for line in document["lines"])
    return {
        **{name: document[name] for name in OF_NOTE},
        # The first notes do not say it.
        **document.get("given_back", {}),
        "tax": amount_text(tax, currency),
        "content_sha256": fact.content_sha256,
    }


def _smallest(amount: str) -> int:
    """Of an amount with all decimals of its currency."""
    return int(amount.replace(".", "") or 0)


INVOICES = Projection(
    name="invoices",
    version=2,
    row=InvoiceRow,
    key=("tenant_id", "invoice_id"),
    stream_column="invoice_id",
    aggregate=Invoice,
    events=(
        Invoice.Created,
        Invoice.Drafted,
        Invoice.Finalized,
        Invoice.Issued,
        Invoice.Paid,
        Invoice.PastDueMarked,
        Invoice.UncollectibleMarked,
        Invoice.Voided,
        Invoice.Credited,
    ),
    keys=stream_key,
    evolve=evolve,
    # Of the tenant as a whole.
    own="false",
)
