"""A run from its input to its end: pure steps at once, effects by attempts, branches, and ends."""

import pytest

from domain.attempts import Attempt
from domain.executions import ExecutionEnded
from domain.identifiers import Json, JsonObject
from domain.payloads import INLINE_BYTES_MAX, MESSAGE_CHARACTERS_MAX, PAYLOAD_BYTES_MAX
from tests.domain.facts import (
    EXECUTION_ID,
    cancelled,
    completed,
    failed,
    llm_completed,
    node_completed,
    node_failed,
    node_started,
    nodes_skipped,
    started,
    usage_unresolved,
)
from tests.domain.given import (
    Act,
    Run,
    a_condition,
    a_run,
    a_set,
    advance,
    an_llm,
    cancel,
    complete,
    fail,
    given,
    interrupt,
    raises,
)


def one_llm(**fields: Json) -> Run:
    return a_run([an_llm("draft", **fields)], ["start -> draft", "draft -> end"], {"q": 1})


def branching() -> Run:
    nodes = [
        a_condition("long", "input.n > 10"),
        an_llm("shorten"),
        a_set("keep"),
    ]
    edges = [
        "start -> long",
        "long -true-> shorten",
        "long -false-> keep",
        "shorten -> end",
        "keep -> end",
    ]
    return a_run(nodes, edges, {"n": 20})


def test_a_run_begins_with_what_needs_no_worker() -> None:
    run = given(one_llm()).when(advance())
    run.then(started(), node_completed("start", "start", {"q": 1}), node_started("draft"))
    assert run.answer == [
        Attempt(
            path="draft",
            node_type="llm",
            number=1,
            request={
                "model": "offline/echo",
                "messages": [{"role": "user", "content": "Hello"}],
            },
            timeout_s=60.0,
            idempotency_key=f"{EXECUTION_ID}:draft:1",
        )
    ]
    assert run.aggregate.status == "RUNNING"
    assert run.running == ["draft"]
    assert run.aggregate.running_attempts() == [("draft", 1)]


def test_advancing_without_news_records_nothing() -> None:
    run = given(one_llm(), advance()).when(advance()).then()
    assert run.answer == []


def test_a_run_of_pure_nodes_ends_in_one_step() -> None:
    run = given(a_run([a_set("a")], ["start -> a", "a -> end"])).when(advance())
    run.then(
        started(),
        node_completed("start", "start"),
        node_completed("a", "set", {"by": "a"}),
        node_completed("end", "end", {"by": "a"}),
        completed({"by": "a"}),
    )
    assert run.aggregate.is_ended


def test_an_outcome_leads_to_the_end() -> None:
    run = given(one_llm(), advance(), complete("draft", {"text": "Hi"})).when(advance())
    run.then(node_completed("end", "end", {"text": "Hi"}), completed({"text": "Hi"}))
    assert (run.aggregate.status, run.aggregate.output) == ("COMPLETED", {"text": "Hi"})


def test_an_outcome_is_recorded_with_what_it_was_billed() -> None:
    given(one_llm(), advance()).when(complete("draft")).then(llm_completed("draft"))


@pytest.mark.parametrize("late", [complete("draft", attempt=2), complete("end"), complete("x")])
def test_an_outcome_of_no_running_attempt_is_dropped(late: Act) -> None:
    given(one_llm(), advance()).when(late).then()


def test_an_outcome_is_recorded_once() -> None:
    given(one_llm(), advance(), complete("draft")).when(complete("draft", "again")).then()
    given(one_llm(), advance(), complete("draft")).when(fail("draft")).then()


def test_what_comes_after_the_end_is_dropped() -> None:
    ended = given(one_llm(), advance(), cancel())
    ended.when(complete("draft")).then()
    ended.when(fail("draft")).then()
    ended.when(interrupt()).then()
    ended.when(advance()).then()
    assert ended.answer == []


def test_a_condition_takes_one_way_and_the_other_is_skipped() -> None:
    run = given(branching()).when(advance())
    run.then(
        started(),
        node_completed("start", "start", {"n": 20}),
        node_completed("long", "condition", True, "true"),
        nodes_skipped("keep"),
        node_started("shorten"),
    )
    assert run.aggregate.nodes["keep"].status == "SKIPPED"


