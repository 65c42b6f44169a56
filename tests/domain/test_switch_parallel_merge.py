"""Ways that part and ways that meet: switch, parallel and merge."""

import pytest

from domain.identifiers import Json, JsonObject
from tests.domain.given import (
    Run,
    a_node,
    a_run,
    a_set,
    advance,
    an_llm,
    complete,
    fail,
    given,
    node_completed,
    nodes_skipped,
)

WAYS = ("high", "low", "other")


def a_switch(default: str | None = "other") -> JsonObject:
    cases: list[Json] = [
        {"port": "high", "when": "input > 10"},
        {"port": "low", "when": "input > 5"},
    ]
    config: JsonObject = {"cases": cases}
    return a_node(
        "switch", "way", **(config if default is None else {**config, "default": default})
    )


def switching(given_input: Json) -> Run:
    edges = ["start -> way"] + [f"way -{way}-> {way}" for way in WAYS]
    edges += [f"{way} -> end" for way in WAYS]
    return a_run([a_switch(), *map(a_set, WAYS)], edges, given_input)


@pytest.mark.parametrize(("given_input", "way"), [(20, "high"), (7, "low"), (1, "other")])
def test_a_switch_goes_the_first_way_that_holds_or_the_default(given_input: Json, way: str) -> None:
    run = given(switching(given_input), advance())
    assert node_completed("way", "switch", way, way) in run.recorded
    assert nodes_skipped(*(other for other in WAYS if other != way)) in run.recorded
    assert run.aggregate.output == {"by": way}


def test_a_switch_without_a_case_that_holds_fails() -> None:
    run = given(a_run([a_switch(default=None)], ["start -> way", "way -high-> end"], 1), advance())
    assert run.aggregate.error["message"].endswith("no case holds, and there is no default")


def test_a_switch_that_fails_leaves_by_its_error_edge() -> None:
    edges = ["start -> way", "way -high-> end", "way -error-> rescue", "rescue -> end"]
    run = given(a_run([a_switch(None), a_set("rescue")], edges, "text"), advance())
    assert run.aggregate.output == {"by": "rescue"}


def branching(join: Json) -> Run:
    """Three models between a parallel and a merge."""
    models = [an_llm(name) for name in "abc"]
    fork, merge = a_node("parallel", "fork"), a_node("merge", "merge", beside={"join": join})
    edges = ["start -> fork", *(f"fork -> {name}" for name in "abc")]
    edges += [*(f"{name} -> merge" for name in "abc"), "merge -> end"]
    return a_run([fork, *models, merge], edges, "question")


def test_a_parallel_takes_every_edge_and_hands_on_what_came() -> None:
    run = given(branching("all"), advance())
    assert node_completed("fork", "parallel", "question") in run.recorded
    assert run.running == ["a", "b", "c"]


def test_a_merge_of_all_has_every_output_in_the_order_of_its_edges() -> None:
    run = given(branching("all"), advance(), complete("c", 3), complete("a", 1), complete("b", 2))
    given(run, advance())
    assert run.aggregate.output == [1, 2, 3]


def test_a_merge_of_any_has_the_first_alone() -> None:
    run = given(branching("any"), advance(), complete("b", 2), advance())
    assert run.aggregate.output == [2]
    assert run.aggregate.nodes["a"].error["code"] == "abandoned"


def test_a_merge_of_a_count_waits_for_that_many() -> None:
    run = given(branching({"count": 2}), advance(), complete("c", 3), advance())
    assert run.status == "RUNNING"
    given(run, complete("a", 1), advance())
    assert run.aggregate.output == [1, 3]


def test_a_merge_takes_an_error_in_where_an_error_edge_leads_to_it() -> None:
    edges = ["start -> a", "start -> b", "a -> merge", "b -> merge", "a -error-> merge"]
    run = a_run([an_llm("a"), an_llm("b"), a_node("merge", "merge")], [*edges, "merge -> end"])
    given(run, advance(), fail("a"), complete("b", 2), advance())
    assert run.aggregate.output == [
        2,
        {"error": {"code": "rate_limited", "message": "no", "attempt": 1}},
    ]
