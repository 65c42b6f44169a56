"""merge is where branches meet: all of them, any, or a count."""

from domain.identifiers import Json
from tests.domain.given import (
    Run,
    a_node,
    a_run,
    advance,
    an_llm,
    complete,
    fail,
    given,
)


def branching(join: Json) -> Run:
    """Three models between a parallel and a merge."""
    models = [an_llm(name) for name in "abc"]
    fork, merge = a_node("parallel", "fork"), a_node("merge", "merge", beside={"join": join})
    edges = ["start -> fork", *(f"fork -> {name}" for name in "abc")]
    edges += [*(f"{name} -> merge" for name in "abc"), "merge -> end"]
    return a_run([fork, *models, merge], edges, "question")


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
