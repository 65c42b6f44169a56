"""Errors: the port `error`, the handler of a definition, and the bounds of time."""

from datetime import timedelta

import pytest

from domain.identifiers import Json, JsonObject
from tests.domain.facts import completed, failed, node_completed, node_failed, usage_unresolved
from tests.domain.given import (
    NOON,
    Run,
    a_condition,
    a_loop,
    a_map,
    a_node,
    a_run,
    a_set,
    advance,
    an_effect,
    an_llm,
    begin_child,
    complete,
    end_child,
    fail,
    given,
    interrupt,
    retry,
)
from tests.domain.resuming import resumed

BODY = ["start -> draft", "draft -> end"]
CASES: list[Json] = [{"port": "x", "when": "false"}]
FAILING: dict[str, tuple[JsonObject, str]] = {
    "condition": (a_condition("it", "input"), "-true->"),
    "switch": (a_node("switch", "it", cases=CASES), "-x->"),
    "set": (a_set("it", config={"values": "{{ input }}"}), "->"),
    "delay": (a_node("delay", "it", duration_s="{{ input }}"), "->"),
    "signal": (a_node("signal", "it", name="n", timeout_s=1), "->"),
    "webhook": (a_node("webhook", "it", timeout_s=1), "->"),
    "approval": (a_node("approval", "it", title="?", deadline_s=1), "-approved->"),
    "map": (a_map("it", [an_llm("draft")], BODY, over="input"), "->"),
    "loop": (a_loop("it", [an_llm("draft")], BODY, while_="input"), "->"),
    "llm": (an_llm("it", config={"model": "m", "prompt": "{{ input.x }}"}), "->"),
}


@pytest.mark.parametrize("kind", FAILING)
def test_every_kind_of_node_can_leave_by_its_error_port(kind: str) -> None:
    node, port = FAILING[kind]
    tell = a_set("tell", config={"values": {"code": "{{ nodes.it.error.code }}"}})
    edges = ["start -> it", f"it {port} end", "it -error-> tell", "tell -> end"]
    run = given(a_run([node, tell], edges, "text"), advance(), advance(1))
    code = "timeout" if kind in {"signal", "webhook", "approval"} else "expression_failed"
    assert run.aggregate.output == {"code": code}


def test_a_child_can_leave_by_its_error_port() -> None:
    child = a_node("sub_workflow", "it", workflow_id="01890000-0000-7000-8000-000000000001")
    edges = ["start -> it", "it -> end", "it -error-> other", "other -> end"]
    run = given(a_run([child, a_set("other")], edges), advance(), begin_child("it"))
    given(run, end_child(fails=True), advance())
    assert run.aggregate.output == {"by": "other"}


def handled(*nodes: JsonObject, edges: list[str] | None = None, **fields: Json) -> Run:
    """`tidy` handles errors, and leads to the end like everything else."""
    tidy = a_set(
        "tidy", config={"values": {"why": "{{ error.code }}", "where": "{{ error.path }}"}}
    )
    inside = [*nodes] or [an_llm("work"), an_llm("beside")]
    ways = edges or ["start -> work", "start -> beside", "work -> end", "beside -> end"]
    return a_run([*inside, tidy], [*ways, "tidy -> end"], on_error="tidy", **fields)


def test_without_a_failure_the_handler_does_not_run_and_nothing_waits_for_it() -> None:
    run = given(handled(), advance(), complete("work", 1), complete("beside", 2)).when(advance())
    output = {"work": 1, "beside": 2}
    run.then(node_completed("end", "end", output), completed(output))
    assert "tidy" not in run.aggregate.nodes


def test_the_handler_sees_the_error_and_what_still_ran_is_given_up() -> None:
    run = given(handled(), advance(), fail("work", "invalid")).when(advance())
    output = {"why": "invalid", "where": "work"}
    gone = "the execution went on without it"
    run.then(
        usage_unresolved("beside"),
        node_failed("beside", "abandoned", gone, cost_usd_pico=None),
        node_completed("tidy", "set", output),
        node_completed("end", "end", output),
        completed(output),
    )


