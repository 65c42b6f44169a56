"""Runs, workflows and agents in a real browser, while they happen."""

import re

from playwright.sync_api import Page, WebSocketRoute, expect

from tests.browser.client import Client
from tests.browser.stories import EACH, FAILING, LETTER, PAYMENT, REFUND
from tests.browser.visit import Visit
from tests.end_to_end.stack import Stack, new_tenant, operator_key_of

HERE = re.compile(r"/dashboard/executions/[0-9a-f-]{36}$")


def heading(page: Page, text: str):
    return page.get_by_role("heading", level=1).filter(has_text=text)


def test_a_run_is_followed_while_it_goes_on(visitor: Visit, client: Client) -> None:
    execution_id = client.run(PAYMENT)
    page = visitor.open(f"/executions/{execution_id}")
    expect(heading(page, "Waiting")).to_be_visible()
    node = page.get_by_role("group", name="paid, signal, waiting")
    expect(node).to_be_visible()
    visitor.require_accessible()
    client.post(f"/executions/{execution_id}/signals/paid", {"payload": {"invoice": 17}})
    expect(heading(page, "Completed")).to_be_visible()
    expect(page.get_by_text("3 of 3 nodes done")).to_be_visible()
    page.get_by_role("group", name="paid, signal, completed").click()
    expect(page.get_by_label("Output", exact=True)).to_contain_text('"invoice": 17')
    assert "node=paid" in page.url
    visitor.require_accessible()


def test_what_a_model_says_is_shown_as_it_comes(visitor: Visit, client: Client) -> None:
    execution_id = client.run(LETTER)
    page = visitor.open(f"/executions/{execution_id}")
    expect(heading(page, "Waiting")).to_be_visible()
    client.post(f"/executions/{execution_id}/signals/go", {"payload": {}})
    saying = page.get_by_role("log", name="Output as it comes")
    expect(saying).to_contain_text("Dear Ada,")
    expect(heading(page, "Running")).to_be_visible()
    # What changes while one looks takes no edge out of the picture.
    expect(page.locator(".react-flow__edge")).to_have_count(3)
    expect(page.get_by_title("until now").first).to_be_visible()
    early = len(saying.inner_text())
    page.wait_for_function(
        "before => document.querySelector('[role=log]').textContent.length > before", arg=early
    )
    client.post(f"/executions/{execution_id}/cancel", {})
    expect(heading(page, "Cancelled")).to_be_visible()
    expect(saying).to_be_hidden()


def test_what_happened_while_the_connection_was_lost_is_caught_up(
    visitor: Visit, client: Client
) -> None:
    sockets: list[WebSocketRoute] = []
    is_cut = False

    def routed(socket: WebSocketRoute) -> None:
        if is_cut:
            socket.close(code=1011, reason="the test says so")
            return
        socket.connect_to_server()
        sockets.append(socket)

    visitor.context.route_web_socket(re.compile("/graphql$"), routed)
    execution_id = client.run(PAYMENT)
    page = visitor.open(f"/executions/{execution_id}")
    expect(heading(page, "Waiting")).to_be_visible()
    is_cut = True
    for socket in sockets:
        socket.close(code=1011, reason="the test says so")
    expect(page.get_by_text("Connection lost")).to_be_visible()
    client.post(f"/executions/{execution_id}/signals/paid", {"payload": {}})
    expect(heading(page, "Waiting")).to_be_visible()
    is_cut = False
    expect(heading(page, "Completed")).to_be_visible()
    expect(page.get_by_text("Connection lost")).to_be_hidden()


def test_an_approval_is_decided_on_the_page(visitor: Visit, client: Client) -> None:
    execution_id = client.run(REFUND, {"amount": 120})
    page = visitor.open(f"/executions/{execution_id}")
    approval = page.get_by_role("region", name="Approval ok")
    expect(approval.get_by_role("heading", name="Refund 120 USD?")).to_be_visible()
    visitor.require_accessible()
    visitor.expected = ("422",)
    approval.get_by_label("Amount to refund").fill("90")
    approval.get_by_label("Comment").fill("looks right")
    approval.get_by_role("button", name="Approve").click()
    expect(heading(page, "Completed")).to_be_visible()
    expect(approval).to_be_hidden()
    page.get_by_role("group", name="ok, approval, completed").click()
    output = page.get_by_label("Output", exact=True)
    expect(output).to_contain_text('"amount": 90')
    expect(output).to_contain_text('"comment": "looks right"')
    expect(page.get_by_role("group", name="decline, set, skipped")).to_be_visible()


def test_a_failed_run_is_retried_and_forked_with_another_input(
    visitor: Visit, client: Client
) -> None:
    execution_id = client.run(FAILING, {"order": 7}, wait_s=30)
    page = visitor.open(f"/executions/{execution_id}")
    expect(heading(page, "Failed")).to_be_visible()
    expect(page.get_by_role("alert")).to_contain_text("node fetch failed")
    page.get_by_role("button", name="Retry").click()
    expect(page.get_by_role("dialog")).to_contain_text("Tries again from fetch")
    page.get_by_role("button", name="Try again").click()
    page.get_by_role("button", name="History").click()
    expect(page.get_by_role("button", name="retried")).to_be_visible()
    visitor.require_accessible()
    page.get_by_role("button", name="Fork").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("From").select_option("fetch")
    dialog.get_by_label("Input (JSON)").fill('{"order": 8}')
    visitor.require_accessible()
    dialog.get_by_role("button", name="Fork it").click()
    expect(page.get_by_text("Forked at fetch from")).to_be_visible()
    expect(page).not_to_have_url(re.compile(execution_id))
    expect(page.get_by_label("Input", exact=True)).to_contain_text('"order": 8')


