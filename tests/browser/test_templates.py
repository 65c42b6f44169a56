"""What a workflow may begin as, in a real browser: found by what it is about, looked at, copied."""

import re

import httpx
from playwright.sync_api import expect

from tests.browser.client import Client
from tests.browser.stories import PAYMENT, REFUND
from tests.browser.visit import PHONE, Visit
from tests.end_to_end.stack import Stack, new_tenant, operator_key_of
from tests.plain_http import NO_AUTHORITIES, PATIENCE_S

COPIED = re.compile(r"/dashboard/workflows/[0-9a-f-]{36}$")


def test_a_template_is_found_looked_at_and_copied(
    visitor: Visit, client: Client, stack: Stack
) -> None:
    client.post("/workflows", {**REFUND, "name": "Refund a customer", "is_public": True})
    httpx.post(
        f"{stack.url}/api/v1/workflow-templates",
        json={**PAYMENT, "name": "Chase unpaid invoices", "description": "Until they are paid."},
        headers={"X-Operator-Key": operator_key_of(stack)},
        timeout=PATIENCE_S,
        verify=NO_AUTHORITIES,
    ).raise_for_status()
    page = visitor.open("/templates")
    rows = page.get_by_role("group", name="Templates", exact=True).get_by_role("row")
    expect(rows.nth(1)).to_contain_text("Refund a customer")
    expect(page.get_by_role("group", name="ok, approval,")).to_be_visible()
    visitor.require_accessible()
    # A worker looks for new ones now and then.
    search = page.get_by_role("searchbox", name="What it should be about")
    search.fill("unpaid invoice")
    search.press("Enter")
    while not rows.filter(has_text="Chase").count():
        page.reload()
        expect(page.get_by_text("No template is like this").or_(rows.first)).to_be_visible()
    expect(rows.nth(1)).to_contain_text("The platform")
    expect(page.get_by_text("Compared by offline/hash: words in common")).to_be_visible()
    page.get_by_role("button", name="Chase unpaid invoices").click()
    page.get_by_role("group", name="paid, signal,").click()
    expect(page.get_by_label("paid", exact=True)).to_contain_text('"name": "paid"')
    visitor.require_accessible()
    page.set_viewport_size({"width": PHONE["width"], "height": PHONE["height"]})
    visitor.require_narrow()
    page.get_by_role("button", name="Copy", exact=True).click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name").fill("Chase ours")
    dialog.get_by_role("button", name="Copy it").click()
    expect(page.get_by_role("heading", name="Chase ours", level=1)).to_be_visible()
    assert COPIED.search(page.url)


def test_another_tenant_sees_what_the_platform_offers_only(stranger: Visit, stack: Stack) -> None:
    stranger.sign_in_with(new_tenant(stack.url, operator_key_of(stack), "Nobody"))
    page = stranger.open("/templates?owner=TENANT")
    expect(page.get_by_text("No template is like this")).to_be_visible()


def test_a_workflow_is_offered_as_a_template_and_withdrawn(visitor: Visit, client: Client) -> None:
    workflow_id = client.post("/workflows", {**PAYMENT, "name": "Await money"})["workflow_id"]
    page = visitor.open(f"/workflows/{workflow_id}")
    page.get_by_role("button", name="Offer as template").click()
    page.get_by_role("dialog").get_by_role("button", name="Offer it").click()
    withdraw = page.get_by_role("button", name="Withdraw template")
    expect(withdraw).to_be_visible()
    page.get_by_role("link", name="Templates").click()
    offered = page.get_by_role("button", name="Await money")
    expect(offered).to_be_visible()
    page.go_back()
    withdraw.click()
    page.get_by_role("dialog").get_by_role("button", name="Withdraw it").click()
    expect(page.get_by_role("button", name="Offer as template")).to_be_visible()
    page.get_by_role("link", name="Templates").click()
    expect(page.get_by_role("heading", name="Templates", level=1)).to_be_visible()
    expect(offered).to_have_count(0)
