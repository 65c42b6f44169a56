"""Undoing what a run did: when, in which order, and what happens when that fails too."""

import pytest

from domain.attempts import Attempt
from domain.execution_commands import (
    BeingCompensated,
    NothingToCompensate,
    NothingToResolve,
    StillRuns,
)
from domain.execution_steps import is_held_back
from domain.execution_usage import METERED_TYPES
from domain.identifiers import Json, JsonObject
from domain.payloads import PAYLOAD_BYTES_MAX
from tests.domain.facts import EXECUTION_ID, cancelled, fact, usage_unresolved
from tests.domain.given import (
    Act,
    Run,
    a_loop,
    a_map,
    a_node,
    a_run,
    advance,
    an_effect,
    an_llm,
    cancel,
    cancel_and_undo,
    compensate,
    complete,
    fail,
    given,
    interrupt,
    pause,
    raises,
    resolve,
    retry,
)

UNDO = "book/compensate"


def a_trip() -> Run:
    """Book, pay, and then a model that may fail."""
    nodes = [an_effect("book"), an_effect("pay"), an_llm("last")]
    return a_run(nodes, ["start -> book", "book -> pay", "pay -> last", "last -> end"])


def paid(*acts: Act) -> Run:
    run = given(a_trip(), advance(), complete("book"), advance(), complete("pay"), advance())
    return given(run, *acts)


def booked(*acts: Act, **fields: Json) -> Run:
    nodes = [an_effect("book", **fields), an_llm("last")]
    run = a_run(nodes, ["start -> book", "book -> last", "last -> end"])
    return given(run, advance(), complete("book", {"id": 7}), advance(), *acts)


def test_a_failure_is_undone_the_newest_first_and_one_after_the_other() -> None:
    run = paid(fail("last")).when(advance())
    error = {
        "code": "rate_limited",
        "message": "node last failed at attempt 1: rate_limited: no",
        "path": "last",
        "attempt": 1,
    }
    started = fact(
        "compensation_started", reason="failed", message=None, error=error, stopped_paths=[]
    )
    assert run.recorded[0] == started
    assert (run.status, run.attempts) == ("COMPENSATING", [("pay/compensate", 1)])
    given(run, complete("pay/compensate"), advance())
    assert run.attempts == [(UNDO, 1)]
    given(run, complete(UNDO)).when(advance()).then(fact("compensated", paths=["pay", "book"]))
    assert (run.status, run.aggregate.error) == ("COMPENSATED", error)


UNDONE_BY_A_MODEL: JsonObject = {
    "type": "llm",
    "config": {"model": "offline/echo", "prompt": "Undo {{ nodes.book.output.id }}"},
    "timeout_s": 9,
}


def test_what_undoes_waits_for_what_pays_for_it_as_any_call_does() -> None:
    run = booked(fail("last"), compensate=UNDONE_BY_A_MODEL)
    run.aggregate.live.counted_types = METERED_TYPES
    run.when(advance())
    assert [topic for topic, _ in run.recorded] == ["execution.compensation_started"]
    assert isinstance(run.answer, list)
    assert [is_held_back(run.aggregate, one) for one in run.answer] == [True]


def test_what_undoes_is_an_attempt_of_its_own_that_sees_what_it_undoes() -> None:
    run = booked(fail("last"), advance(), compensate=UNDONE_BY_A_MODEL)
    assert run.answer == [
        Attempt(
            UNDO,
            "llm",
            1,
            {"model": "offline/echo", "messages": [{"role": "user", "content": "Undo 7"}]},
            9.0,
            f"{EXECUTION_ID}:{UNDO}:1",
        )
    ]


def test_a_cancellation_undoes_when_it_is_asked_to() -> None:
    run = booked(cancel_and_undo("no need"))
    assert run.recorded[0][1]["reason"] == "cancelled"
    # What is under way is waited for, for it may have to be undone as well.
    assert given(run, advance()).attempts == []
    given(run, complete("last"), advance(), complete(UNDO), advance())
    assert run.status == "COMPENSATED"


