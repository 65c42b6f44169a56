"""Credit notes: what of an invoice is given back, line by line, with the tax that was on it; and
where it goes. An invoice is paid with what earlier ones carried over, then with credits, then with
money, and is given back in the reverse order: first less is owed, then credits come back, and at
last what was carried over.
"""

from collections.abc import Mapping
from datetime import datetime
from fractions import Fraction
from typing import Any, NamedTuple, cast

from domain.currencies import amount_text, round_half_even, smallest_of
from domain.errors import FieldError, Invalid
from domain.identifiers import Json, JsonObject
from domain.invoices import Invoice, InvoiceNotInState

FORMAT = "agentledger.credit_note/1"


class GivenBack(NamedTuple):
    """In the smallest unit of the invoice's currency. owed: need not be paid, or is to be refunded
    where it was. credits: goes back to what burned. carried_over: of earlier invoices.
    """

    owed: int
    credits: int
    carried_over: int

    def told(self, currency: str) -> JsonObject:
        return {name: amount_text(part, currency) for name, part in self._asdict().items()}

    def since(self, before: "GivenBack") -> "GivenBack":
        owed, credited, carried_over = before
        return GivenBack(
            self.owed - owed, self.credits - credited, self.carried_over - carried_over
        )


class CreditNote(NamedTuple):
    """amount: with tax, in the smallest unit of the invoice's currency."""

    amount: int
    document: JsonObject
    given_back: GivenBack


def given_back(document: JsonObject, credited: int) -> GivenBack:
    """Of a document, when so much of it was credited, by however many notes."""
    told: Any = document
    due, paid = [smallest_of(told[name], told["currency"]) for name in ("amount_due", "credits")]
    owed = min(credited, due)
    from_credits = min(credited - owed, paid)
    return GivenBack(owed, from_credits, credited - owed - from_credits)


def burned_of(document: JsonObject, part: int, burned_pico: int) -> int:
    """What so much of what credits paid is of what burned for it, in pico-USD; all of all."""
    told: Any = document
    paid = smallest_of(told["credits"], told["currency"])
    return burned_pico * part // paid if paid else 0


def credit_note(
    invoice: Invoice,
    *,
    number: str,
    reason: str,
    amounts: Mapping[int, str],
    issued_at: datetime,
) -> CreditNote:
    """amounts: by number of a line, without tax; empty: all that is left of each. Raises Invalid,
    InvoiceNotInState for what was never finalised.
    """
    if not invoice.document:
        raise InvoiceNotInState(f"The invoice is {invoice.status}: there is nothing to give back.")
    currency = invoice.currency
    left = _left(invoice)
    wanted = _wanted(amounts, left, currency) if amounts else left
    lines: list[Json] = []
    total = 0
    for line in cast("list[dict[str, Any]]", invoice.document["lines"]):
        amount = wanted.get(line["line"], 0)
        if amount:
            tax = _tax(invoice, line, amount, is_rest=amount == left[line["line"]])
            total += amount + tax
            lines.append(
                {
                    "line": line["line"],
                    "description": line["description"],
                    "amount": amount_text(amount, currency),
                    "tax_percent": line["tax_percent"],
                    "tax": amount_text(tax, currency),
                }
            )
    if total <= 0:
        raise Invalid("Nothing of the invoice is left to be given back.")
    before = given_back(invoice.document, invoice.credited)
    back = given_back(invoice.document, invoice.credited + total).since(before)
    document: JsonObject = {
        "format": FORMAT,
        "number": number,
        "invoice_id": str(invoice.id),
        "invoice_number": invoice.document["number"],
        "issuer": invoice.document["issuer"],
        "customer": invoice.document["customer"],
        "issued_at": issued_at.isoformat(),
        "reason": reason,
        "currency": currency,
        "lines": lines,
        "total": amount_text(total, currency),
        "given_back": back.told(currency),
    }
    return CreditNote(total, document, back)


def _wanted(amounts: Mapping[int, str], left: Mapping[int, int], currency: str) -> dict[int, int]:
    wanted: dict[int, int] = {}
    mistakes: list[FieldError] = []
    for place, (line, text) in enumerate(amounts.items()):
        if line not in left:
            reason = "the invoice has no such line"
            mistakes.append(FieldError(f"/lines/{place}/line", "unknown_line", reason))
            continue
        field = f"/lines/{place}/amount"
        try:
            amount = smallest_of(text, currency)
        except ValueError as error:
            mistakes.append(FieldError(field, "too_fine", str(error)))
            continue
        if not 0 < amount <= left[line]:
            rest = amount_text(left[line], currency)
            reason = f"above 0, and at most {rest}"
            if left[line] <= 0:
                reason = "nothing of this line is left to be given back"
            mistakes.append(FieldError(field, "too_much", reason))
        wanted[line] = amount
    if mistakes:
        raise Invalid(errors=mistakes)
    return wanted


def _left(invoice: Invoice) -> dict[int, int]:
    """What of each line, without tax, was not given back yet. Lines that give back take with them
    what they reduce: a whole invoice is credited by all its lines.
    """
    left = {
        line["line"]: smallest_of(line["amount"], invoice.currency)
        for line in cast("list[dict[str, Any]]", invoice.document["lines"])
    }
    for note in invoice.credit_notes:
        for line in cast("list[dict[str, Any]]", note["lines"]):
            left[line["line"]] -= smallest_of(line["amount"], invoice.currency)
    return left


def _tax(invoice: Invoice, line: Mapping[str, Any], amount: int, *, is_rest: bool) -> int:
    """Of the rest of a line all that is left of its tax, so that parts sum to the whole."""
    if not is_rest:
        return round_half_even(Fraction(line["tax_percent"]) * amount / 100)
    given = sum(
        smallest_of(one["tax"], invoice.currency)
        for note in invoice.credit_notes
        for one in cast("list[dict[str, Any]]", note["lines"])
        if one["line"] == line["line"]
    )
    return smallest_of(line["tax"], invoice.currency) - given