def test_one_travels_to_any_state_of_the_past(visitor: Visit, client: Client) -> None:
    execution_id = client.run(EACH, {"topics": ["ledgers", "clocks"]}, wait_s=30)
    page = visitor.open(f"/executions/{execution_id}?tab=timeline")
    expect(page.get_by_role("button", name="each[1]/draft")).to_contain_text("Completed")
    visitor.require_accessible()
    slider = page.get_by_role("slider", name="The state after an event")
    slider.focus()
    page.keyboard.press("Home")
    expect(page.get_by_role("status").filter(has_text="As it was after event 1")).to_be_visible()
    expect(heading(page, "Pending")).to_be_visible()
    assert "version=1" in page.url
    expect(page.get_by_role("button", name="Fork")).to_be_hidden()
    page.get_by_role("button", name="Back to now").click()
    expect(heading(page, "Completed")).to_be_visible()


def test_a_running_one_is_cancelled_for_a_reason(visitor: Visit, client: Client) -> None:
    execution_id = client.run(PAYMENT)
    page = visitor.open(f"/executions/{execution_id}")
    page.get_by_role("button", name="Cancel", exact=True).click()
    expect(page.get_by_role("dialog")).to_contain_text("1 node is stopped")
    page.get_by_label("Reason").fill("no longer needed")
    page.keyboard.press("Enter")
    expect(heading(page, "Cancelled")).to_be_visible()
    expect(page.get_by_role("alert")).to_contain_text("no longer needed")


def test_the_list_is_filtered_in_its_address_and_turned_page_by_page(
    visitor: Visit, client: Client
) -> None:
    client.run(FAILING, {"order": 1}, wait_s=30)
    page = visitor.open("/executions")
    rows = page.get_by_role("table").get_by_role("row")
    expect(rows.nth(1)).to_be_visible()
    visitor.require_accessible()
    page.get_by_label("Status").select_option("FAILED")
    assert "status=FAILED" in page.url
    expect(rows.nth(1)).to_contain_text("Failed")
    expect(page.get_by_role("table").get_by_text("Completed")).to_have_count(0)
    page.get_by_role("button", name="Retry all of these").click()
    expect(page.get_by_role("dialog")).to_contain_text("Each goes on from the nodes that failed")
    page.get_by_role("button", name="Leave it").click()
    page.get_by_label("Status").select_option("COMPENSATED")
    expect(page.get_by_text("No execution fits")).to_be_visible()
    visitor.require_accessible()
    page.go_back()
    rows.nth(1).get_by_role("link").press("Enter")
    expect(heading(page, "Failed")).to_be_visible()
    assert HERE.search(page.url)


def test_who_may_only_read_is_offered_nothing_else(stranger: Visit, client: Client) -> None:
    reader = client.post("/api-keys", {"name": "reader", "scopes": ["read"]})["api_key"]
    execution_id = client.run(REFUND, {"amount": 1})
    stranger.sign_in_with(reader)
    page = stranger.open(f"/executions/{execution_id}")
    expect(page.get_by_text("Your role may not decide it.")).to_be_visible()
    for name in ("Pause", "Fork", "Cancel", "Approve"):
        expect(page.get_by_role("button", name=name)).to_have_count(0)


def test_another_tenants_run_is_not_there(stranger: Visit, stack: Stack, client: Client) -> None:
    execution_id = client.run(PAYMENT)
    stranger.sign_in_with(new_tenant(stack.url, operator_key_of(stack), "Rivals"))
    page = stranger.open(f"/executions/{execution_id}")
    expect(page.get_by_text("There is no such execution")).to_be_visible()
    assert "Wait for payment" not in page.content()
    stranger.require_accessible()
    page.get_by_role("link", name="All executions").click()
    page.get_by_role("link", name="Workflows").click()
    expect(page.get_by_text("No workflows yet")).to_be_visible()
    stranger.require_accessible()
    page.get_by_role("link", name="Agents").click()
    expect(page.get_by_text("No agents yet")).to_be_visible()
    stranger.require_accessible()


def test_a_workflow_is_run_from_its_page(visitor: Visit, client: Client) -> None:
    workflow_id = client.post("/workflows", {**EACH, "name": "Articles"})["workflow_id"]
    page = visitor.open("/workflows")
    page.get_by_role("link", name="Articles").click()
    expect(page.get_by_role("group", name="each, map")).to_be_visible()
    visitor.require_accessible()
    page.get_by_role("button", name="Run").click()
    given = page.get_by_label("Input (JSON)")
    expect(given).to_have_value(re.compile('"topics"'))
    given.fill('{"topics": ["vaults"]}')
    page.get_by_role("button", name="Run it").click()
    expect(heading(page, "Completed")).to_be_visible()
    page.get_by_role("link", name="Articles, v1").click()
    assert workflow_id in page.url


def test_an_agent_shows_its_versions_and_is_run(visitor: Visit, client: Client) -> None:
    agent = {"name": "Poet", "model": "offline/echo", "instructions": "Rhyme."}
    agent_id = client.post("/agents", agent)["agent_id"]
    client.patch(f"/agents/{agent_id}", {"instructions": "Rhyme twice."})
    page = visitor.open("/agents")
    page.locator(f'a[href$="{agent_id}"]').click()
    expect(page.get_by_text("Rhyme twice.")).to_be_visible()
    visitor.require_accessible()
    page.get_by_role("button", name="1", exact=True).click()
    expect(page.get_by_text("Rhyme.", exact=True)).to_be_visible()
    page.get_by_role("button", name="Run").click()
    page.get_by_role("button", name="Run it").click()
    expect(heading(page, "Completed")).to_be_visible()
    expect(heading(page, "Poet")).to_be_visible()
