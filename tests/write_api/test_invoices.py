"""Invoices over HTTP: what is done with them, and every form that a document has."""

import csv
import hashlib
import io
from typing import Any

import orjson
import pytest

from commands.billing_accounts import AddressInvoices
from domain.invoice_documents import canonical
from tests.commands.billing_steps import Billed
from tests.write_api.api import KEY, OPERATOR_KEY, Api, problem
from write_api.invoice_words import days, quantity

OPERATOR = {"X-Operator-Key": OPERATOR_KEY}
EVIL = "<script>alert(1)</script> & Söhne Łódź"
FORMS = ["json", "html", "pdf", "csv"]


@pytest.fixture
async def api() -> Api:
    return Api()


@pytest.fixture
async def billed(api: Api) -> Billed:
    """The caller's tenant is the one that is billed."""
    billed = await Billed.begun(api.world)
    own = api.world.caller_with("*")
    api.authentication.callers[KEY] = type(own)(
        own.actor, billed.tenant_id, own.scopes, own.user_id
    )
    address = AddressInvoices(EVIL, ["=cmd()"], "DE", "DE1", None)
    await api.world.when(address, caller=api.authentication.callers[KEY])
    return billed


async def read(api: Api, invoice_id: object, form: str) -> Any:
    return await api.send("GET", f"/invoices/{invoice_id}?format={form}")


async def test_an_invoice_is_told_with_its_state_and_its_document(api: Api, billed: Billed) -> None:
    waiting = (await api.send("GET", f"/invoices/{(await billed.invoice()).id}")).json()["data"]
    assert (waiting["status"], waiting["document"]) == ("gathering", None)
    invoice = await billed.issued()
    told = (await api.send("GET", f"/invoices/{invoice.id}")).json()["data"]
    assert (told["status"], told["document"]) == ("issued", invoice.document)


@pytest.mark.parametrize("form", FORMS)
async def test_each_form_has_the_same_bytes_each_time(api: Api, billed: Billed, form: str) -> None:
    invoice = await billed.issued()
    first, second = [(await read(api, invoice.id, form)).content for _ in range(2)]
    assert first == second
    assert first


async def test_the_json_is_what_is_hashed(api: Api, billed: Billed) -> None:
    invoice = await billed.issued()
    response = await read(api, invoice.id, "json")
    assert response.content == canonical(invoice.document)
    assert hashlib.sha256(response.content).hexdigest() == invoice.content_sha256
    assert response.headers["X-Content-SHA256"] == invoice.content_sha256
    assert "." in orjson.loads(response.content)["total"]


async def test_no_word_of_a_customer_is_markup(api: Api, billed: Billed) -> None:
    invoice = await billed.issued()
    page = (await read(api, invoice.id, "html")).text
    assert "<script>" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; Söhne Łódź" in page
    pdf = (await read(api, invoice.id, "pdf")).content
    assert pdf.startswith(b"%PDF-")
    assert b"script" in pdf


async def test_the_days_of_a_line_are_those_of_the_time_zone_of_its_invoice() -> None:
    document: Any = {"time_zone": "Asia/Kathmandu"}
    line = {"start": "2026-10-31T18:15:00+00:00", "end": "2026-11-30T18:15:00+00:00"}
    assert days(document, line) == ("2026-11-01", "2026-12-01")


@pytest.mark.parametrize(
    ("exact", "shown"),
    [
        ("1000", "1000"),
        ("0", "0"),
        ("1/3", "0.333333"),
        ("-64799904599/72000000000", "-0.899999"),
        ("1/3000000", "0"),
        (f"{10**30}", f"{10**30}"),
    ],
)
def test_people_are_shown_quantities_to_six_decimals(exact: str, shown: str) -> None:
    assert quantity({"quantity": exact}) == shown


async def test_a_document_is_called_by_its_number(api: Api, billed: Billed) -> None:
    issuer = AddressInvoices("Ledger", ["Hafen 1"], "DE", None, None, number_prefix="2026/")
    await api.world.when(issuer, caller=api.world.operator)
    invoice = await billed.issued()
    named = (await read(api, invoice.id, "pdf")).headers["Content-Disposition"]
    assert named == 'attachment; filename="2026-000001.pdf"'


async def test_tax_is_told_line_by_line_on_paper(api: Api, billed: Billed) -> None:
    invoice = await billed.issued()
    document: Any = invoice.document
    taxes = [line["tax"] for line in document["lines"]]
    page = (await read(api, invoice.id, "html")).text
    assert "Tax %" in page
    assert all(f'<td class="n">19</td><td class="n">{tax}</td>' in page for tax in taxes)
    pdf = (await read(api, invoice.id, "pdf")).content
    assert b"(Tax %)" in pdf
    assert b"(19)" in pdf
    assert all(f"({tax})".encode() in pdf for tax in taxes)


async def test_a_line_of_the_csv_is_a_line_of_the_invoice(api: Api, billed: Billed) -> None:
    invoice = await billed.issued()
    rows = list(csv.DictReader(io.StringIO((await read(api, invoice.id, "csv")).text)))
    document: Any = invoice.document
    assert [row["amount"] for row in rows] == [line["amount"] for line in document["lines"]]


async def test_the_form_may_be_asked_for_by_what_is_accepted(api: Api, billed: Billed) -> None:
    invoice = await billed.issued()
    headers = {"Authorization": KEY, "Accept": "application/pdf"}
    response = await api.send("GET", f"/invoices/{invoice.id}", headers=headers)
    assert response.headers["content-type"] == "application/pdf"
    refused = problem(await read(api, invoice.id, "xls"), 422, "invalid")
    assert refused == [("query:format", "unknown_format")]


async def test_what_is_done_too_early_or_too_late_says_in_which_state_it_could_be_done(
    api: Api, billed: Billed
) -> None:
    early = (await billed.invoice()).id
    body = {"tenant_id": str(billed.tenant_id)}
    refused = await api.send("POST", f"/invoices/{early}/finalize", body, headers=OPERATOR)
    problem(refused, 409, "invoice_state")
    assert refused.json()["detail"] == "The invoice is gathering, and not draft."


async def test_what_is_not_finalised_has_no_document(api: Api, billed: Billed) -> None:
    response = await read(api, (await billed.invoice()).id, "pdf")
    problem(response, 409, "invoice_state")


async def test_the_operator_pays_credits_and_reads_it(api: Api, billed: Billed) -> None:
    invoice = await billed.issued()
    of = {"tenant_id": str(billed.tenant_id)}

    async def post(what: str, **body: Any) -> Any:
        path = f"/invoices/{invoice.id}/{what}"
        return await api.send("POST", path, {**of, **body}, headers=OPERATOR)

    credited = await post("credit-notes", reason="an outage", lines=[{"line": 1, "amount": "0.1"}])
    assert (credited.status_code, credited.json()["data"]["total"]) == (201, "0.12")
    assert (await post("pay", reference="line 7")).json()["data"]["status"] == "paid"
    problem(await post("void", reason="late"), 409, "invoice_state")
    problem(await post("finalize"), 409, "invoice_state")
    problem(await post("uncollectible", reason="late"), 409, "invoice_state")
    path = f"/tenants/{billed.tenant_id}/invoices/{invoice.id}"
    told = (await api.send("GET", path, headers=OPERATOR)).json()["data"]
    assert (told["status"], len(told["credit_notes"])) == ("paid", 1)
    copied = await api.send("GET", f"{path}?format=json", headers=OPERATOR)
    assert copied.content == canonical(invoice.document)
