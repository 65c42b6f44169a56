"""What is owed, in a real browser: down to the event that caused each cent."""

import json
import time
from datetime import timedelta
from pathlib import Path

import httpx
import psycopg
import pytest
from playwright.sync_api import Browser, Page, expect

from infra.clock import SystemClock
from infra.embedded_postgres import EmbeddedPostgres
from tests.browser.client import Client
from tests.browser.visit import PHONE, Visit, visit
from tests.end_to_end.stack import Stack, new_tenant, operator_key_of
from tests.end_to_end.stories import question_workflow
from tests.plain_http import NO_AUTHORITIES, PATIENCE_S

WAIT_S = 30
NEWEST = "{ tenant { id } invoices(first: 5) { edges { node { id status periodStart } } } }"
# Nothing that is used now is of a month that is over, and prices never begin in the past: for the
# page, a line is put into the read model that the run of this file is the sum of.
LINE = """
UPDATE agentledger.invoices_v2 SET lines = %s, facts = %s WHERE invoice_id = %s
"""


@pytest.fixture(scope="module")
def execution_id(client: Client) -> str:
    return client.run(question_workflow(), {"question": "Why?"}, wait_s=30)


@pytest.fixture(scope="module")
def invoice_id(client: Client, stack: Stack, execution_id: str) -> str:
    """Of the month before, issued by a worker."""
    del execution_id
    tenant_id = client.read(NEWEST)["tenant"]["id"]
    now = SystemClock().now()
    terms = {
        "currency": "EUR",
        "usd_rate": "0.92",
        "taxes": {"default": "19"},
        "starts_at": (now - timedelta(days=40)).isoformat(),
        "grace_s": 0,
    }
    httpx.put(
        f"{stack.url}/api/v1/tenants/{tenant_id}/billing-profile",
        json=terms,
        headers={"X-Operator-Key": operator_key_of(stack)},
        timeout=PATIENCE_S,
        verify=NO_AUTHORITIES,
    ).raise_for_status()
    found = _issued(client)
    server = EmbeddedPostgres(Path(stack.environment["AGENTLEDGER_DATA_DIR"]))
    line = {
        "line": 1,
        "kind": "usage",
        "key": "usage/offline/echo/input_tokens",
        "description": "offline/echo, input tokens",
        "quantity": "2",
        "unit": "tokens",
        "usd": "0.000002",
        "amount": "0.00",
        "tax_percent": "19",
        "tax": "0.00",
        "start": (now - timedelta(days=1)).isoformat(),
        "end": (now + timedelta(days=1)).isoformat(),
        "model": "offline/echo",
        "meter": "input_tokens",
    }
    places = {"count": 1, "billed_to": [0, "0", 0], "closed_to": [9, "0", 0]}
    try:
        with psycopg.connect(server.start(), autocommit=True) as conn:
            conn.execute(LINE, (json.dumps([line]), json.dumps(places), found))
    finally:
        server.stop()
    return found


def _issued(client: Client) -> str:
    deadline = time.monotonic() + WAIT_S
    while True:
        edges = client.read(NEWEST)["invoices"]["edges"]
        done = [
            edge["node"]["id"] for edge in edges if edge["node"]["status"] in {"issued", "paid"}
        ]
        if done:
            return str(done[0])
        assert time.monotonic() < deadline, edges
        time.sleep(0.2)


def opened(visitor: Visit, path: str, heading: str) -> Page:
    page = visitor.open(path)
    expect(page.get_by_role("heading", name=heading, level=1)).to_be_visible()
    return page


def test_where_nothing_is_billed_it_says_how_to_begin(stranger: Visit, stack: Stack) -> None:
    stranger.sign_in_with(new_tenant(stack.url, operator_key_of(stack), "Nobody"))
    page = opened(stranger, "/invoices", "Invoices")
    expect(page.get_by_text("Nothing is billed yet")).to_be_visible()
    stranger.require_accessible()


def test_an_amount_leads_down_to_the_event_that_caused_it(
    visitor: Visit, invoice_id: str, execution_id: str
) -> None:
    page = opened(visitor, "/invoices", "Invoices")
    invoices = page.get_by_role("group", name="Invoices")
    expect(invoices.get_by_role("row").nth(1)).to_contain_text("Gathering")
    expect(invoices.get_by_role("row").nth(2)).to_contain_text("EUR")
    visitor.require_accessible()
    page.get_by_role("link", name="What is on it").click()
    expect(page.get_by_text("Nothing of it is stored")).to_be_visible()
    expect(page.get_by_role("group", name="Lines")).to_contain_text("offline/echo, input tokens")
    visitor.require_accessible()
    page.goto(f"{visitor.url}/dashboard/invoices/{invoice_id}")
    page.get_by_role("button", name="offline/echo, input tokens").click()
    facts = page.get_by_role("group", name="Facts", exact=True)
    expect(facts.get_by_role("row").nth(1)).to_contain_text(execution_id[-8:])
    visitor.require_accessible()
    facts.get_by_role("button", name="Event").first.click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("heading", name="execution.node_completed")).to_be_visible()


def test_the_document_is_taken_along(visitor: Visit, invoice_id: str) -> None:
    page = visitor.open(f"/invoices/{invoice_id}")
    for form, begins in (("PDF", b"%PDF"), ("JSON", b"{")):
        with page.expect_download() as told:
            page.get_by_role("button", name=form, exact=True).click()
        assert Path(told.value.path()).read_bytes().startswith(begins)


def test_another_tenant_finds_no_such_invoice(
    stranger: Visit, stack: Stack, invoice_id: str
) -> None:
    stranger.sign_in_with(new_tenant(stack.url, operator_key_of(stack), "Nobody"))
    page = stranger.open(f"/invoices/{invoice_id}")
    expect(page.get_by_text("There is no such invoice")).to_be_visible()


def test_an_invoice_fits_a_phone(
    browser: Browser, stack: Stack, api_key: str, invoice_id: str
) -> None:
    with visit(browser, stack.url, viewport=PHONE) as on_phone:
        on_phone.sign_in_with(api_key)
        page = on_phone.open(f"/invoices/{invoice_id}?line=1")
        expect(page.get_by_role("group", name="Facts", exact=True)).to_be_visible()
        on_phone.require_narrow()
        on_phone.require_accessible()
