"""The API's own document, in a real browser."""

from playwright.sync_api import expect

from tests.browser.visit import Visit


def test_the_api_can_be_read_without_anything_from_elsewhere(stranger: Visit) -> None:
    page = stranger.page
    page.goto(f"{stranger.url}/docs")
    # Its operations take a browser without a graphics card some seconds more.
    expect(page.get_by_role("heading", name="AgentLedger")).to_be_visible()
