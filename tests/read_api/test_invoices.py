"""Invoices, their lines, and the facts below each line."""

from tests.projections.histories import Stream, a_tenant, an_execution, completed, started
from tests.projections.invoice_histories import a_line, an_invoice, an_issued_invoice
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
