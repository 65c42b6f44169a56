"""Invoices, their lines, and the facts below each line."""

from uuid import UUID

from tests.projections.histories import Stream, a_tenant, an_execution, completed, started
from tests.projections.invoice_histories import a_line, an_invoice, an_issued_invoice, is_credited
from tests.projections.usage_histories import PROVISIONAL_USAGE, a_sent_event
from tests.read_api.api import Api
from tests.read_api.queries import by_resolvers

LIST = "{ invoices { edges { node { id number status total amountDue currency } } } }"
LINES = (
    "query($id: ID!) { invoice(id: $id) { status periodStart contentSha256 hasUnpriced lines"
    " { line kind description quantity unit usd amount tax model meter } } }"
)
FACTS = (
    "query($id: ID!, $first: Int, $after: String) { invoice(id: $id) {"
    " none: line(number: 2) { line } line(number: 1) { line"
    " facts(first: $first, after: $after) { edges { cursor node { streamId path eventVersion"
    " lines { meter costUsd } } } pageInfo { hasNextPage } } } } }"
)
DOCUMENT = (
    "query($id: ID!) { invoice(id: $id) { issuer customer usdRate taxes balanceBefore balanceAfter"
    " held factsCount creditNotes { number issuedAt reason currency total tax owed credits"
    " carriedOver contentSha256 } } }"
)
NOTE_LINES = (
    "{ invoices { edges { node { creditNotes { number lines { line description amount taxPercent"
    " tax } } } } } }"
)
USAGE_LINE = a_line(1, "usage", "usage//pages_printed", "10.00")
PRICED = {"source": "sent", "provider": "", "prices": "tenant/1", "agent_id": None}


def printed(api: Api, event_id: str, happened_at: str) -> Stream:
    usage = {**PRICED, "workflow_id": None, "created_by": "x", "lines": [["pages_printed", 12, 7]]}
    return a_sent_event(api.tenant_id, event_id=event_id, happened_at=happened_at, usage=usage)


async def test_invoices_are_listed_with_their_amounts(api: Api) -> None:
    invoice = an_issued_invoice(api.tenant_id, USAGE_LINE)
    await api.happened(invoice, an_invoice(a_tenant()))
    for query in (LIST, by_resolvers(LIST)):
        (edge,) = (await api.read(query))["invoices"]["edges"]
        assert edge["node"] == {
            "id": str(invoice.stream_id),
            "number": "INV-000007",
            "status": "issued",
            "total": "11.90",
            "amountDue": "11.90",
            "currency": "EUR",
        }


async def test_an_invoice_has_its_lines_in_their_order(api: Api) -> None:
    second = a_line(2, "recurring", "plan/1/1", "5.00")
    invoice = an_issued_invoice(api.tenant_id, second, USAGE_LINE)
    await api.happened(invoice)
    for query in (LINES, by_resolvers(LINES)):
        told = (await api.read(query, id=str(invoice.stream_id)))["invoice"]
        assert [(line["line"], line["kind"], line["amount"]) for line in told["lines"]] == [
            (1, "usage", "10.00"),
            (2, "recurring", "5.00"),
        ]
        assert told["lines"][0]["meter"] == "pages_printed"


async def test_below_a_line_are_the_facts_that_it_is_the_sum_of(api: Api) -> None:
    """Half-open: what happened at the end is of the next one; what another model used is not of
    this line.
    """
    first = printed(api, "1", "2026-01-01T00:00:00+00:00")
    second = printed(api, "2", "2026-01-31T23:59:59.999999+00:00")
    later = printed(api, "3", "2026-02-01T00:00:00+00:00")
    run = completed(started(an_execution(api.tenant_id), "draft"), "draft")
    invoice = an_issued_invoice(api.tenant_id, USAGE_LINE)
    await api.happened(first, second, later, run, invoice)
    found: list[str] = []
    after = None
    while True:
        told = (await api.read(FACTS, id=str(invoice.stream_id), first=1, after=after))["invoice"]
        assert told["none"] is None
        line = told["line"]
        assert line["line"] == 1
        found += [edge["node"]["streamId"] for edge in line["facts"]["edges"]]
        if not line["facts"]["pageInfo"]["hasNextPage"]:
            break
        after = line["facts"]["edges"][-1]["cursor"]
    assert found == [str(first.stream_id), str(second.stream_id)]


