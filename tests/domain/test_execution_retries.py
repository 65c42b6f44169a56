"""Attempts that fail, and attempts of which nobody knows how they ended."""

from datetime import timedelta

import pytest

from domain.attempts import RETRY_AFTER_S_MAX, UNKNOWN_OUTCOMES_MAX
from domain.identifiers import Json
from tests.domain.facts import failed, node_failed, node_started, usage_unresolved
from tests.domain.given import NOON, Run, a_run, advance, an_llm, complete, fail, given, interrupt


def one_llm(**fields: Json) -> Run:
    return a_run([an_llm("draft", **fields)], ["start -> draft", "draft -> end"])


def at(seconds: float) -> str:
    return (NOON + timedelta(seconds=seconds)).isoformat()


def test_without_a_policy_the_first_failure_is_final() -> None:
    run = given(one_llm(), advance()).when(fail("draft")).then(node_failed("draft", "rate_limited"))
    message = "node draft failed at attempt 1: rate_limited: no"
    run.when(advance()).then(failed("draft", "rate_limited", message))


def test_a_failure_waits_for_its_backoff() -> None:
    run = given(one_llm(retry={}), advance()).when(fail("draft"))
    run.then(node_failed("draft", "rate_limited", retry_at=at(1)))
    assert run.aggregate.nodes["draft"].status == "WAITING"
    assert run.wake_at == NOON + timedelta(seconds=1)
    run.when(advance(0.999)).then()
    assert run.answer == []
    run.when(advance(0.001)).then(node_started("draft", attempt=2))
    assert run.attempts == [("draft", 2)]
    assert run.wake_at is None


def test_the_backoff_grows_up_to_its_bound() -> None:
    policy: Json = {"max_attempts": 6, "initial_backoff_s": 2, "multiplier": 3, "max_backoff_s": 20}
    run = given(one_llm(retry=policy), advance())
    waits: list[float] = []
    for attempt in range(1, 6):
        given(run, fail("draft", attempt=attempt))
        waits.append((run.wake_at - run.now).total_seconds())
        given(run, advance(waits[-1]))
    assert waits == [2, 6, 18, 20, 20]
    given(run, fail("draft", attempt=6), advance())
    assert run.aggregate.status == "FAILED"
    assert run.recorded[0][1]["attempt"] == 6
    run.then_it_replays()


@pytest.mark.parametrize(
    ("asked_s", "waited_s"),
    [(5.0, 5.0), (0.5, 1.0), (1e12, RETRY_AFTER_S_MAX), (float("nan"), 1.0), (-3.0, 1.0)],
)
def test_what_the_other_side_asks_for_is_respected_within_bounds(
    asked_s: float, waited_s: float
) -> None:
    run = given(one_llm(retry={}), advance(), fail("draft", retry_after_s=asked_s))
    assert run.wake_at == NOON + timedelta(seconds=waited_s)


def test_a_failure_that_a_retry_would_not_mend_is_final() -> None:
    run = given(one_llm(retry={"max_attempts": 5}), advance())
    run.when(fail("draft", "invalid", is_retryable=False)).then(node_failed("draft", "invalid"))


def test_the_earliest_retry_wakes_the_run() -> None:
    nodes = [
        an_llm("a", retry={"initial_backoff_s": 9}),
        an_llm("b", retry={"initial_backoff_s": 4}),
    ]
    edges = ["start -> a", "start -> b", "a -> end", "b -> end"]
    run = given(a_run(nodes, edges), advance(), fail("a"), fail("b"))
    assert run.wake_at == NOON + timedelta(seconds=4)
    given(run, advance(4))
    assert run.attempts == [("b", 2)]
    assert run.wake_at == NOON + timedelta(seconds=9)


def test_a_success_after_a_failure_is_a_success() -> None:
    run = given(one_llm(retry={}), advance(), fail("draft"), advance(1))
    given(run, complete("draft", "at last", attempt=2), advance())
    assert run.aggregate.output == "at last"


def test_an_unknown_outcome_is_tried_again_at_once_under_the_same_key() -> None:
    run = given(one_llm(), advance()).when(interrupt())
    message = "the worker went away before it recorded an outcome"
    unknown = {"retry_at": at(0), "cost_usd_pico": None}
    failure = node_failed("draft", "unknown_outcome", message, **unknown)
    run.then(usage_unresolved("draft"), failure)
    run.when(advance()).then(node_started("draft", attempt=2, key_of=1))


def test_an_unknown_outcome_counts_as_an_attempt() -> None:
    run = given(one_llm(retry={"max_attempts": 2}), advance(), interrupt(), advance())
    run.when(fail("draft", attempt=2)).then(node_failed("draft", "rate_limited", attempt=2))


def test_a_policy_may_call_an_unknown_outcome_a_failure() -> None:
    run = given(one_llm(on_unknown="fail", retry={}), advance(), interrupt())
    assert run.recorded[-1][1]["retry_at"] is None
    given(run, advance())
    assert run.aggregate.status == "FAILED"


def test_a_node_that_always_takes_its_worker_down_is_given_up() -> None:
    run = given(one_llm(), advance())
    for _ in range(UNKNOWN_OUTCOMES_MAX):
        given(run, interrupt(), advance())
        assert run.running == ["draft"]
    given(run, interrupt(), advance())
    assert run.aggregate.status == "FAILED"
    run.then_it_replays()


def test_interrupting_spares_what_is_still_in_hand() -> None:
    nodes = [an_llm("a"), an_llm("b")]
    edges = ["start -> a", "start -> b", "a -> end", "b -> end"]
    run = given(a_run(nodes, edges), advance(), interrupt(("a", 1)))
    assert run.aggregate.running_attempts() == [("a", 1)]
    assert [fields["path"] for _, fields in run.recorded] == ["b", "b"]


def test_interrupting_what_has_not_begun_records_nothing() -> None:
    given(one_llm()).when(interrupt()).then()


@pytest.mark.parametrize(
    ("code", "key_of"), [("timeout", 1), ("unavailable", 1), ("interrupted", 1), ("invalid", 2)]
)
def test_only_an_answer_changes_the_idempotency_key(code: str, key_of: int) -> None:
    run = given(one_llm(retry={}), advance(), fail("draft", code)).when(advance(1))
    run.then(node_started("draft", attempt=2, key_of=key_of))


def test_a_run_waiting_for_a_retry_goes_on_from_its_stored_events() -> None:
    lived = given(one_llm(retry={}), advance(), fail("draft"))
    rebuilt = Run(lived.rebuilt(), lived.stored, definition=lived.definition)
    given(rebuilt, advance(1))
    assert rebuilt.attempts == [("draft", 2)]
