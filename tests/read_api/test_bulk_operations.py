"""Bulk operations: how far each has come, for whoever asked for it."""

from domain.bulk_operations import BulkOperation
from tests.projections.histories import REFUSAL, a_bulk_operation, a_page_of, a_tenant
from tests.read_api.api import Api
from tests.read_api.queries import by_resolvers

FIELDS = "id action status filter parameters executionsMax doneCount refusedCount refusals"
LIST = "{ bulkOperations { edges { node { " + FIELDS + " } } } }"
ONE = "query($id: ID!) { bulkOperation(id: $id) { " + FIELDS + " } }"


async def test_progress_and_refusals_are_shown(api: Api) -> None:
    operation = a_page_of(a_bulk_operation(api.tenant_id), REFUSAL, done=99)
    await api.happened(operation, a_bulk_operation(a_tenant()))
    expected = {
        "id": str(operation.stream_id),
        "action": "cancel",
        "status": "RUNNING",
        "filter": {"status": "WAITING"},
        "parameters": {"reason": "a mistake"},
        "executionsMax": 250,
        "doneCount": 99,
        "refusedCount": 1,
        "refusals": [REFUSAL],
    }
    for query in (LIST, by_resolvers(LIST)):
        edges = (await api.read(query))["bulkOperations"]["edges"]
        assert [edge["node"] for edge in edges] == [expected]
    one = await api.read(ONE, id=str(operation.stream_id))
    assert one["bulkOperation"] == expected


async def test_a_completed_operation_says_so(api: Api) -> None:
    operation = a_bulk_operation(api.tenant_id).happens(BulkOperation.Completed)
    await api.happened(operation)
    one = await api.read(ONE, id=str(operation.stream_id))
    assert one["bulkOperation"]["status"] == "COMPLETED"


async def test_a_cancelled_operation_says_so_and_what_was_done(api: Api) -> None:
    operation = a_page_of(a_bulk_operation(api.tenant_id), done=3).happens(BulkOperation.Cancelled)
    await api.happened(operation)
    one = (await api.read(ONE, id=str(operation.stream_id)))["bulkOperation"]
    assert (one["status"], one["doneCount"]) == ("CANCELLED", 3)