def test_skipping_goes_on_to_the_nodes_behind() -> None:
    nodes = [a_condition("ask", "false"), a_set("a"), a_set("b"), a_set("c"), a_set("other")]
    edges = ["start -> ask", "ask -true-> a", "a -> b", "b -> c", "c -> end"]
    run = given(a_run(nodes, [*edges, "ask -false-> other", "other -> end"])).when(advance())
    assert nodes_skipped("a", "b", "c") in run.recorded
    assert run.aggregate.output == {"by": "other"}
    run.then_it_replays()


def test_a_node_behind_a_skipped_and_a_taken_edge_runs() -> None:
    nodes = [a_condition("ask", "false"), a_set("a"), a_set("b"), a_set("both")]
    edges = ["start -> ask", "ask -true-> a", "start -> b", "a -> both", "b -> both", "both -> end"]
    run = given(a_run(nodes, edges)).when(advance())
    assert run.aggregate.output == {"by": "both"}
    run.then_it_replays()


def test_a_run_whose_paths_all_stop_before_an_end_fails() -> None:
    nodes = [a_condition("ask", "false"), a_set("a"), a_set("b")]
    edges = ["start -> ask", "ask -true-> a", "a -> end", "ask -false-> b"]
    run = given(a_run(nodes, edges)).when(advance())
    message = "every path ended before it came to an end node"
    assert run.recorded[-2:] == [
        nodes_skipped("a", "end"),
        failed(None, "end_not_reached", message, attempt=None),
    ]
    run.then_it_replays()


def test_an_expression_that_fails_ends_the_run_with_place_and_reason() -> None:
    run = given(a_run([a_condition("ask", "input.n > 1")], ["start -> ask", "ask -true-> end"], {}))
    reason = "/expression: `input.n > 1`: there is no `n` in `input`"
    run.when(advance()).then(
        started(),
        node_completed("start", "start", {}),
        node_failed("ask", "expression_failed", reason, node_type="condition"),
        failed(
            "ask", "expression_failed", f"node ask failed at attempt 1: expression_failed: {reason}"
        ),
    )


def test_a_config_that_cannot_be_rendered_fails_before_any_effect() -> None:
    draft = an_llm("draft", config={"model": "offline/echo", "prompt": "{{ input.nope }}"})
    run = given(a_run([draft], ["start -> draft", "draft -> end"], {})).when(advance())
    run.then_topics(
        "execution.started",
        "execution.node_completed",
        "execution.node_failed",
        "execution.failed",
    )
    assert run.answer == []


def test_parallel_branches_start_together_and_one_failure_stops_the_others() -> None:
    nodes = [an_llm("a"), an_llm("b"), an_llm("c", retry={"max_attempts": 2})]
    edges = [f"start -> {name}" for name in "abc"] + [f"{name} -> end" for name in "abc"]
    run = given(a_run(nodes, edges), advance())
    assert run.attempts == [("a", 1), ("b", 1), ("c", 1)]
    run = given(run, fail("c"), fail("b", "invalid")).when(advance())
    failure = failed("b", "invalid", "node b failed at attempt 1: invalid: no", "a", "c")
    run.then(usage_unresolved("a"), failure)
    assert run.running == []


def test_a_branch_that_leads_nowhere_is_given_up_when_the_end_is_reached() -> None:
    nodes = [an_llm("aside"), an_llm("waiting", retry={}), an_llm("main")]
    edges = ["start -> aside", "start -> waiting", "start -> main", "main -> end"]
    run = given(a_run(nodes, edges), advance(), fail("waiting"), complete("main", 1))
    run.when(advance()).then(
        node_completed("end", "end", 1),
        usage_unresolved("aside"),
        node_failed("aside", "abandoned", "the execution went on without it", cost_usd_pico=None),
        node_failed("waiting", "abandoned", "the execution went on without it"),
        completed(1),
    )


def test_several_ends_complete_with_the_first_that_is_reached() -> None:
    ends: list[JsonObject] = [
        {"id": name, "type": "end", "config": {"output": name}} for name in ("high", "low")
    ]
    edges = ["start -> ask", "ask -true-> high", "ask -false-> low"]
    run = given(a_run([a_condition("ask", "input > 3"), *ends], edges, 2)).when(advance())
    assert run.aggregate.output == "low"
    run.then_it_replays()


