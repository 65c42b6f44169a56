"""What begins runs of a workflow by itself, in a real browser."""

from playwright.sync_api import Page, expect

from tests.browser.client import Client
from tests.browser.stories import workflow
from tests.browser.visit import Visit

REPORT = workflow("Report", [], ("start", "end"))


def more(page: Page, trigger: str, what: str) -> None:
    page.get_by_role("button", name=f"More {trigger}").click()
    page.get_by_role("dialog").get_by_role("button", name=what).click()


def test_a_schedule_is_made_fired_paused_and_resumed_on_the_page_of_its_workflow(
    visitor: Visit, client: Client
) -> None:
    workflow_id = client.post("/workflows", REPORT)["workflow_id"]
    visitor.expected = ("422",)
    page = visitor.open(f"/workflows/{workflow_id}")
    page.get_by_role("button", name="New trigger").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name").fill("Nightly")
    dialog.get_by_label("Minute, hour").fill("0 3 * *")
    dialog.get_by_label("Time zone").fill("Europe/Berlin")
    dialog.get_by_role("button", name="Make it").click()
    expect(dialog.get_by_role("alert")).to_be_visible()
    visitor.require_accessible()
    dialog.get_by_label("Minute, hour").fill("0 3 * * *")
    dialog.get_by_role("button", name="Make it").click()
    triggers = page.get_by_role("group", name="Triggers of this workflow")
    expect(triggers.get_by_text("0 3 * * *, Europe/Berlin")).to_be_visible()
    triggers.get_by_role("button", name="Fire now Nightly").click()
    page.get_by_role("dialog").get_by_role("button", name="Fire it").click()
    expect(triggers.get_by_role("link", name="Completed")).to_be_visible()
    triggers.get_by_role("button", name="Pause Nightly").click()
    page.get_by_role("dialog").get_by_label("Note").fill("The books are closed")
    page.get_by_role("dialog").get_by_role("button", name="Pause it").click()
    expect(triggers.get_by_text("The books are closed")).to_be_visible()
    visitor.require_accessible()
    triggers.get_by_role("button", name="Resume Nightly").click()
    page.get_by_role("dialog").get_by_role("button", name="Resume it").click()
    expect(triggers.get_by_text("Active")).to_be_visible()
    more(page, "Nightly", "Change …")
    dialog.get_by_label("Name").fill("Each hour")
    dialog.get_by_label("Minute, hour").fill("0 * * * *")
    dialog.get_by_label("When its last run is still open").select_option("allow_all")
    dialog.get_by_label("Input of its runs").fill('{"at": "{{ input.scheduled_at }}"}')
    dialog.get_by_role("button", name="Change it").click()
    expect(triggers.get_by_text("0 * * * *, Europe/Berlin")).to_be_visible()
    more(page, "Each hour", "Make up for a period …")
    dialog.get_by_label("After").fill("2026-01-01T00:30")
    dialog.get_by_label("Up to").fill("2026-01-01T02:30")
    dialog.get_by_role("button", name="Begin them").click()
    expect(triggers.get_by_role("cell", name="3", exact=True)).to_be_visible()
    more(page, "Each hour", "Delete …")
    dialog.get_by_role("button", name="Delete it").click()
    expect(page.get_by_text("Nothing begins it by itself")).to_be_visible()


def test_the_address_of_a_new_webhook_is_shown_and_begins_runs(
    visitor: Visit, client: Client
) -> None:
    workflow_id = client.post("/workflows", REPORT)["workflow_id"]
    page = visitor.open(f"/workflows/{workflow_id}")
    page.get_by_role("button", name="New trigger").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name").fill("Hook")
    dialog.get_by_role("combobox").first.select_option("webhook")
    dialog.get_by_role("button", name="Make it").click()
    address = page.get_by_label("Address of the webhook").inner_text()
    visitor.require_accessible()
    page.get_by_role("button", name="Done").click()
    answer = page.request.post(address, data={"order": 17})
    assert answer.status == 202, answer.text()
    triggers = page.get_by_role("group", name="Triggers of this workflow")
    expect(triggers.get_by_role("link", name="Completed")).to_be_visible()
    assert address not in page.content()
    more(page, "Hook", "Give it another address …")
    dialog.get_by_role("button", name="Rotate it").click()
    other = page.get_by_label("Address of the webhook").inner_text()
    page.get_by_role("button", name="Done").click()
    assert page.request.post(address, data={"order": 18}).status == 404
    assert page.request.post(other, data={"order": 18}).status == 202
