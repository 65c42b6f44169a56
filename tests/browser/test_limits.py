"""How many calls there may be, and are, in a real browser."""

from playwright.sync_api import expect

from tests.browser.client import Client
from tests.browser.stories import LETTER
from tests.browser.visit import Visit
from tests.write_api.bodies import AGENT


def test_a_limit_that_is_set_is_seen_to_hold(visitor: Visit, client: Client) -> None:
    page = visitor.open("/limits")
    expect(page.get_by_text("Neither the plan nor this tenant")).to_be_visible()
    page.get_by_role("button", name="Change limits").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Calls at once").fill("1")
    dialog.get_by_label("USD a minute").fill("2.5")
    dialog.get_by_label("Requests at once").fill("3")
    dialog.get_by_role("button", name="Set them").click()
    expect(page.get_by_text("0 of 1 under way")).to_be_visible()
    expect(page.get_by_text("$0.00 of $2.50, used or held")).to_be_visible()
    expect(page.get_by_text("0 of 3 requests under way")).to_be_visible()
    runs = [client.run(LETTER) for _ in range(2)]
    for run in runs:
        client.post(f"/executions/{run}/signals/go", {"payload": {}})
    expect(page.get_by_text("1 of 1 under way")).to_be_visible()
    expect(page.get_by_text("1 call waits in line")).to_be_visible()
    visitor.require_accessible()
    for run in runs:
        client.post(f"/executions/{run}/cancel", {})
    expect(page.get_by_text("0 of 1 under way")).to_be_visible()


def test_an_agent_is_limited_on_its_page(visitor: Visit, client: Client) -> None:
    agent_id = client.post("/agents", AGENT)["agent_id"]
    page = visitor.open(f"/agents/{agent_id}")
    page.get_by_role("button", name="Change limits").click()
    page.get_by_role("dialog").get_by_label("Calls at once").fill("4")
    page.get_by_role("dialog").get_by_role("button", name="Set them").click()
    expect(page.get_by_text("0 of 4 under way")).to_be_visible()
    page.get_by_role("link", name="Agents").first.click()
    expect(page.get_by_role("group", name="Agents").get_by_text("0 of 4")).to_be_visible()
