"""node_runs: what each event makes of the rows of a run's nodes."""

import pytest

from domain.executions import Execution
from projections.fold import rows_after
from projections.node_runs import NODE_RUNS
from projections.table import RowMissing
from tests.projections.histories import (
    FREE,
    USAGE,
    Stream,
    an_execution,
    at,
    completed,
    failed,
    started,
)

AGAIN = "2026-01-01T00:00:09Z"


def rows_of(run: Stream) -> dict[str, dict[str, object]]:
    return {str(row["path"]): dict(row) for row in rows_after(NODE_RUNS, run.events)}


def test_a_node_that_was_started_is_running_on_what_it_was_asked() -> None:
    run = started(an_execution(), "draft")
    assert rows_of(run) == {
        "draft": {
            "tenant_id": run.tenant_id,
            "execution_id": run.stream_id,
            "path": "draft",
            "ordinal": 2,
            "node_id": "draft",
            "type": "llm",
            "status": "RUNNING",
            "attempt": 1,
            "started_at": at(2),
            "wake_at": None,
            "completed_at": None,
            "duration_ms": None,
            "input": '{"prompt":"attempt 1"}',
            "output": None,
            "error": None,
            "child_id": None,
            "iterations": None,
            "is_copied": False,
            "model": None,
            "cost_usd_pico": 0,
            "has_unpriced": False,
            "tokens_in": 0,
            "tokens_out": 0,
        }
    }


def test_a_node_that_will_be_tried_again_waits_with_its_error() -> None:
    run = failed(started(an_execution(), "draft"), "draft", retry_at=AGAIN)
    row = rows_of(run)["draft"]
    assert (row["status"], row["completed_at"]) == ("WAITING", None)
    assert row["error"] == '{"code":"timeout","message":"too slow","attempt":1}'


def test_a_node_that_succeeds_at_last_has_the_sum_of_its_attempts_and_no_error() -> None:
    run = failed(started(an_execution(), "draft"), "draft", retry_at=AGAIN, **USAGE)
    completed(started(run, "draft", 2), "draft", 2, cost_usd_pico=None)
    row = rows_of(run)["draft"]
    assert (row["status"], row["attempt"], row["error"]) == ("COMPLETED", 2, None)
    assert (row["input"], row["output"]) == ('{"prompt":"attempt 2"}', '{"text":"draft"}')
    assert (row["started_at"], row["completed_at"], row["duration_ms"]) == (at(2), at(5), 3000)
    assert (row["tokens_in"], row["tokens_out"]) == (6, 10)
    assert (row["cost_usd_pico"], row["has_unpriced"]) == (13_000_000, True)
    assert (row["model"], row["ordinal"]) == ("offline/echo", 2)


def test_a_node_that_failed_for_good_has_ended() -> None:
    row = rows_of(failed(started(an_execution(), "draft"), "draft"))["draft"]
    assert (row["status"], row["completed_at"]) == ("FAILED", at(3))


def test_a_pure_node_ends_in_the_moment_it_is_heard_of() -> None:
    row = rows_of(completed(an_execution(), "start", node_type="start", **FREE))["start"]
    assert (row["type"], row["status"], row["attempt"]) == ("start", "COMPLETED", 1)
    assert (row["started_at"], row["completed_at"], row["duration_ms"]) == (at(2), at(2), 0)


def test_skipped_nodes_have_rows_though_they_never_ran() -> None:
    run = an_execution().happens(Execution.NodesSkipped, paths=["left", "right"])
    rows = rows_of(run)
    assert {path: row["status"] for path, row in rows.items()} == {
        "left": "SKIPPED",
        "right": "SKIPPED",
    }
    assert (rows["left"]["type"], rows["left"]["started_at"]) == (None, None)


@pytest.mark.parametrize(
    ("ending", "fields"),
    [
        (Execution.Cancelled, {"reason": None}),
        (
            Execution.Failed,
            {"path": "other", "attempt": 1, "code": "timeout", "message": "too slow"},
        ),
    ],
)
def test_what_was_under_way_when_the_run_ended_is_cancelled(ending, fields) -> None:
    run = completed(started(an_execution(), "done"), "done")
    started(run, "running")
    failed(started(run, "waiting"), "waiting", retry_at=AGAIN)
    run.happens(ending, stopped_paths=["running", "waiting"], **fields)
    statuses = {path: row["status"] for path, row in rows_of(run).items()}
    assert statuses == {"done": "COMPLETED", "running": "CANCELLED", "waiting": "CANCELLED"}


def test_a_node_inside_a_body_is_called_by_its_last_name() -> None:
    row = rows_of(started(an_execution(), "map[3]/draft"))["map[3]/draft"]
    assert row["node_id"] == "draft"


def test_a_node_cannot_be_stopped_that_never_began() -> None:
    run = an_execution().happens(Execution.Cancelled, reason=None, stopped_paths=["ghost"])
    with pytest.raises(RowMissing):
        rows_of(run)