async def test_below_the_lines_of_tiers_are_the_facts_of_their_price(api: Api) -> None:
    """Which tier one is in depends on all of them; what has another price is of other lines."""
    told = {"event_id": "1", "happened_at": "2026-01-05T10:00:00+00:00"}
    tiered = a_sent_event(api.tenant_id, usage=PROVISIONAL_USAGE, **told)
    plain = printed(api, "2", "2026-01-05T10:00:00+00:00")
    keys = ["usage//pages_printed#0123456789abcdef.01", "usage//pages_printed"]
    lines = [a_line(number, "usage", key, "10.00") for number, key in enumerate(keys, 1)]
    invoice = an_issued_invoice(api.tenant_id, *lines)
    await api.happened(tiered, plain, invoice)
    for number, stream in enumerate((tiered, plain), 1):
        query = FACTS.replace("none: line(number: 2) { line } ", "")
        query = query.replace("number: 1", f"number: {number}")
        line = (await api.read(query, id=str(invoice.stream_id)))["invoice"]["line"]
        found = [edge["node"]["streamId"] for edge in line["facts"]["edges"]]
        assert found == [str(stream.stream_id)]


async def test_an_invoice_says_what_its_document_and_its_credit_notes_say(
    api: Api,
) -> None:
    invoice = is_credited(an_issued_invoice(api.tenant_id, USAGE_LINE), ("1.60", "0.30"))
    theirs = is_credited(an_issued_invoice(), ("1.60", "0.30"))
    await api.happened(invoice, theirs)
    note = {
        "number": "CN-000001",
        "issuedAt": "2026-02-03T00:00:00+00:00",
        "reason": "an outage",
        "currency": "EUR",
        "total": "1.90",
        "tax": "0.30",
        "owed": "1.90",
        "credits": "0.00",
        "carriedOver": "0.00",
        "contentSha256": "ef",
    }
    for query in (DOCUMENT, by_resolvers(DOCUMENT)):
        assert (await api.read(query, id=str(invoice.stream_id)))["invoice"] == {
            "issuer": {"id": None, "legal_name": "Ledger GmbH"},
            "customer": {"id": "acme", "legal_name": "Acme SA"},
            "usdRate": "0.92",
            "taxes": [{"percent": "19", "of": "10.00", "tax": "1.90"}],
            "balanceBefore": "0.00",
            "balanceAfter": "0.00",
            "held": 2,
            "factsCount": 1,
            "creditNotes": [note],
        }
        assert (await api.read(query, id=str(theirs.stream_id)))["invoice"] is None


async def test_before_it_is_finalised_an_invoice_says_nothing_of_a_document(api: Api) -> None:
    invoice = an_invoice(api.tenant_id)
    await api.happened(invoice)
    for query in (DOCUMENT, by_resolvers(DOCUMENT)):
        told = (await api.read(query, id=str(invoice.stream_id)))["invoice"]
        assert {name for name, value in told.items() if value} == set()


async def test_each_credit_note_has_lines_of_its_own(api: Api) -> None:
    invoice = is_credited(an_issued_invoice(api.tenant_id), ("1.60", "0.30"), ("1.00", "0.19"))
    is_credited(invoice, ("0.01", "0.00"), number=2)
    await api.happened(invoice, an_issued_invoice(api.tenant_id))
    edges = (await api.read(NOTE_LINES))["invoices"]["edges"]
    by_invoice = [edge["node"]["creditNotes"] for edge in edges]
    assert sorted(len(notes) for notes in by_invoice) == [0, 2]
    [(first, second)] = [notes for notes in by_invoice if notes]
    amounts = [(line["line"], line["amount"], line["tax"]) for line in first["lines"]]
    assert amounts == [(1, "1.60", "0.30"), (2, "1.00", "0.19")]
    assert [line["amount"] for line in second["lines"]] == ["0.01"]


async def test_what_was_given_back_of_an_invoice_is_nothing_until_there_is_a_credit_note(
    api: Api,
) -> None:
    credited = is_credited(an_issued_invoice(api.tenant_id), ("1.60", "0.30"))
    told = {credited.stream_id: "1.90"}
    untouched, gathering = an_issued_invoice(api.tenant_id), an_invoice(api.tenant_id)
    told |= {untouched.stream_id: "0.00", gathering.stream_id: None}
    await api.happened(credited, untouched, gathering)
    edges = (await api.read("{ invoices { edges { node { id credited } } } }"))["invoices"]["edges"]
    found = {UUID(edge["node"]["id"]): edge["node"]["credited"] for edge in edges}
    assert found == told