@pytest.mark.parametrize("code", ["response_too_large", "invalid_response", "internal"])
def test_what_brought_an_answer_of_no_use_may_have_happened(code: str) -> None:
    run = given(a_trip(), advance(), fail("book", code, is_retryable=False), advance())
    assert (run.status, run.attempts) == ("COMPENSATING", [(UNDO, 1)])


def test_what_brought_more_than_can_be_kept_has_happened() -> None:
    run = given(a_trip(), advance(), complete("book", "x" * PAYLOAD_BYTES_MAX), advance())
    assert (run.aggregate.nodes["book"].error or {})["code"] == "payload_too_large"
    assert (run.status, run.attempts) == ("COMPENSATING", [(UNDO, 1)])


def test_what_was_too_large_to_be_asked_for_has_not_happened() -> None:
    book = an_effect("book", config={"model": "offline/echo", "prompt": "{{ input }}"})
    largest = "x" * (PAYLOAD_BYTES_MAX - len('""'))
    run = given(a_run([book], ["start -> book", "book -> end"], largest), advance())
    assert (run.aggregate.nodes["book"].error or {})["code"] == "payload_too_large"
    assert run.status == "FAILED"


def test_an_undoing_is_not_cut_off_by_a_cancellation() -> None:
    run = paid(fail("last"), advance()).when(raises(BeingCompensated, cancel()))
    run.then()
    given(run, complete("pay/compensate"), advance(), complete(UNDO), advance())
    assert run.status == "COMPENSATED"


def test_an_undoing_that_needs_somebody_is_not_cancelled_either() -> None:
    run = booked(fail("last"), advance(), fail(UNDO, "invalid", is_retryable=False), advance())
    assert run.status == "NEEDS_ATTENTION"
    run.when(raises(BeingCompensated, cancel())).then()


def test_a_cancellation_with_nothing_to_undo_is_a_cancellation() -> None:
    run = given(a_run([an_llm("a")], ["start -> a", "a -> end"]), advance())
    run.when(cancel_and_undo("no need")).then(usage_unresolved("a"), cancelled("no need", "a"))


def test_what_is_under_way_when_undoing_begins_is_undone_once_it_is_done() -> None:
    run = given(a_trip(), advance(), cancel_and_undo(), advance())
    assert run.attempts == []
    given(run, complete("book"), advance())
    assert run.attempts == [(UNDO, 1)]


def test_what_fails_while_the_run_is_undone_is_not_tried_again() -> None:
    nodes = [an_effect("book", retry={"max_attempts": 5})]
    run = given(a_run(nodes, ["start -> book", "book -> end"]), advance(), cancel_and_undo())
    given(run, fail("book")).when(advance()).then(fact("compensated", paths=[]))


def test_an_ended_run_is_undone_by_request_and_once() -> None:
    run = booked(complete("last"), advance()).when(compensate())
    assert (run.status, run.recorded[0][1]["reason"]) == ("COMPENSATING", "requested")
    run.when(compensate()).then()
    given(run, advance(), complete(UNDO), advance())
    assert run.status == "COMPENSATED"
    run.when(compensate()).then()


@pytest.mark.parametrize(
    ("acts", "refusal"), [([], StillRuns), ([pause()], StillRuns), ([advance()], StillRuns)]
)
def test_a_run_that_goes_on_is_not_undone_by_request(
    acts: list[Act], refusal: type[Exception]
) -> None:
    booked(*acts).when(raises(refusal, compensate())).then()


def test_a_run_that_did_nothing_has_nothing_to_undo() -> None:
    run = given(a_run([], ["start -> end"]), advance())
    run.when(raises(NothingToCompensate, compensate())).then()


def test_what_was_under_way_when_the_run_was_cancelled_may_have_happened() -> None:
    run = given(a_trip(), advance(), cancel(), compensate(), advance())
    assert run.attempts == [(UNDO, 1)]


