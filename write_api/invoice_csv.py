"""The document of an invoice as CSV (RFC 4180): its lines, one each."""

import csv
import io
from typing import Any, cast

from domain.identifiers import JsonObject

COLUMNS = (
    *("line", "kind", "key", "description", "start", "end", "quantity", "unit"),
    *("usd", "amount", "tax_percent", "tax"),
)
# A spreadsheet takes what begins with one of these for a formula.
FORMULAS = ("=", "+", "@", "\t", "\r")


def invoice_csv(document: JsonObject) -> bytes:
    text = io.StringIO(newline="")
    rows = csv.writer(text, lineterminator="\r\n")
    rows.writerow(("number", "currency", *COLUMNS))
    head = (_plain(document["number"]), document["currency"])
    for line in cast("list[dict[str, Any]]", document["lines"]):
        rows.writerow((*head, *(_plain(line[name]) for name in COLUMNS)))
    return text.getvalue().encode()


def _plain(value: object) -> str:
    text = str(value)
    is_number = text[:1] == "-" and text[1:].replace(".", "").replace("/", "").isdigit()
    if text.startswith(FORMULAS) or (text.startswith("-") and not is_number):
        return f"'{text}"
    return text