def test_a_failure_inside_a_body_is_told_by_the_node_that_holds_it() -> None:
    loop = a_loop("again", [an_llm("draft")], BODY, while_="loop.index < 2")
    run = given(handled(loop, edges=["start -> again", "again -> end"]), advance())
    given(run, fail("again[0]/draft", "invalid"), advance())
    assert run.aggregate.output == {"why": "invalid", "where": "again"}


def test_a_failure_with_an_error_edge_is_not_for_the_handler() -> None:
    ways = ["start -> work", "work -> end", "work -error-> other", "other -> end"]
    run = given(handled(an_llm("work"), a_set("other"), edges=ways), advance())
    assert given(run, fail("work"), advance()).aggregate.output == {"by": "other"}


def test_a_run_that_comes_to_no_end_is_for_the_handler_too() -> None:
    ways = ["start -> ask", "ask -true-> end"]
    run = given(handled(a_condition("ask", "false"), edges=ways), advance())
    assert run.aggregate.output == {"why": "end_not_reached", "where": None}


def long_handling(*, fails: str = "work") -> Run:
    """The handler is a model, and what follows it another one that says why."""
    after = an_llm("after", config={"model": "offline/echo", "prompt": "{{ error.code }}"})
    nodes = [an_llm(fails), an_llm("tidy"), after]
    edges = [f"start -> {fails}", f"{fails} -> end", "tidy -> after", "after -> end"]
    return a_run(nodes, edges, on_error="tidy")


def test_joins_behind_the_handler_wait_for_all_of_it() -> None:
    run = given(long_handling(), advance(), fail("work"), advance())
    assert run.running == ["tidy"]
    given(run, complete("tidy"), advance())
    assert run.running == ["after"]
    assert given(run, complete("after", "tidied"), advance()).aggregate.output == "tidied"


def test_a_handler_that_was_interrupted_goes_on_after_a_reload() -> None:
    run = given(long_handling(), advance(), fail("work", "invalid"), advance(), complete("tidy"))
    again = given(resumed(run, len(run.stored)), advance())
    (attempt,) = again.answer
    assert attempt.request["messages"] == [{"role": "user", "content": "invalid"}]
    assert given(again, complete("after", "tidied"), advance()).aggregate.output == "tidied"


def test_a_reload_in_the_handler_of_a_run_without_an_end_still_knows_why() -> None:
    after = an_llm("after", config={"model": "offline/echo", "prompt": "{{ error.code }}"})
    nodes = [a_condition("ask", "false"), an_llm("tidy"), after]
    edges = ["start -> ask", "ask -true-> end", "tidy -> after", "after -> end"]
    run = given(a_run(nodes, edges, on_error="tidy"), advance(), complete("tidy"))
    again = given(resumed(run, len(run.stored)), advance())
    (attempt,) = again.answer
    assert attempt.request["messages"] == [{"role": "user", "content": "end_not_reached"}]


def test_when_the_handler_fails_the_run_fails_with_what_went_wrong_first() -> None:
    run = given(long_handling(), advance(), fail("work", "invalid"), advance())
    message = "node work failed at attempt 1: invalid: no"
    given(run, fail("tidy")).when(advance()).then(failed("work", "invalid", message))


def test_a_retry_goes_on_in_the_handler_once_that_has_begun() -> None:
    run = given(long_handling(), advance(), fail("work"), advance(), fail("tidy"), advance())
    given(run, retry())
    assert run.recorded[0][1]["paths"] == ["tidy"]
    given(run, advance())
    assert run.attempts == [("tidy", 2)]
    given(run, complete("tidy", attempt=2), advance(), complete("after", "tidied"), advance())
    assert run.aggregate.output == "tidied"


def test_the_handler_joins_with_what_the_main_path_brought_before() -> None:
    nodes = [a_set("early"), an_llm("work"), a_set("tidy"), a_node("merge", "both")]
    edges = ["start -> early", "early -> work", "early -> both", "work -> both", "tidy -> both"]
    run = given(a_run(nodes, [*edges, "both -> end"], on_error="tidy"), advance(), fail("work"))
    assert given(run, advance()).aggregate.output == [{"by": "early"}, {"by": "tidy"}]


