"""The document of an invoice as PDF. The same bytes each time: nothing in it tells when it was
written, and it is not compressed, for what compresses differs from machine to machine.

The fonts that every reader has know Western letters only; what they do not know is shown as `?`,
and is whole in the other forms.
"""

import io
from collections.abc import Sequence
from html import escape
from typing import Any, cast

from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.platypus import LongTable, Paragraph, SimpleDocTemplate, Spacer, TableStyle

from domain.identifiers import JsonObject
from write_api.invoice_words import days, headline, parties, period_words, quantity, totals

TEXT = ParagraphStyle("text", fontName="Helvetica", fontSize=9, leading=12)
SMALL = ParagraphStyle("small", parent=TEXT, fontSize=7, leading=9, textColor=colors.grey)
TITLE = ParagraphStyle("title", parent=TEXT, fontName="Helvetica-Bold", fontSize=16, leading=22)
RIGHT = ParagraphStyle("right", parent=TEXT, alignment=2)
MARGIN = 18 * mm
WIDTHS = [8 * mm, 48 * mm, 24 * mm, 28 * mm, 14 * mm, 23 * mm, 11 * mm, 18 * mm]
RULED = TableStyle(
    [
        ("LINEBELOW", (0, 0), (-1, -1), 0.25, colors.lightgrey),
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
        ("LEFTPADDING", (0, 0), (-1, -1), 2),
        ("RIGHTPADDING", (0, 0), (-1, -1), 2),
    ]
)


def invoice_pdf(document: JsonObject) -> bytes:
    told = cast("dict[str, Any]", document)
    written = io.BytesIO()
    template = SimpleDocTemplate(
        written,
        pagesize=A4,
        leftMargin=MARGIN,
        rightMargin=MARGIN,
        topMargin=MARGIN,
        bottomMargin=MARGIN,
        title=_known(headline(told)),
        author=_known(told["issuer"]["legal_name"]),
        invariant=1,
        pageCompression=0,
    )
    template.build([*_head(told), _lines(told), Spacer(1, 6 * mm), *_foot(told)])
    return written.getvalue()


def _head(told: dict[str, Any]) -> list[Any]:
    columns = [
        _text("<b>" + _escaped(title) + "</b><br/>" + "<br/>".join(_escaped(one) for one in lines))
        for title, lines in parties(told)
    ]
    return [
        Paragraph(_escaped(headline(told)), TITLE),
        _text(_escaped(period_words(told))),
        Spacer(1, 6 * mm),
        _table([columns], [87 * mm, 87 * mm]),
        Spacer(1, 6 * mm),
    ]


def _lines(told: dict[str, Any]) -> Any:
    left = ["#", "Description", "Period"]
    head = [_text(f"<b>{word}</b>") for word in left]
    for word, style in [("Quantity", RIGHT), ("Unit", TEXT), (told["currency"], RIGHT)]:
        head.append(Paragraph(f"<b>{_escaped(word)}</b>", style))
    head += [Paragraph(f"<b>{word}</b>", RIGHT) for word in ("Tax %", "Tax")]
    rows: list[list[Any]] = [head]
    rows += [
        [
            _text(str(line["line"])),
            _text(_escaped(line["description"])),
            _text(" - ".join(days(told, line))),
            Paragraph(_escaped(quantity(line)), RIGHT),
            _text(_escaped(line["unit"])),
            Paragraph(_escaped(line["amount"]), RIGHT),
            Paragraph(_escaped(line["tax_percent"]), RIGHT),
            Paragraph(_escaped(line["tax"]), RIGHT),
        ]
        for line in told["lines"]
    ]
    return _table(rows, WIDTHS, repeated=1)


def _foot(told: dict[str, Any]) -> list[Any]:
    rows = [
        [_text(_escaped(name)), Paragraph(f"{amount} {told['currency']}", RIGHT)]
        for name, amount in totals(told)
    ]
    parts: list[Any] = [_table(rows, [120 * mm, 54 * mm]), Spacer(1, 6 * mm)]
    if told["unpriced"]:
        parts.append(_text("<b>Used without a known price: not charged</b>"))
        parts += [
            _text(_escaped(f"{one['model']} {one['description']}: {one['quantity']}"))
            for one in told["unpriced"]
        ]
    if told["held"]:
        parts.append(
            _text(
                f"Of {told['held']} calls it is not known yet what they used; they are not on this"
                " invoice."
            )
        )
    facts = told["facts"]
    parts.append(
        Paragraph(
            f"Made of {facts['count']} facts, SHA-256 {facts['sha256']}."
            f" 1 USD is {told['usd_rate']} {told['currency']}.",
            SMALL,
        )
    )
    return parts


def _table(rows: Sequence[list[Any]], widths: list[float], *, repeated: int = 0) -> Any:
    table = LongTable(rows, colWidths=widths, repeatRows=repeated)
    table.setStyle(RULED)
    return table


def _text(markup: str) -> Any:
    return Paragraph(markup, TEXT)


def _escaped(words: str) -> str:
    return escape(_known(words), quote=False)


def _known(words: str) -> str:
    return words.encode("cp1252", "replace").decode("cp1252")
