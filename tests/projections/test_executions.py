"""executions: what each event makes of a run's row."""

from datetime import UTC, datetime

import orjson
import pytest

from domain.executions import Execution
from projections.executions import EXECUTIONS
from projections.fold import rows_after
from projections.table import RowMissing
from tests.projections.histories import (
    FREE,
    IDS,
    USAGE,
    Stream,
    a_finished_run,
    a_tenant,
    an_execution,
    at,
    compensation_started,
    completed,
    failed,
    resolved,
    started,
    suspended,
)


def row_of(run: Stream) -> dict[str, object]:
    (row,) = rows_after(EXECUTIONS, run.events)
    return dict(row)


def test_a_created_run_is_pending_and_has_cost_nothing() -> None:
    workflow_id = IDS.new()
    run = an_execution(workflow_id=str(workflow_id), workflow_version=3, input=["é", 1.5, None])
    assert row_of(run) == {
        "tenant_id": run.tenant_id,
        "execution_id": run.stream_id,
        "status": "PENDING",
        "workflow_id": workflow_id,
        "workflow_version": 3,
        "agent_id": None,
        "definition_hash": "cafe",
        "created_by": "api_key:1",
        "parent_id": None,
        "parent_path": None,
        "forked_from_id": None,
        "forked_from_node": None,
        "input": '["é",1.5,null]',
        "output": None,
        "error": None,
        "attention": None,
        "is_undone": False,
        "created_at": at(1),
        "started_at": None,
        "wake_at": None,
        "completed_at": None,
        "payloads_removed_at": None,
        "data_subject": None,
        "erased_at": None,
        "duration_ms": None,
        "cost_usd_pico": 0,
        "unpriced": 0,
        "tokens_in": 0,
        "tokens_out": 0,
        "version": 1,
    }


def test_a_run_is_running_from_its_first_step_on() -> None:
    row = row_of(started(an_execution().happens(Execution.Started), "draft"))
    assert (row["status"], row["started_at"], row["version"]) == ("RUNNING", at(2), 3)


def test_a_completed_run_has_its_output_and_lasted_from_its_first_step() -> None:
    row = row_of(a_finished_run())
    assert (row["status"], row["output"]) == ("COMPLETED", '{"answer":"because"}')
    assert (row["completed_at"], row["duration_ms"]) == (at(7), 5000)


def test_failed_attempts_count_in_tokens_and_cost() -> None:
    run = an_execution().happens(Execution.Started)
    failed(started(run, "draft"), "draft", retry_at="2026-01-01T00:00:09Z", **USAGE)
    completed(started(run, "draft", 2), "draft", 2)
    row = row_of(run)
    assert (row["tokens_in"], row["tokens_out"], row["cost_usd_pico"]) == (6, 10, 26_000_000)


def test_an_unknown_price_is_said_and_not_taken_for_zero() -> None:
    run = completed(an_execution(), "draft", cost_usd_pico=None)
    assert row_of(completed(run, "review"))["unpriced"] == 1


@pytest.mark.parametrize("path", ["draft", None])
def test_a_failed_run_says_where_and_why(path: str | None) -> None:
    run = an_execution().happens(Execution.Started)
    where = {"path": path, "attempt": 2 if path else None}
    why = {"code": "timeout", "message": "node draft failed at attempt 2: timeout: too slow"}
    row = row_of(run.happens(Execution.Failed, stopped_paths=[], **where, **why))
    assert row["status"] == "FAILED"
    assert orjson.loads(str(row["error"])) == (why | where if path else why)


def test_a_run_cancelled_before_it_began_lasted_no_time_at_all() -> None:
    run = an_execution().happens(Execution.Cancelled, reason="changed my mind", stopped_paths=[])
    row = row_of(run)
    assert (row["status"], row["started_at"], row["duration_ms"]) == ("CANCELLED", None, None)
    assert row["error"] == '{"code":"cancelled","message":"changed my mind"}'


def test_a_step_without_a_created_run_is_refused() -> None:
    orphan = Stream(Execution, a_tenant()).happens(Execution.Started)
    with pytest.raises(RowMissing):
        rows_after(EXECUTIONS, orphan.events)


