"""When a node with several incoming edges runs: at all of them, at the first, or at a number."""

import pytest

from domain.identifiers import Json, JsonObject
from tests.domain.facts import (
    completed,
    node_completed,
    node_failed,
    nodes_skipped,
    usage_unresolved,
)
from tests.domain.given import (
    Run,
    a_condition,
    a_run,
    a_set,
    advance,
    an_llm,
    complete,
    fail,
    given,
)

BRANCHES = ("a", "b", "c")


def fan_in(join: Json) -> Run:
    """Three models side by side, joined in front of the end."""
    nodes = [an_llm(name) for name in BRANCHES]
    edges = [f"start -> {name}" for name in BRANCHES] + [f"{name} -> join" for name in BRANCHES]
    return a_run([*nodes, a_set("join", join=join)], [*edges, "join -> end"])


def test_a_join_waits_for_all_edges() -> None:
    run = given(fan_in("all"), advance(), complete("a"), advance(), complete("c"), advance())
    assert run.recorded == []
    given(run, complete("b")).when(advance()).then(
        node_completed("join", "set", {"by": "join"}),
        node_completed("end", "end", {"by": "join"}),
        completed({"by": "join"}),
    )


def test_any_runs_at_the_first_and_the_run_does_not_wait_for_the_others() -> None:
    run = given(fan_in("any"), advance(), complete("b")).when(advance())
    abandoned = {"cost_usd_pico": None, "message": "the execution went on without it"}
    run.then(
        node_completed("join", "set", {"by": "join"}),
        node_completed("end", "end", {"by": "join"}),
        usage_unresolved("a"),
        node_failed("a", "abandoned", **abandoned),
        usage_unresolved("c"),
        node_failed("c", "abandoned", **abandoned),
        completed({"by": "join"}),
    )
    run.when(complete("a", "too late")).then()


def test_any_runs_once_though_more_edges_are_taken() -> None:
    nodes = [an_llm("a"), an_llm("b"), a_set("join", join="any"), an_llm("after")]
    edges = ["start -> a", "start -> b", "a -> join", "b -> join", "join -> after", "after -> end"]
    run = given(a_run(nodes, edges), advance(), complete("a"), advance())
    assert run.attempts == [("after", 1)]
    given(run, complete("b")).when(advance()).then()


def test_a_count_runs_at_that_many() -> None:
    run = given(fan_in({"count": 2}), advance(), complete("c"), advance())
    assert run.recorded == []
    given(run, complete("a"), advance())
    assert run.aggregate.status == "COMPLETED"


def test_an_edge_that_is_decided_but_not_taken_does_not_count() -> None:
    nodes = [a_condition("ask", "false"), a_set("a"), an_llm("b"), a_set("join", join="any")]
    edges = ["start -> ask", "start -> b", "ask -true-> a", "a -> join", "b -> join", "join -> end"]
    run = given(a_run(nodes, edges), advance())
    assert run.recorded[-2] == nodes_skipped("a")
    given(run, complete("b"), advance())
    assert run.aggregate.output == {"by": "join"}


@pytest.mark.parametrize("join", ["any", "all", {"count": 2}])
def test_a_node_none_of_whose_edges_was_taken_is_skipped(join: Json) -> None:
    nodes = [a_condition("ask", "false"), a_set("a"), a_set("b"), a_set("join", join=join)]
    edges = ["start -> ask", "ask -true-> a", "ask -true-> b", "a -> join", "b -> join"]
    run = given(a_run(nodes, [*edges, "join -> end", "ask -false-> end"])).when(advance())
    run.then_it_replays()
    assert run.aggregate.nodes["join"].status == "SKIPPED"
    assert run.aggregate.output is False


def test_a_count_that_can_no_longer_be_reached_is_skipped() -> None:
    nodes = [a_condition("ask", "false"), a_set("a"), a_set("b"), a_set("join", join={"count": 2})]
    edges = ["start -> ask", "ask -true-> a", "ask -false-> b", "a -> join", "b -> join"]
    run = given(a_run(nodes, [*edges, "join -> end", "b -> end"])).when(advance())
    run.then_it_replays()
    assert run.aggregate.nodes["join"].status == "SKIPPED"
    assert run.aggregate.output == {"by": "b"}


def test_two_edges_between_the_same_nodes_are_two() -> None:
    edges = ["start -> ask", "ask -true-> end", "ask -false-> end"]
    run = given(a_run([a_condition("ask", "true")], edges)).when(advance())
    assert (run.aggregate.status, run.aggregate.output) == ("COMPLETED", True)


def test_an_end_without_output_collects_what_its_edges_brought() -> None:
    nodes = [an_llm(name) for name in BRANCHES]
    edges = [f"start -> {name}" for name in BRANCHES] + [f"{name} -> end" for name in BRANCHES]
    run = given(a_run(nodes, edges), advance(), complete("a", 1), complete("b", 2))
    given(run, complete("c", 3), advance())
    assert run.aggregate.output == {"a": 1, "b": 2, "c": 3}


def with_error_port() -> Run:
    rescue: JsonObject = {
        "id": "rescue",
        "type": "set",
        "config": {"values": {"why": "{{ nodes.draft.error.code }}"}},
    }
    edges = ["start -> draft", "draft -> end", "draft -error-> rescue", "rescue -> end"]
    return a_run([an_llm("draft", retry={"max_attempts": 2}), rescue], edges)


def test_the_error_port_is_taken_when_the_node_failed_for_good() -> None:
    run = given(with_error_port(), advance(), fail("draft"), advance())
    assert run.recorded == []
    given(run, advance(1), fail("draft", "invalid", attempt=2)).when(advance()).then(
        node_completed("rescue", "set", {"why": "invalid"}),
        node_completed("end", "end", {"why": "invalid"}),
        completed({"why": "invalid"}),
    )


def test_the_error_port_is_not_taken_when_the_node_succeeds() -> None:
    run = given(with_error_port(), advance(), complete("draft", "fine")).when(advance())
    assert nodes_skipped("rescue") in run.recorded
    assert run.aggregate.output == "fine"


def test_a_config_that_cannot_be_rendered_takes_the_error_port_too() -> None:
    draft = an_llm("draft", config={"model": "m", "prompt": "{{ input.nope }}"})
    edges = ["start -> draft", "draft -> end", "draft -error-> rescue", "rescue -> end"]
    run = given(a_run([draft, a_set("rescue")], edges, {})).when(advance())
    assert run.aggregate.output == {"by": "rescue"}
    run.then_it_replays()


def test_an_end_behind_an_error_port_says_what_failed() -> None:
    edges = ["start -> draft", "draft -error-> end"]
    run = given(a_run([an_llm("draft")], edges), advance(), fail("draft", "invalid"), advance())
    error = {"code": "invalid", "message": "no", "attempt": 1}
    assert run.aggregate.output == {"error": error}


def test_an_expression_over_all_nodes_sees_those_that_ran_before_and_no_others() -> None:
    """What runs beside would be there or not by luck."""
    nodes = [
        a_set("beside"),
        a_condition("ask", "false"),
        a_set("skipped"),
        a_set("before"),
        a_set("look", config={"values": {"seen": "{{ nodes.map(id, id) }}"}}),
    ]
    edges = ["start -> beside", "start -> ask", "ask -true-> skipped", "ask -false-> before"]
    edges += ["skipped -> look", "before -> look", "look -> end"]
    run = given(a_run(nodes, edges), advance())
    assert run.aggregate.nodes["beside"].status == "COMPLETED"
    assert sorted(run.aggregate.output["seen"]) == ["ask", "before", "start"]
