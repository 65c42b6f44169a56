"""What it cost, in a real browser: beside the time before, and down to the event."""

import re

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.browser.client import Client
from tests.browser.visit import PHONE, Visit, visit
from tests.end_to_end.stack import Stack, new_tenant, operator_key_of
from tests.end_to_end.stories import question_workflow


@pytest.fixture(scope="module")
def execution_id(client: Client) -> str:
    return client.run(question_workflow(), {"question": "Why?"}, wait_s=30)


def opened(visitor: Visit, path: str = "/usage") -> Page:
    page = visitor.open(path)
    expect(page.get_by_role("heading", name="Usage and cost")).to_be_visible()
    return page


def test_where_nothing_was_used_it_says_how_to_begin(stranger: Visit, stack: Stack) -> None:
    stranger.sign_in_with(new_tenant(stack.url, operator_key_of(stack), "Nobody"))
    page = opened(stranger)
    expect(page.get_by_text("Nothing was used in this time")).to_be_visible()
    expect(page.get_by_role("group", name="Facts", exact=True)).to_be_hidden()
    stranger.require_accessible()


def test_a_sum_leads_down_to_the_event_that_caused_each_cent(
    visitor: Visit, execution_id: str
) -> None:
    page = opened(visitor)
    groups = page.get_by_role("group", name="What moved most")
    expect(groups.get_by_role("row").filter(has_text="offline/echo")).to_contain_text("new")
    visitor.require_accessible()
    groups.get_by_role("button", name="offline/echo").click()
    expect(page.get_by_role("heading", name="Facts of offline/echo")).to_be_visible()
    facts = page.get_by_role("group", name="Facts", exact=True)
    expect(facts.get_by_role("row").nth(1)).to_contain_text(execution_id[-8:])
    facts.get_by_role("button", name="Event").first.click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("heading", name="execution.node_completed")).to_be_visible()
    expect(dialog).to_contain_text("input_tokens")
    visitor.require_accessible()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    page.get_by_role("button", name="Remove the filter Model: offline/echo").click()
    expect(page.get_by_role("heading", name="Facts", exact=True)).to_be_visible()


def test_what_is_used_appears_while_one_looks(
    visitor: Visit, client: Client, execution_id: str
) -> None:
    page = opened(visitor, "/usage?by=WORKFLOW&measure=calls")
    facts = page.get_by_role("group", name="Facts", exact=True)
    expect(facts.get_by_text(execution_id[-8:]).first).to_be_visible()
    later = client.run(question_workflow(), {"question": "And then?"}, wait_s=30)
    groups = page.get_by_role("group", name="What moved most")
    expect(groups.get_by_role("row")).to_have_count(3)
    page.reload()
    expect(facts.get_by_text(later[-8:]).first).to_be_visible()


def test_what_a_period_will_price_is_shown_as_an_upper_bound(
    visitor: Visit, execution_id: str
) -> None:
    del execution_id

    def provisional(route: Route) -> None:
        """As where the tiers of a price count what the whole month brings."""
        answer = route.fetch()
        told = answer.json()
        compared = told.get("data", {}).get("costExplorer")
        if compared is not None:
            for each in (compared["current"], *(one["current"] for one in compared["groups"])):
                each["provisionalUsd"] = each["costUsd"]
        route.fulfill(response=answer, json=told)

    visitor.page.route("**/graphql", provisional)
    page = opened(visitor)
    expect(page.get_by_text("until its invoice tells")).to_be_visible()
    groups = page.get_by_role("group", name="What moved most")
    # Less than the digits of a column show: that is an upper bound too, and says why on hover.
    expect(groups.get_by_title(re.compile("^At most")).first).to_have_text("<")
    expect(groups.get_by_text("≤")).to_have_count(0)
    expect(page.get_by_text("≤").first).to_be_visible()
    visitor.page.unroute_all(behavior="wait")


def test_a_chart_has_its_numbers_one_click_away(visitor: Visit, execution_id: str) -> None:
    del execution_id
    page = opened(visitor, "/usage?measure=tokens")
    page.get_by_role("button", name="Tokens by model: Show as a table").click()
    numbers = page.get_by_role("group", name="Tokens by model")
    expect(numbers.get_by_role("columnheader", name="offline/echo (tokens)")).to_be_visible()
    visitor.require_accessible()


def test_usage_fits_a_phone(
    browser: Browser, stack: Stack, api_key: str, execution_id: str
) -> None:
    del execution_id
    with visit(browser, stack.url, viewport=PHONE) as on_phone:
        on_phone.sign_in_with(api_key)
        page = opened(on_phone)
        expect(page.get_by_role("group", name="What moved most")).to_be_visible()
        on_phone.require_narrow()
        on_phone.require_accessible()
