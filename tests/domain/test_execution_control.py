"""What people decide about a run: pause, resume, retry, resolve; and what is too long a step."""

import pytest

from domain.errors import Invalid
from domain.execution_commands import (
    NothingToResolve,
    NothingToRetry,
    NotPaused,
    PayloadsGone,
    remove_payloads,
)
from domain.execution_steps import has_more, is_at_rest
from domain.execution_walk import STEP_EVENTS_MAX
from domain.executions import ExecutionEnded
from domain.identifiers import Json
from tests.domain.facts import fact, node_failed, node_started
from tests.domain.given import (
    Act,
    Run,
    a_map,
    a_node,
    a_run,
    a_set,
    advance,
    an_llm,
    cancel,
    complete,
    fail,
    given,
    interrupt,
    pause,
    raises,
    resolve,
    resume,
    retry,
    signal,
)


def two(**fields: Json) -> Run:
    nodes = [an_llm("a", **fields), an_llm("b")]
    return a_run(nodes, ["start -> a", "a -> b", "b -> end"])


def test_under_a_pause_attempts_end_and_nothing_begins() -> None:
    run = given(two(), advance()).when(pause()).then(fact("paused"))
    given(run, complete("a"))
    assert run.topics == ["node_completed"]
    run.when(advance()).then()
    assert (run.status, run.answer, run.wake_at) == ("PAUSED", [], None)
    assert is_at_rest(run.aggregate)
    assert not has_more(run.aggregate)


def test_a_resumed_run_goes_on_where_it_was() -> None:
    run = given(two(), advance(), pause(), complete("a")).when(resume()).then(fact("resumed"))
    run.when(advance()).then(node_started("b"))


def test_a_run_that_was_paused_before_it_began_begins_when_it_is_resumed() -> None:
    run = given(two(), pause(), advance())
    assert (run.status, run.recorded) == ("PAUSED", [])
    assert given(run, resume()).status == "PENDING"
    assert given(run, advance()).attempts == [("a", 1)]


def test_pausing_twice_is_once_and_resuming_needs_a_pause() -> None:
    run = given(two(), advance(), pause())
    run.when(pause()).then()
    given(run, resume()).when(raises(NotPaused, resume())).then()


@pytest.mark.parametrize("act", [pause(), signal("news"), cancel()])
def test_a_run_that_has_ended_takes_no_more_orders(act: Act) -> None:
    ended = given(two(), advance(), fail("a"), advance())
    ended.when(raises(ExecutionEnded, act)).then()


def test_what_came_under_a_pause_is_not_lost() -> None:
    hear = a_node("signal", "hear", name="news", timeout_s=60)
    run = given(a_run([hear], ["start -> hear", "hear -> end"]), advance(), pause())
    given(run, signal("news", 1), advance(100))
    assert run.status == "PAUSED"
    assert given(run, resume(), advance()).aggregate.output == 1


def test_an_attempt_that_fails_under_a_pause_is_tried_again_afterwards() -> None:
    run = given(two(retry={"initial_backoff_s": 1}), advance(), pause(), fail("a"), advance(5))
    assert run.recorded == []
    assert given(run, resume(), advance()).attempts == [("a", 2)]


def test_a_retry_goes_on_from_the_node_that_failed() -> None:
    run = given(two(), advance(), complete("a"), advance(), fail("b"), advance()).when(retry())
    run.then(fact("retried", paths=["b"]))
    run.when(advance()).then(node_started("b", attempt=2))
    assert given(run, complete("b", "at last", attempt=2), advance()).aggregate.output == "at last"


def test_after_a_retry_numbers_go_on_and_the_policy_counts_anew() -> None:
    policy: Json = {"max_attempts": 2, "initial_backoff_s": 0}
    run = given(two(retry=policy), advance(), fail("a"), advance(), fail("a", attempt=2), advance())
    given(run, retry(), advance())
    assert run.attempts == [("a", 3)]
    given(run, fail("a", attempt=3), advance())
    assert run.attempts == [("a", 4)]
    given(run, fail("a", attempt=4), advance())
    assert run.status == "FAILED"


def test_a_cancelled_run_goes_on_with_what_was_stopped_under_the_same_key() -> None:
    run = given(two(), advance(), cancel(), retry()).when(advance())
    run.then(node_started("a", attempt=2, key_of=1))


@pytest.mark.parametrize("code", ["http_status", "response_too_large", "invalid_response"])
def test_what_may_have_happened_is_tried_again_under_the_same_key(code: str) -> None:
    run = given(two(), advance(), fail("a", code, is_retryable=False), advance(), retry())
    run.when(advance()).then(node_started("a", attempt=2, key_of=1))


def test_what_waited_when_the_run_was_cancelled_waits_again() -> None:
    nap = a_node("delay", "nap", duration_s=60)
    run = given(a_run([nap], ["start -> nap", "nap -> end"]), advance(), cancel(), retry())
    given(run, advance(30))
    assert (run.wake_at - run.now).total_seconds() == 60


