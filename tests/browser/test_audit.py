"""What was recorded, in a real browser: found, gone back to, explained and proved."""

import json
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.client import Client
from tests.browser.visit import PHONE, Visit, visit
from tests.end_to_end.stack import Stack, new_tenant, operator_key_of
from tests.end_to_end.stories import question_workflow


@pytest.fixture(scope="module")
def execution_id(client: Client) -> str:
    return client.run(question_workflow(), {"question": "Why?"}, wait_s=30)


def opened(visitor: Visit, path: str = "/audit") -> Page:
    page = visitor.open(path)
    expect(page.get_by_role("heading", name="Audit", level=1)).to_be_visible()
    return page


def test_an_event_is_found_and_its_aggregate_gone_back_to(
    visitor: Visit, execution_id: str
) -> None:
    page = opened(visitor)
    topic = page.get_by_role("searchbox", name="Topic")
    topic.fill("execution.completed")
    topic.press("Enter")
    events = page.get_by_role("group", name="Events")
    expect(events.get_by_role("row")).to_have_count(2)
    visitor.require_accessible()
    events.get_by_role("link", name="execution.completed").click()
    expect(page.get_by_text(execution_id, exact=True)).to_be_visible()
    changes = page.get_by_role("group", name="Differences")
    expect(changes.get_by_role("row").filter(has_text="/status")).to_contain_text("COMPLETED")
    slider = page.get_by_role("slider", name="The state after an event")
    slider.press("Home")
    expect(page.get_by_text("It began with this event.")).to_be_visible()
    slider.press("ArrowRight")
    expect(changes).to_be_visible()
    assert "version=2" in page.url
    visitor.require_accessible()


def test_an_event_leads_to_what_it_came_from_and_is_proved(
    visitor: Visit, execution_id: str
) -> None:
    page = visitor.open(f"/audit/{execution_id}?version=2")
    came_from = page.get_by_role("heading", name="Came from").locator("..")
    expect(came_from.get_by_role("link").first).to_be_visible()
    # Sealed within seconds.
    proof = page.get_by_role("button", name="Proof")
    for _ in range(20):
        if proof.is_visible():
            break
        page.wait_for_timeout(500)
        page.reload()
        expect(page.get_by_role("heading", name="Sealed")).to_be_visible()
        page.get_by_text("Not yet").or_(proof).first.wait_for()
    with page.expect_download() as told:
        proof.click()
    saved = json.loads(Path(told.value.path()).read_text())
    assert saved["seal"]["signature"]
    assert saved["path"] is not None
    came_from.get_by_role("link").first.click()
    expect(page.get_by_role("heading", name="Event 1: execution.created")).to_be_visible()


def test_events_are_exported_and_who_asked_is_seen(visitor: Visit, execution_id: str) -> None:
    page = opened(visitor, f"/audit?stream={execution_id}")
    with page.expect_download() as told:
        page.get_by_role("button", name="JSON lines").click()
    lines = [json.loads(line) for line in Path(told.value.path()).read_text().splitlines()]
    assert {line["stream_id"] for line in lines} == {execution_id}
    page.get_by_role("button", name="Access").click()
    access = page.get_by_role("group", name="Access", exact=True)
    expect(access.get_by_role("row").nth(1)).to_be_visible()
    visitor.require_accessible()


def test_another_tenant_finds_nothing_of_it(
    stranger: Visit, stack: Stack, execution_id: str
) -> None:
    stranger.sign_in_with(new_tenant(stack.url, operator_key_of(stack), "Nobody"))
    page = stranger.open(f"/audit/{execution_id}")
    expect(page.get_by_text("There is no such stream")).to_be_visible()
    page = opened(stranger, "/audit?topic=execution.completed")
    expect(page.get_by_text("No event fits")).to_be_visible()
    stranger.require_accessible()


def test_time_travel_fits_a_phone(
    browser: Browser, stack: Stack, api_key: str, execution_id: str
) -> None:
    with visit(browser, stack.url, viewport=PHONE) as on_phone:
        on_phone.sign_in_with(api_key)
        page = on_phone.open(f"/audit/{execution_id}?version=3")
        expect(page.get_by_role("group", name="Differences")).to_be_visible()
        on_phone.require_narrow()
        on_phone.require_accessible()
