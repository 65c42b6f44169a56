"""parallel is where branches part."""

from tests.domain.facts import node_completed
from tests.domain.given import a_node, a_run, advance, an_llm, given


def test_a_parallel_takes_every_edge_and_hands_on_what_came() -> None:
    models = [an_llm(name) for name in "abc"]
    edges = ["start -> fork", *(f"fork -> {name}" for name in "abc")]
    edges += [f"{name} -> end" for name in "abc"]
    run = given(a_run([a_node("parallel", "fork"), *models], edges, "question"), advance())
    assert node_completed("fork", "parallel", "question") in run.recorded
    assert run.running == ["a", "b", "c"]
