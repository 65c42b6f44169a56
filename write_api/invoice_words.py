"""What an invoice says to people, whatever form it is read in."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

Document = Mapping[str, Any]


def headline(document: Document) -> str:
    return f"Invoice {document['number']}"


def period_words(document: Document) -> str:
    """The days of the time zone that the period is of."""
    zone = ZoneInfo(document["time_zone"])
    start, end = (
        datetime.fromisoformat(document["period"][edge]).astimezone(zone)
        for edge in ("start", "end")
    )
    finalized = datetime.fromisoformat(document["finalized_at"]).astimezone(zone)
    return (
        f"Date {finalized:%Y-%m-%d}. For {start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M}"
        f" ({document['time_zone']}, without the last moment)."
        f" Payable within {document['payment_terms_days']} days."
    )


def days(document: Document, line: Document) -> tuple[str, str]:
    """On which a line begins, and before which it ends, in the time zone of the invoice."""
    zone = ZoneInfo(document["time_zone"])
    start, end = (
        f"{datetime.fromisoformat(line[edge]).astimezone(zone):%Y-%m-%d}"
        for edge in ("start", "end")
    )
    return start, end


def quantity(line: Document) -> str:
    """As people read it, to six decimals; JSON and CSV have it exactly."""
    millionths = round(Fraction(line["quantity"]) * 10**6)
    whole, rest = divmod(abs(millionths), 10**6)
    sign = "-" if millionths < 0 else ""
    return f"{sign}{whole}.{rest:06d}".rstrip("0").rstrip(".")


def parties(document: Document) -> Sequence[tuple[str, Sequence[str]]]:
    return [("From", _lines(document["issuer"])), ("To", _lines(document["customer"]))]


def totals(document: Document) -> list[tuple[str, str]]:
    """By name, in the order in which they are added."""
    told = [("Subtotal", document["subtotal"])]
    told += [(f"Tax {one['percent']} % of {one['of']}", one["tax"]) for one in document["taxes"]]
    told.append(("Total", document["total"]))
    if document["balance_before"].strip("-0."):
        told.append(("Carried over from earlier invoices", document["balance_before"]))
    if document["credits"].strip("-0."):
        told.append(("Paid with credits", f"-{document['credits']}"))
    told.append(("To pay", document["amount_due"]))
    if document["balance_after"].strip("-0."):
        told.append(("Carried over to the next invoice", document["balance_after"]))
    return told


def _lines(party: Mapping[str, Any]) -> list[str]:
    told = [party["legal_name"], *party["address"], party["country"]]
    if party["tax_id"]:
        told.append(f"Tax id {party['tax_id']}")
    return [line for line in told if line]