def test_branches_are_undone_together() -> None:
    nodes = [an_effect(name) for name in "abc"] + [an_llm("last")]
    edges = ["start -> a", "a -> b", "a -> c", "b -> last", "c -> last", "last -> end"]
    run = given(a_run(nodes, edges), advance(), complete("a"), advance(), complete("b"))
    given(run, complete("c"), advance(), fail("last"), advance())
    assert sorted(run.attempts) == [("b/compensate", 1), ("c/compensate", 1)]
    assert given(run, complete("b/compensate"), advance()).attempts == []
    assert given(run, complete("c/compensate"), advance()).attempts == [("a/compensate", 1)]


def a_race() -> Run:
    """`pay` follows from `book`, and begins before it has ended: something else led there too."""
    nodes = [an_effect("book"), an_effect("pay", join="any"), an_llm("last")]
    edges = ["start -> book", "start -> pay", "book -> pay", "pay -> last", "last -> end"]
    return given(a_run(nodes, edges), advance())


@pytest.mark.parametrize(
    "acts",
    [
        [complete("pay"), advance(), complete("book"), advance(), fail("last"), advance()],
        [cancel("stop"), compensate(), advance()],
    ],
)
def test_what_ended_before_that_which_leads_to_it_is_undone_before_it_too(acts: list[Act]) -> None:
    run = given(a_race(), *acts)
    assert (run.status, run.attempts) == ("COMPENSATING", [("pay/compensate", 1)])
    given(run, complete("pay/compensate"), advance())
    assert run.attempts == [(UNDO, 1)]


def test_iterations_of_a_loop_are_undone_the_last_one_first() -> None:
    undo: JsonObject = {
        "type": "llm",
        "config": {"model": "offline/echo", "prompt": "{{ loop.index }} {{ nodes.book.output }}"},
    }
    body = [an_effect("book", compensate=undo)]
    loop = a_loop("again", body, ["start -> book", "book -> end"], while_="loop.index < 3")
    nodes = [loop, an_llm("last")]
    run = given(a_run(nodes, ["start -> again", "again -> last", "last -> end"]), advance())
    for index in range(3):
        given(run, complete(f"again[{index}]/book", f"b{index}"), advance())
    given(run, fail("last"), advance())
    for index in (2, 1, 0):
        (attempt,) = run.answer
        # Its iteration is forgotten: what to ask for was rendered when that ended.
        assert attempt.path == f"again[{index}]/book/compensate"
        assert attempt.request["messages"][0]["content"] == f"{index} b{index}"
        given(run, complete(attempt.path), advance())
    assert run.status == "COMPENSATED"


def test_an_iteration_in_the_middle_is_undone_with_what_it_sees() -> None:
    undo: JsonObject = {
        "type": "llm",
        "config": {"model": "offline/echo", "prompt": "{{ item }} {{ nodes.book.output }}"},
    }
    body = [an_effect("book", compensate=undo), an_llm("check")]
    each = a_map("each", body, ["start -> book", "book -> check", "check -> end"])
    run = given(a_run([each], ["start -> each", "each -> end"], ["x", "y"]), advance())
    given(run, complete("each[0]/book", 1), complete("each[1]/book", 2), advance())
    given(run, fail("each[1]/check"), advance())
    asked = {one.path: one.request["messages"][0]["content"] for one in run.answer}
    assert asked == {"each[0]/book/compensate": "x 1", "each[1]/book/compensate": "y 2"}


@pytest.mark.parametrize("is_ended", [False, True])
def test_an_unknown_outcome_may_have_happened_and_is_undone_in_its_place(is_ended: bool) -> None:
    """`pay` took its worker down after `book`, so it is undone before it."""
    nodes = [an_effect("book"), an_effect("pay", on_unknown="fail"), an_effect("tell")]
    inside = ["start -> book", "book -> pay", "pay -error-> tell", "pay -> end", "tell -> end"]
    loop = a_loop("once", nodes, inside, while_="loop.index < 1")
    run = given(a_run([loop, an_llm("last")], ["start -> once", "once -> last", "last -> end"]))
    given(run, advance(), complete("once[0]/book"), advance(), interrupt(), advance())
    if is_ended:
        given(run, complete("once[0]/tell"), advance(), fail("last"), advance())
    else:
        given(run, fail("once[0]/tell"), advance())
    undone = []
    while run.status == "COMPENSATING":
        (attempt,) = run.answer
        undone.append(attempt.path.split("/")[1])
        given(run, complete(attempt.path), advance())
    assert undone == (["tell"] if is_ended else []) + ["pay", "book"]