def test_a_run_over_its_time_fails() -> None:
    run = given(a_run([an_llm("work")], ["start -> work", "work -> end"], timeout_s=10), advance())
    assert run.wake_at == NOON + timedelta(seconds=10)
    message = "the run took longer than 10 s"
    run.when(advance(10)).then(
        usage_unresolved("work"), failed(None, "run_timeout", message, "work", attempt=None)
    )


def test_a_run_over_the_time_of_its_plan_fails_and_says_so() -> None:
    """What is narrower decides, the definition or the plan."""
    run = given(a_run([an_llm("work")], ["start -> work", "work -> end"], timeout_s=10), advance())
    run.aggregate.live.seconds_max = 60
    assert run.wake_at == NOON + timedelta(seconds=10)
    run.aggregate.live.seconds_max = 5
    assert run.wake_at == NOON + timedelta(seconds=5)
    message = "the plan lets a run take 5 s"
    given(run, advance(5))
    assert run.recorded[-1] == failed(None, "plan_run_duration", message, "work", attempt=None)


def test_a_run_that_is_tried_again_has_its_whole_time_again() -> None:
    run = given(a_run([an_llm("work")], ["start -> work", "work -> end"], timeout_s=10), advance())
    given(run, advance(10), retry(), advance())
    assert run.attempts == [("work", 2)]
    assert run.wake_at == run.now + timedelta(seconds=10)
    run.then_it_replays()


def test_a_run_over_its_time_is_undone() -> None:
    nodes = [an_effect("book"), a_node("delay", "nap", duration_s=60)]
    edges = ["start -> book", "book -> nap", "nap -> end"]
    run = given(a_run(nodes, edges, timeout_s=10), advance(), complete("book"), advance())
    given(run, advance(10))
    assert run.status == "COMPENSATING"
    assert run.attempts == [("book/compensate", 1)]


def bounded(**fields: Json) -> Run:
    retry_often: Json = {"max_attempts": 9, "initial_backoff_s": 4, "multiplier": 1}
    draft = an_llm("draft", retry=retry_often, **fields)
    return given(a_run([draft], ["start -> draft", "draft -> end"]), advance())


def test_a_deadline_bounds_all_attempts_and_the_waits_between_them() -> None:
    run = given(bounded(deadline_s=10), fail("draft"), advance(4), fail("draft", attempt=2))
    assert run.wake_at == NOON + timedelta(seconds=8)
    given(run, advance(4), fail("draft", attempt=3), advance())
    assert run.aggregate.error["attempt"] == 3


def test_no_attempt_may_take_longer_than_what_is_left_of_the_deadline() -> None:
    run = given(bounded(deadline_s=10, timeout_s=8), fail("draft"), advance(4))
    assert run.answer[0].timeout_s == 6.0


def test_a_code_can_be_called_final() -> None:
    policy: Json = {"max_attempts": 5, "non_retryable": ["rate_limited"]}
    draft = an_llm("draft", retry=policy)
    run = given(a_run([draft], ["start -> draft", "draft -> end"]), advance(), fail("draft"))
    assert given(run, advance()).status == "FAILED"


def test_jitter_shortens_a_wait_by_chance_the_same_at_every_reload() -> None:
    def wait_s(jitter: float) -> float:
        policy: Json = {"max_attempts": 2, "initial_backoff_s": 100, "max_backoff_s": 100}
        draft = an_llm("draft", retry={**policy, "jitter": jitter})
        run = given(a_run([draft], ["start -> draft", "draft -> end"]), advance(), fail("draft"))
        return (run.wake_at - run.now).total_seconds()

    assert wait_s(0) == 100
    assert 50 <= wait_s(0.5) < 100
    assert wait_s(0.5) == wait_s(0.5)


def test_who_asks_is_told_which_attempt_is_in_doubt() -> None:
    draft = an_llm("draft", on_unknown="ask")
    run = given(a_run([draft], ["start -> draft", "draft -> end"]), advance(), interrupt())
    assert run.topics == ["usage_unresolved", "node_doubted"]
    given(run, advance())
    assert run.topics == ["attention_needed"]
    assert (run.status, run.recorded[0][1]["paths"]) == ("NEEDS_ATTENTION", ["draft"])
