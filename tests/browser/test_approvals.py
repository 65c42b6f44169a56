"""What waits for somebody's decision, in a real browser."""

from playwright.sync_api import Browser, expect

from tests.browser.client import Client
from tests.browser.stories import REFUND
from tests.browser.visit import PHONE, Visit, visit
from tests.end_to_end.stack import Stack, new_tenant, operator_key_of


def test_one_after_the_other_is_decided_by_keys_alone(visitor: Visit, client: Client) -> None:
    page = visitor.open("/approvals")
    expect(page.get_by_text("Nothing waits for you")).to_be_visible()
    first = client.run(REFUND, {"amount": 10}, wait_s=1)
    second = client.run(REFUND, {"amount": 20}, wait_s=1)
    # Nobody reloads the page.
    rows = page.get_by_role("group", name="Approvals that wait")
    expect(rows.get_by_role("row")).to_have_count(3)
    link = page.get_by_role("link", name="Approvals")
    expect(link).to_contain_text("2 waiting")
    approval = page.get_by_role("region", name="Approval ok")
    expect(approval.get_by_role("heading", name="Refund 20 USD?")).to_be_visible()
    visitor.require_accessible()
    rows.get_by_role("button", name="Refund 10 USD?").press("Enter")
    approval.get_by_label("Amount to refund").fill("9")
    approval.get_by_label("Comment").fill("one was used")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(rows.get_by_role("row")).to_have_count(2)
    expect(link).to_contain_text("1 waiting")
    approval.get_by_role("button", name="Reject").press("Enter")
    expect(page.get_by_text("Nothing waits for you")).to_be_visible()
    expect(link).not_to_contain_text("waiting")
    outputs = [
        client.read(f'{{ execution(id: "{one}") {{ nodes {{ path output }} }} }}')["execution"]
        for one in (first, second)
    ]
    decisions = [node["output"] for run in outputs for node in run["nodes"] if node["path"] == "ok"]
    assert [one["decision"] for one in decisions] == ["approve", "reject"]
    assert decisions[0]["edits"] == {"amount": 9}
    assert decisions[0]["comment"] == "one was used"


def test_it_fits_a_phone_and_another_tenant_is_asked_nothing(
    browser: Browser, stack: Stack, api_key: str, client: Client, stranger: Visit
) -> None:
    client.run(REFUND, {"amount": 30}, wait_s=1)
    with visit(browser, stack.url, viewport=PHONE) as on_phone:
        on_phone.sign_in_with(api_key)
        page = on_phone.open("/approvals")
        expect(page.get_by_role("button", name="Approve")).to_be_visible()
        on_phone.require_narrow()
        on_phone.require_accessible()
    stranger.sign_in_with(new_tenant(stack.url, operator_key_of(stack), "Nobody"))
    page = stranger.open("/approvals?whose=all")
    expect(page.get_by_text("Nothing waits for a decision")).to_be_visible()