def test_an_undoing_that_fails_is_tried_again_under_its_own_policy() -> None:
    undo: JsonObject = {
        "type": "llm",
        "config": {"model": "offline/echo", "prompt": "Undo"},
        "retry": {"max_attempts": 2, "initial_backoff_s": 3},
    }
    run = booked(fail("last"), advance(), fail(UNDO), compensate=undo)
    assert given(run, advance(2.9)).attempts == []
    assert given(run, advance(0.1)).attempts == [(UNDO, 2)]
    assert given(run, complete(UNDO, attempt=2), advance()).status == "COMPENSATED"


def test_an_undoing_whose_worker_went_away_goes_out_again_under_the_same_key() -> None:
    run = booked(fail("last"), advance(), interrupt(), advance())
    assert (run.answer[0].number, run.answer[0].idempotency_key[-2:]) == (2, ":1")


def stuck() -> Run:
    """Paying could not be undone, so booking waits for somebody to look."""
    run = paid(fail("last"), advance())
    return given(run, fail("pay/compensate", is_retryable=False))


def test_an_undoing_that_fails_for_good_needs_somebody_and_says_what_is_left() -> None:
    run = stuck().when(advance())
    message = "1 compensations failed for good, and 2 are not done"
    needed = fact("attention_needed", message=message, paths=["pay", "book"], done_paths=[])
    run.then(needed)
    assert run.status == "NEEDS_ATTENTION"


@pytest.mark.parametrize("outcome", ["done", "skip"])
def test_somebody_says_that_it_is_done_or_left_out_and_the_rest_is_undone(outcome: Json) -> None:
    run = given(stuck(), advance(), resolve("pay", outcome), advance())
    assert run.attempts == [(UNDO, 1)]
    assert given(run, complete(UNDO), advance()).status == "COMPENSATED"


def test_somebody_lets_it_be_tried_again() -> None:
    run = given(stuck(), advance(), resolve("pay", "retry"), advance())
    assert run.attempts == [("pay/compensate", 2)]
    given(run, complete("pay/compensate", attempt=2), advance(), complete(UNDO), advance())
    assert run.status == "COMPENSATED"


@pytest.mark.parametrize("node_id", ["book", "last", "nobody"])
def test_only_what_failed_can_be_resolved(node_id: str) -> None:
    run = given(stuck(), advance())
    run.when(raises(NothingToResolve, resolve(node_id, "done"))).then()


@pytest.mark.parametrize("act", [pause(), retry()])
def test_a_run_that_is_being_undone_is_neither_paused_nor_retried(act: Act) -> None:
    booked(fail("last"), advance()).when(raises(BeingCompensated, act)).then()


def test_what_cannot_be_asked_for_is_a_failure_that_somebody_sees() -> None:
    undo: JsonObject = {
        "type": "llm",
        "config": {"model": "m", "prompt": "{{ nodes.book.output.nope }}"},
    }
    run = booked(fail("last"), advance(), compensate=undo)
    assert run.status == "NEEDS_ATTENTION"
    assert (run.aggregate.nodes[UNDO].error or {})["code"] == "expression_failed"


def test_a_wait_is_left_when_the_run_is_undone() -> None:
    nodes = [an_effect("book"), a_node("signal", "hear", name="news")]
    run = given(a_run(nodes, ["start -> book", "book -> hear", "hear -> end"]), advance())
    given(run, complete("book"), advance()).when(cancel_and_undo())
    assert run.recorded[0][1]["stopped_paths"] == ["hear"]
    assert given(run, advance()).attempts == [(UNDO, 1)]
