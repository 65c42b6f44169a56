"""node_runs: what each event makes of the rows of a run's nodes."""

from datetime import UTC, datetime

import pytest

from domain.executions import Execution
from projections.fold import rows_after
from projections.node_runs import NODE_RUNS
from projections.table import RowMissing
from tests.projections.approval_histories import asks, decided
from tests.projections.histories import (
    FREE,
    IDS,
    USAGE,
    Stream,
    an_execution,
    at,
    child_started,
    compensation_started,
    completed,
    failed,
    iteration_ended,
    opened,
    resolved,
    started,
    suspended,
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
            "asked_at": None,
            "input": '{"prompt":"attempt 1"}',
            "output": None,
            "error": None,
            "child_id": None,
            "iterations": None,
            "is_copied": False,
            "assignees": None,
            "model": None,
            "cost_usd_pico": 0,
            "unpriced": 0,
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
    assert (row["cost_usd_pico"], row["unpriced"]) == (13_000_000, 1)
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


def test_a_node_that_waits_says_for_what_and_until_when() -> None:
    row = rows_of(suspended(an_execution(), "paid", AGAIN))["paid"]
    assert (row["status"], row["type"], row["attempt"]) == ("WAITING", "signal", 1)
    assert (row["input"], row["started_at"]) == ('{"name":"paid"}', at(2))
    assert row["wake_at"] == datetime(2026, 1, 1, 0, 0, 9, tzinfo=UTC)


def test_an_effect_without_an_intent_began_when_it_was_first_heard_of() -> None:
    run = failed(an_execution(), "draft", retry_at=AGAIN)
    assert rows_of(run)["draft"]["wake_at"] == datetime(2026, 1, 1, 0, 0, 9, tzinfo=UTC)
    row = rows_of(completed(run, "draft", 2))["draft"]
    assert (row["started_at"], row["completed_at"], row["wake_at"]) == (at(2), at(3), None)


def test_a_node_of_unknown_outcome_waits_for_somebody_and_what_they_say_decides() -> None:
    def doubted() -> Stream:
        why = {"node_type": "llm", "attempt": 1, "code": "unknown_outcome", "message": "gone"}
        return started(an_execution(), "draft").happens(Execution.NodeDoubted, path="draft", **why)

    row = rows_of(doubted())["draft"]
    assert (row["status"], row["wake_at"]) == ("WAITING", None)
    assert row["error"] == '{"code":"unknown_outcome","message":"gone","attempt":1}'
    row = rows_of(resolved(doubted(), "draft", "done", {"text": "it was sent"}))["draft"]
    assert (row["status"], row["completed_at"], row["error"]) == ("COMPLETED", at(4), None)
    assert row["output"] == '{"text":"it was sent"}'
    row = rows_of(resolved(doubted(), "draft", "retry"))["draft"]
    assert (row["status"], row["completed_at"], row["output"]) == ("WAITING", None, None)


def test_a_node_waits_for_the_child_it_awaits() -> None:
    child_id, other_id = IDS.new(), IDS.new()
    run = child_started(an_execution(), "told", child_id)
    child_started(run, "untold", other_id, is_awaited=False)
    rows = rows_of(run)
    assert (rows["told"]["status"], rows["told"]["child_id"]) == ("WAITING", child_id)
    assert (rows["untold"]["status"], rows["untold"]["child_id"]) == ("RUNNING", other_id)


def test_a_body_counts_its_iterations_and_their_nodes_keep_their_rows() -> None:
    run = opened(an_execution(), "each")
    assert rows_of(run)["each"]["iterations"] == 0
    for index in range(2):
        iteration_ended(completed(run, f"each[{index}]/draft"), "each", index)
    rows = rows_of(run)
    assert (rows["each"]["status"], rows["each"]["iterations"]) == ("RUNNING", 2)
    assert rows["each[1]/draft"]["status"] == "COMPLETED"
    assert rows["each"]["wake_at"] is rows["each[1]/draft"]["iterations"] is None


def test_what_is_tried_again_is_pending_and_a_body_goes_on() -> None:
    run = failed(opened(failed(started(an_execution(), "draft"), "draft"), "each"), "each")
    rows = rows_of(run.happens(Execution.Retried, paths=["draft", "each"]))
    assert (rows["draft"]["status"], rows["draft"]["completed_at"]) == ("PENDING", None)
    assert rows["draft"]["error"] is not None
    assert (rows["each"]["status"], rows["each"]["error"]) == ("RUNNING", None)


def test_a_node_of_the_run_that_this_was_forked_from_is_there_as_a_copy() -> None:
    copied = {"path": "draft", "node_type": "llm", "output": 1, "ports": []}
    row = rows_of(an_execution().happens(Execution.NodeCopied, **copied))["draft"]
    assert (row["status"], row["is_copied"], row["attempt"]) == ("COMPLETED", True, 0)
    assert (row["type"], row["output"], row["cost_usd_pico"]) == ("llm", "1", 0)


@pytest.mark.parametrize("path", ["book", "each[3]/book"])
def test_a_node_is_compensated_once_what_undoes_it_is_done(path: str) -> None:
    own_path = f"{path}/compensate"
    run = compensation_started(completed(an_execution(), path))
    assert rows_of(started(run, own_path))[path]["status"] == "COMPLETED"
    rows = rows_of(completed(run, own_path, output="undone"))
    assert (rows[path]["status"], rows[own_path]["status"]) == ("COMPENSATED", "COMPLETED")
    assert (rows[path]["node_id"], rows[own_path]["node_id"]) == ("book", "book/compensate")
    assert (rows[path]["output"], rows[own_path]["output"]) == (f'{{"text":"{path}"}}', '"undone"')


def test_somebody_may_say_that_a_node_is_undone() -> None:
    run = compensation_started(completed(an_execution(), "book"))
    failed(started(run, "book/compensate"), "book/compensate")
    assert rows_of(run)["book"]["status"] == "COMPLETED"
    assert rows_of(resolved(run, "book/compensate", "skip"))["book"]["status"] == "COMPENSATED"


def test_a_node_inside_a_body_may_be_called_compensate() -> None:
    rows = rows_of(completed(an_execution(), "each[3]/compensate"))
    assert set(rows) == {"each[3]/compensate"}


def test_a_node_that_was_stopped_twice_was_stopped_the_first_time() -> None:
    run = compensation_started(suspended(an_execution(), "paid"), "paid")
    run.happens(Execution.Cancelled, reason=None, stopped_paths=["paid"])
    row = rows_of(run)["paid"]
    assert (row["status"], row["completed_at"]) == ("CANCELLED", at(3))


def test_an_approval_asks_from_when_it_waits_until_it_is_decided() -> None:
    run = asks(an_execution(), "ok", "user:ada")
    assert rows_of(run)["ok"]["asked_at"] == at(2)
    assert rows_of(run)["ok"]["assignees"] == ["user:ada"]
    # Of a paused run it still waits, though no longer for anybody.
    run.happens(Execution.Paused)
    row = rows_of(decided(run, "ok"))["ok"]
    assert (row["asked_at"], row["status"]) == (None, "WAITING")


def test_an_approval_asks_nobody_once_its_time_is_over_or_its_run_was_stopped() -> None:
    timed_out = failed(asks(an_execution(), "ok"), "ok", node_type="approval", **FREE)
    stopped = asks(an_execution(), "ok")
    assert rows_of(stopped)["ok"]["assignees"] is None
    stopped.happens(Execution.Cancelled, reason=None, stopped_paths=["ok"])
    for run in (timed_out, stopped):
        assert rows_of(run)["ok"]["asked_at"] is None


def test_other_waits_ask_nobody() -> None:
    assert rows_of(suspended(an_execution(), "paid"))["paid"]["asked_at"] is None
