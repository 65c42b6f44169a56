"""Signing in, and the first page, in a real browser on a real installation."""

import json

from playwright.sync_api import Browser, Route, expect

from tests.browser.client import Client
from tests.browser.visit import PHONE, Visit, visit
from tests.end_to_end.stack import Stack, new_tenant, operator_key_of
from tests.end_to_end.stories import question_workflow
from tests.write_api.bodies import AGENT

EMAIL = "admin@example.com"
PASSWORD = "a long enough password"


def sign_in(person: Visit, password: str, tenant: str) -> None:
    page = person.page
    page.get_by_label("Email").fill(EMAIL)
    page.get_by_label("Password", exact=True).fill(password)
    page.get_by_role("button", name="Sign in").click()
    # The address has an account in each tenant of these tests.
    choice = page.get_by_label("You have accounts in several tenants")
    outcome = choice.or_(page.get_by_text(tenant)).or_(page.get_by_role("alert"))
    expect(outcome.first).to_be_visible()
    if choice.is_visible():
        page.get_by_role("button", name="Sign in").click()


def test_a_person_signs_in_stays_so_over_a_reload_and_signs_out(
    stranger: Visit, stack: Stack
) -> None:
    new_tenant(stack.url, operator_key_of(stack), "Solo")
    page = stranger.open("/")
    stranger.require_accessible()
    sign_in(stranger, PASSWORD, "Overview")
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    expect(page.get_by_text(EMAIL)).to_be_visible()
    page.reload()
    expect(page.get_by_text(EMAIL)).to_be_visible()
    token = page.evaluate("localStorage.getItem('agentledger.refresh-token')")
    with page.expect_response("**/auth/logout"):
        page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()
    assert page.evaluate("Object.keys(localStorage).concat(Object.keys(sessionStorage))") == []
    answer = stranger.context.request.post(
        f"{stack.url}/api/v1/auth/refresh", data={"refresh_token": token}
    )
    assert answer.status == 401


def test_who_is_not_let_in_is_told_why_and_under_which_request(stranger: Visit) -> None:
    stranger.expected = ("401",)
    page = stranger.open("/")
    sign_in(stranger, "not the password", "Overview")
    alert = page.get_by_role("alert")
    expect(alert).to_be_visible()
    expect(alert).to_contain_text("Request")
    stranger.require_accessible()


def test_the_overview_of_nothing_says_how_to_begin_and_fills_while_one_looks(
    visitor: Visit, client: Client
) -> None:
    page = visitor.open("/")
    expect(page.get_by_text("make demo")).to_be_visible()
    visitor.require_accessible()
    execution_id = client.run(question_workflow(), {"question": "Why?"}, wait_s=30)
    row = page.get_by_role("row").filter(has_text=execution_id[-8:])
    expect(row).to_contain_text("Completed")
    expect(row).to_contain_text("Answer")
    visitor.require_accessible()


def test_whoever_has_run_nothing_runs_an_example_and_reads_its_answer_as_it_comes(
    stranger: Visit, stack: Stack
) -> None:
    stranger.sign_in_with(new_tenant(stack.url, operator_key_of(stack), "Newcomers"))
    page = stranger.open("/")
    page.get_by_role("button", name="Run an example").click()
    stranger.require_accessible()
    page.get_by_role("button", name="Make it and run it").click()
    said = page.get_by_role("log", name="Output as it comes")
    ended = page.get_by_role("heading", level=1).filter(has_text="Completed")
    expect(said.or_(ended).first).to_be_visible()
    expect(ended).to_be_visible()
    expect(page.get_by_label("Output", exact=True)).to_contain_text("goes on where it stopped")


def test_nothing_of_another_tenant_is_shown(stranger: Visit, stack: Stack, client: Client) -> None:
    execution_id = client.run(question_workflow(), {"question": "Why?"}, wait_s=30)
    stranger.sign_in_with(new_tenant(stack.url, operator_key_of(stack), "Others"))
    page = stranger.open("/")
    expect(page.get_by_text("Others")).to_be_visible()
    expect(page.get_by_text("Nothing has run yet")).to_be_visible()
    assert execution_id not in page.content()


def test_no_script_but_the_pages_own_runs(visitor: Visit) -> None:
    visitor.expected = ("Content Security Policy",)
    page = visitor.open("/")
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    page.evaluate(
        "const s = document.createElement('script'); s.textContent = 'window.owned = true';"
        "document.body.append(s); document.body.insertAdjacentHTML('beforeend',"
        " '<img src=x onerror=\"window.owned = true\">')"
    )
    assert page.evaluate("window.owned") is None
    assert any("Content Security Policy" in text for text in visitor.complaints)


def test_all_of_it_can_be_reached_by_keys_alone(visitor: Visit) -> None:
    page = visitor.open("/")
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.get_by_text("Skip to the page")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("main")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert "range=7d" in page.url
    page.go_back()
    expect(page.get_by_role("button", name="24h")).to_have_attribute("aria-pressed", "true")


def test_it_fits_a_phone(browser: Browser, stack: Stack, api_key: str) -> None:
    with visit(browser, stack.url, viewport=PHONE) as on_phone:
        on_phone.sign_in_with(api_key)
        page = on_phone.open("/")
        expect(page.get_by_role("heading", name="Overview")).to_be_visible()
        on_phone.require_narrow()
        on_phone.require_accessible()


def test_what_changes_before_a_page_hears_of_changes_is_seen(
    visitor: Visit, client: Client
) -> None:
    """Its first answer is of before, and it is told of nothing."""
    agent_id = client.post("/agents", AGENT)["agent_id"]
    is_first = True

    def of_before(route: Route) -> None:
        nonlocal is_first
        if not is_first or "query Agents" not in (route.request.post_data or ""):
            route.fallback()
            return
        is_first = False
        end = {"hasNextPage": False, "endCursor": None, "__typename": "PageInfo"}
        edges: list[object] = []
        agents = {"edges": edges, "pageInfo": end, "__typename": "AgentConnection"}
        body = json.dumps({"data": {"agents": agents}})
        route.fulfill(content_type="application/json", body=body)

    visitor.page.route("**/graphql", of_before)
    visitor.page.route_web_socket("**/graphql", lambda _socket: None)
    page = visitor.open("/agents")
    expect(page.locator(f'a[href$="{agent_id}"]')).to_be_visible()
    assert not is_first