def test_steps_that_cost_nothing_still_move_the_version() -> None:
    run = completed(an_execution(), "start", node_type="start", **FREE)
    run.happens(Execution.NodesSkipped, paths=["left"])
    assert row_of(run)["version"] == 3


def test_a_run_waits_until_something_comes() -> None:
    until = "2026-02-01T00:00:00+00:00"
    run = suspended(an_execution().happens(Execution.Started), "paid", until)
    run.happens(Execution.Suspended, wake_at=until)
    row = row_of(run)
    assert (row["status"], row["wake_at"]) == ("WAITING", datetime(2026, 2, 1, tzinfo=UTC))
    row = row_of(run.happens(Execution.Signalled, name="paid", payload=None))
    assert (row["status"], row["wake_at"]) == ("RUNNING", None)


def test_a_run_that_is_paused_before_it_began_is_pending_again() -> None:
    run = an_execution().happens(Execution.Paused)
    assert row_of(run)["status"] == "PAUSED"
    assert row_of(run.happens(Execution.Resumed))["status"] == "PENDING"


def test_a_run_that_is_tried_again_has_not_ended_and_its_error_is_gone() -> None:
    run = an_execution().happens(Execution.Started)
    why = {"path": None, "attempt": None, "code": "stuck", "message": "no end"}
    run.happens(Execution.Failed, stopped_paths=[], **why).happens(Execution.Retried, paths=[])
    row = row_of(run)
    assert (row["status"], row["error"]) == ("RUNNING", None)
    assert (row["completed_at"], row["duration_ms"]) == (None, None)


def test_a_run_that_is_tried_again_before_it_began_is_pending_again() -> None:
    run = an_execution().happens(Execution.Cancelled, reason=None, stopped_paths=[])
    assert row_of(run.happens(Execution.Retried, paths=[]))["status"] == "PENDING"


def test_the_error_of_a_run_that_failed_outlives_its_compensation() -> None:
    run = completed(an_execution().happens(Execution.Started), "book")
    error = {"code": "timeout", "message": "too slow", "path": "mail", "attempt": 3}
    compensation_started(run, reason="failed", error=error)
    assert row_of(run)["status"] == "COMPENSATING"
    run.happens(Execution.AttentionNeeded, message="look", paths=["book"], done_paths=[])
    row = row_of(run)
    assert (row["status"], row["completed_at"]) == ("NEEDS_ATTENTION", at(5))
    assert orjson.loads(str(row["attention"]))["paths"] == ["book"]
    row = row_of(resolved(run, "book/compensate"))
    assert (row["status"], row["completed_at"], row["attention"]) == ("COMPENSATING", None, None)
    row = row_of(run.happens(Execution.Compensated, paths=["book"]))
    assert (row["status"], row["completed_at"]) == ("COMPENSATED", at(7))
    assert orjson.loads(str(row["error"])) == error


def test_somebody_who_resolves_a_run_that_is_not_undone_lets_it_run() -> None:
    run = an_execution().happens(Execution.Started)
    run.happens(Execution.AttentionNeeded, message="look", paths=["mail"], done_paths=[])
    assert row_of(resolved(run, "mail"))["status"] == "RUNNING"


def test_a_run_says_where_it_comes_from_and_what_it_was_upgraded_to() -> None:
    parent_id, origin_id = IDS.new(), IDS.new()
    run = an_execution(
        parent_id=str(parent_id),
        parent_path="each[1]/child",
        forked_from_id=str(origin_id),
        forked_from_node="draft",
    )
    row = row_of(run.happens(Execution.Upgraded, definition_hash="beef", workflow_version=4))
    assert (row["parent_id"], row["parent_path"]) == (parent_id, "each[1]/child")
    assert (row["forked_from_id"], row["forked_from_node"]) == (origin_id, "draft")
    assert (row["definition_hash"], row["workflow_version"]) == ("beef", 4)


def test_removed_payloads_are_told_and_the_end_stays() -> None:
    run = an_execution().happens(Execution.Cancelled, reason=None, stopped_paths=[])
    ended = row_of(run)
    row = row_of(run.happens(Execution.PayloadsRemoved, payload_days=30))
    assert ended["payloads_removed_at"] is None
    assert row["payloads_removed_at"] == run.events[-1].recorded_at
    assert (row["status"], row["completed_at"]) == ("CANCELLED", ended["completed_at"])
