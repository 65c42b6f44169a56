"""One decision about many executions, in a real browser."""

import json

from playwright.sync_api import Route, expect

from tests.browser.client import Client
from tests.browser.stories import PAYMENT
from tests.browser.visit import Visit


def test_all_that_a_filter_finds_is_cancelled_and_forked_with_its_progress_seen(
    visitor: Visit, client: Client
) -> None:
    workflow_id = client.post("/workflows", PAYMENT)["workflow_id"]
    for _ in range(3):
        client.post(f"/workflows/{workflow_id}/execute", {"input": {}})
    page = visitor.open("/executions")
    runs = page.get_by_role("group", name="Executions", exact=True)
    expect(runs.get_by_text("Waiting")).to_have_count(3)
    expect(page.get_by_role("button", name="Cancel all of these")).to_have_count(0)
    page.get_by_label("Workflow or agent").select_option(f"workflow:{workflow_id}")
    page.get_by_role("button", name="Cancel all of these").click()
    page.get_by_label("Reason").fill("Not needed any more")
    page.get_by_role("button", name="Cancel 3").click()
    operations = page.get_by_role("group", name="Bulk operations")
    expect(operations.get_by_text("3 done of 3")).to_be_visible()
    expect(runs.get_by_text("Cancelled")).to_have_count(3)
    page.get_by_role("button", name="Fork all of these").click()
    page.get_by_label("From the node").select_option("paid")
    page.get_by_role("button", name="Fork 3").click()
    expect(operations.get_by_text("3 done of 3")).to_have_count(2)
    expect(runs.get_by_text("Waiting")).to_have_count(3)
    visitor.require_accessible()


def test_a_bulk_operation_is_stopped_and_a_refusal_is_told(visitor: Visit, client: Client) -> None:
    asked = {"filter": {"status": "FAILED"}, "dry_run": False}
    begun = client.post("/executions/bulk/retry", asked)["bulk_operation_id"]

    def half_way(route: Route) -> None:
        """As it would be seen, if it were long enough to be seen."""
        if "query BulkOperations" not in (route.request.post_data or ""):
            route.fallback()
            return
        node = {"id": begun, "action": "retry", "filter": {"status": "FAILED"}, "refusals": []}
        node |= {"status": "RUNNING", "executionsMax": 9000, "doneCount": 4500, "refusedCount": 0}
        node |= {"createdAt": "2026-01-01T00:00:00Z", "completedAt": None}
        edges = [{"node": node, "__typename": "BulkOperationEdge"}]
        body = {"data": {"bulkOperations": {"edges": edges, "__typename": "Connection"}}}
        route.fulfill(content_type="application/json", body=json.dumps(body))

    page = visitor.open("/executions")
    newest = page.get_by_role("group", name="Bulk operations").get_by_role("row").nth(1)
    expect(newest).to_contain_text("Completed")
    visitor.expected = ("409",)
    page.route("**/graphql", half_way)
    page.reload()
    expect(page.get_by_text("4,500 done of 9,000")).to_be_visible()
    page.get_by_role("button", name="Stop", exact=True).click()
    page.get_by_role("dialog").get_by_role("button", name="Stop it").click()
    expect(page.get_by_role("dialog").get_by_role("alert")).to_contain_text(
        "nothing left to cancel"
    )
    page.unroute_all(behavior="wait")
