"""The page that says how far the read models are, in a real browser."""

from playwright.sync_api import Browser, expect

from tests.browser.client import Client
from tests.browser.visit import PHONE, Visit, visit
from tests.end_to_end.stack import Stack
from tests.end_to_end.stories import question_workflow


def test_the_read_models_and_the_seals_are_shown_as_they_are(
    visitor: Visit, client: Client
) -> None:
    client.run(question_workflow(), {"question": "Why?"}, wait_s=30)
    page = visitor.open("/system")
    expect(page.get_by_role("heading", name="System")).to_be_visible()
    row = page.get_by_role("row").filter(has_text="executions").first
    expect(row).to_contain_text("Current")
    expect(page.get_by_text("Dead letters")).to_be_visible()
    roles = page.get_by_role("group", name="Roles", exact=True).get_by_role("row")
    expect(roles.filter(has_text="worker")).to_contain_text("Running")
    behind = page.get_by_role("group", name="Behind the log")
    expect(behind.get_by_role("row").filter(has_text="Seals")).to_be_visible()
    # Sealed every five seconds, asked for every five; nobody reloads the page.
    seals = page.get_by_role("group", name="Seals of the log")
    expect(seals.get_by_role("row").nth(1)).to_be_visible(timeout=30_000)
    visitor.require_accessible()


def test_it_fits_a_phone(browser: Browser, stack: Stack, api_key: str) -> None:
    with visit(browser, stack.url, viewport=PHONE) as person:
        person.sign_in_with(api_key)
        page = person.open("/system")
        expect(page.get_by_text("Furthest behind")).to_be_visible()
        person.require_narrow()
        person.require_accessible()
