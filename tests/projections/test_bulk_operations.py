"""bulk_operations."""

import orjson

from domain.bulk_operations import BulkOperation
from projections.bulk_operations import BULK_OPERATIONS
from projections.fold import rows_after
from tests.projections.histories import REFUSAL, a_bulk_operation, a_page_of, at


def test_an_operation_begins_with_nothing_done() -> None:
    operation = a_bulk_operation()
    (row,) = rows_after(BULK_OPERATIONS, operation.events)
    assert (row["status"], row["action"], row["executions_max"]) == ("RUNNING", "cancel", 250)
    assert (row["done_count"], row["refused_count"], row["completed_at"]) == (0, 0, None)
    assert orjson.loads(str(row["filter"])) == {"status": "WAITING"}


def test_pages_add_up_and_what_was_refused_is_told() -> None:
    operation = a_page_of(a_page_of(a_bulk_operation(), REFUSAL), done=100)
    (row,) = rows_after(BULK_OPERATIONS, operation.events)
    assert (row["status"], row["done_count"], row["refused_count"]) == ("RUNNING", 199, 1)
    assert orjson.loads(str(row["refusals"])) == [REFUSAL]


def test_a_completed_operation_says_since_when() -> None:
    operation = a_page_of(a_bulk_operation()).happens(BulkOperation.Completed)
    (row,) = rows_after(BULK_OPERATIONS, operation.events)
    assert (row["status"], row["completed_at"], row["version"]) == ("COMPLETED", at(3), 3)


def test_a_cancelled_operation_still_counts_the_page_under_way() -> None:
    operation = a_page_of(a_bulk_operation(), done=1).happens(BulkOperation.Cancelled)
    (row,) = rows_after(BULK_OPERATIONS, a_page_of(operation, REFUSAL, done=2).events)
    assert (row["status"], row["completed_at"], row["version"]) == ("CANCELLED", at(3), 4)
    assert (row["done_count"], row["refused_count"]) == (3, 1)