def test_an_outcome_of_before_the_retry_changes_nothing() -> None:
    run = given(two(), advance(), cancel(), retry(), advance())
    run.when(complete("a", attempt=1)).then()


@pytest.mark.parametrize("acts", [[], [advance()], [advance(), complete("a"), advance()]])
def test_only_what_failed_or_was_cancelled_is_retried(acts: list[Act]) -> None:
    given(two(), *acts).when(raises(NothingToRetry, retry())).then()


def in_doubt() -> Run:
    return given(two(on_unknown="ask"), advance(), interrupt(), advance())


def test_somebody_says_that_it_was_done_and_with_which_output() -> None:
    run = given(in_doubt()).when(resolve("a", "done", {"x": 1}))
    fields: dict = {"path": "a", "node_type": "llm", "outcome": "done", "output": {"x": 1}}
    run.then(fact("resolved", **fields))
    run.when(advance()).then(node_started("b"))
    assert run.output_of("a") == {"x": 1}


def test_somebody_lets_it_be_left_out() -> None:
    assert given(in_doubt(), resolve("a", "skip"), advance()).attempts == [("b", 1)]


def test_somebody_lets_it_be_tried_again_under_the_same_key() -> None:
    run = given(in_doubt(), resolve("a", "retry")).when(advance())
    run.then(node_started("a", attempt=2, key_of=1))


def test_an_output_is_only_for_what_was_done() -> None:
    in_doubt().when(raises(Invalid, resolve("a", "skip", 1))).then()
    in_doubt().when(raises(NothingToResolve, resolve("b", "done"))).then()
    given(two(), advance()).when(raises(NothingToResolve, resolve("a", "done"))).then()


def repeatable(**fields: Json) -> Run:
    draft = an_llm("draft", repeatable=True, **fields)
    return a_run([draft], ["start -> draft", "draft -> end"])


def test_of_what_may_be_repeated_only_the_outcome_is_recorded() -> None:
    run = given(repeatable(), advance())
    assert (run.attempts, run.topics) == ([("draft", 1)], ["started", "node_completed"])
    assert not is_at_rest(run.aggregate)
    given(run, complete("draft")).when(advance())
    assert run.aggregate.output == "done"


def test_only_the_attempt_in_flight_may_report() -> None:
    given(repeatable(), advance()).when(complete("draft", attempt=2)).then()
    given(repeatable()).when(complete("draft")).then()
    done = given(repeatable(), advance(), complete("draft"))
    done.when(complete("draft")).then()


def test_what_may_be_repeated_is_told_again_after_a_reload() -> None:
    run = given(repeatable(), advance())
    again = Run(run.rebuilt(), run.stored, definition=run.definition)
    assert given(again, interrupt(), advance()).attempts == [("draft", 1)]


def test_what_may_be_repeated_is_retried_like_anything() -> None:
    run = given(repeatable(retry={}), advance()).when(fail("draft"))
    assert run.recorded[0][1]["retry_at"] is not None
    assert given(run, advance(0.5)).attempts == []
    assert given(run, advance(0.5)).attempts == [("draft", 2)]
    given(run, complete("draft", attempt=2), advance())
    assert run.status == "COMPLETED"


def test_a_long_step_is_cut_and_comes_to_the_same() -> None:
    def mapped() -> Run:
        each = a_map("each", [a_set("tell")], ["start -> tell", "tell -> end"], concurrency=1000)
        return a_run([each], ["start -> each", "each -> end"], list(range(STEP_EVENTS_MAX)))

    run = given(mapped(), advance())
    assert has_more(run.aggregate)
    assert len(run.recorded) <= STEP_EVENTS_MAX + 10
    steps = 1
    while has_more(run.aggregate):
        given(run, advance())
        steps += 1
    assert steps > 1
    assert run.aggregate.output == {"results": [{"by": "tell"}] * STEP_EVENTS_MAX, "errors": []}


def test_a_run_that_is_retried_may_fail_again_at_another_node() -> None:
    run = given(two(), advance(), fail("a"), advance(), retry(), advance())
    given(run, complete("a", attempt=2), advance(), fail("b", "invalid"))
    assert run.recorded == [node_failed("b", "invalid")]
    assert given(run, advance()).aggregate.error["path"] == "b"


def test_payloads_are_removed_once_and_only_from_a_run_that_has_finished() -> None:
    run = given(two(), advance())
    remove = lambda story: remove_payloads(story.aggregate, 30)  # noqa: E731 # an act
    run.when(remove).then()
    given(run, cancel()).when(remove).then(fact("payloads_removed", payload_days=30))
    run.when(remove).then()
    assert run.status == "CANCELLED"


def test_without_its_payloads_a_run_cannot_be_tried_again() -> None:
    run = given(two(), advance(), cancel(), lambda story: remove_payloads(story.aggregate, 30))
    run.when(raises(PayloadsGone, retry())).then()