def test_an_output_over_the_limit_fails_its_node() -> None:
    run = given(one_llm(), advance())
    largest = "x" * (PAYLOAD_BYTES_MAX - len('""'))
    message = f"the output is {PAYLOAD_BYTES_MAX + 1} bytes long, more than {PAYLOAD_BYTES_MAX}"
    usage = {"model": "offline/echo", "tokens_in": 3, "tokens_out": 5, "cost_usd_pico": 13_000_000}
    run.when(complete("draft", largest + "x"))
    run.then(node_failed("draft", "payload_too_large", message, **usage))
    given(one_llm(), advance()).when(complete("draft", largest)).then(
        llm_completed("draft", largest)
    )


def test_an_output_that_is_no_json_fails_its_node() -> None:
    nested: Json = 1
    for _ in range(300):
        nested = [nested]
    run = given(one_llm(), advance()).when(complete("draft", nested))
    run.then_topics("execution.node_failed")
    assert run.recorded[0][1]["code"] == "invalid_payload"


def test_a_rendered_config_over_the_limit_fails_its_node() -> None:
    draft = an_llm("draft", config={"model": "m", "prompt": "{{ input }}{{ input }}"})
    run = given(
        a_run([draft], ["start -> draft", "draft -> end"], "x" * (PAYLOAD_BYTES_MAX // 2))
    ).when(advance())
    assert run.recorded[-1][1]["code"] == "payload_too_large"


def test_a_pure_output_over_the_limit_fails_its_node() -> None:
    double = a_set("a", config={"values": {"x": "{{ input + input }}"}})
    run = given(a_run([double], ["start -> a", "a -> end"], "x" * (PAYLOAD_BYTES_MAX // 2))).when(
        advance()
    )
    assert run.recorded[-1][1]["code"] == "payload_too_large"


def test_long_messages_are_cut() -> None:
    long = "x" * (MESSAGE_CHARACTERS_MAX + 1)
    cut = "x" * (MESSAGE_CHARACTERS_MAX - 1) + "…"
    run = given(one_llm(), advance())
    run.when(fail("draft", message=long)).then(node_failed("draft", "rate_limited", cut))
    run.when(advance())
    assert len(run.recorded[0][1]["message"]) == MESSAGE_CHARACTERS_MAX
    given(one_llm()).when(cancel(long)).then(cancelled(cut))


def test_a_cancelled_run_stops_what_runs_and_what_waits() -> None:
    nodes = [an_llm("a"), an_llm("b", retry={})]
    edges = ["start -> a", "start -> b", "a -> end", "b -> end"]
    run = given(a_run(nodes, edges), advance(), fail("b")).when(cancel("not needed"))
    run.then(usage_unresolved("a"), cancelled("not needed", "a", "b"))
    assert (run.aggregate.status, run.wake_at) == ("CANCELLED", None)


def test_a_run_can_be_cancelled_before_it_begins() -> None:
    given(one_llm()).when(cancel()).then(cancelled(None))


def test_cancelling_twice_records_nothing_new() -> None:
    given(one_llm(), cancel("once")).when(cancel("again")).then()


def test_an_ended_run_cannot_be_cancelled() -> None:
    done = given(one_llm(), advance(), complete("draft"), advance())
    done.when(raises(ExecutionEnded, cancel("late"))).then()
    broken = given(one_llm(), advance(), fail("draft"), advance())
    broken.when(raises(ExecutionEnded, cancel("late"))).then()


def test_a_run_goes_on_from_its_stored_events_alone() -> None:
    lived = given(branching(), advance(), complete("shorten", {"text": "Hi"}))
    lived.then_it_replays()
    given(Run(lived.rebuilt(), lived.stored, definition=lived.definition)).when(advance()).then(
        node_completed("end", "end", {"text": "Hi"}), completed({"text": "Hi"})
    )


def test_over_the_quota_an_output_that_is_not_small_fails_its_node() -> None:
    large, small = "x" * INLINE_BYTES_MAX, "x"
    usage = {"model": "offline/echo", "tokens_in": 3, "tokens_out": 5, "cost_usd_pico": 13_000_000}
    message = "the tenant may store no more large payloads"
    run = given(one_llm(), advance())
    run.aggregate.live.has_room = False
    run.when(complete("draft", large)).then(node_failed("draft", "blob_quota", message, **usage))
    run = given(one_llm(), advance())
    run.aggregate.live.has_room = False
    run.when(complete("draft", small)).then(llm_completed("draft", small))
