"""condition goes one way or the other, and nowhere when the answer is no boolean."""

import pytest

from domain.identifiers import Json
from tests.domain.given import a_condition, a_run, a_set, advance, given

EDGES = ["start -> ask", "ask -true-> yes", "ask -false-> no", "yes -> end", "no -> end"]


@pytest.mark.parametrize(
    ("expression", "way"),
    [("input.n > 1", "yes"), ("input.n > 5", "no"), ("{{ input.n > 1 }}", "yes")],
)
def test_the_answer_decides_the_way(expression: str, way: str) -> None:
    nodes = [a_condition("ask", expression), a_set("yes"), a_set("no")]
    run = given(a_run(nodes, EDGES, {"n": 3}), advance())
    assert run.aggregate.output == {"by": way}


@pytest.mark.parametrize(
    ("given_input", "shown"), [("text", "a string"), (1, "a number"), (None, "null")]
)
def test_an_answer_that_is_no_boolean_fails_the_run(given_input: Json, shown: str) -> None:
    nodes = [a_condition("ask", "input"), a_set("yes"), a_set("no")]
    run = given(a_run(nodes, EDGES, given_input), advance())
    assert run.aggregate.nodes["ask"].error == {
        "code": "expression_failed",
        "message": f"/expression: `input` is {shown}, not a boolean",
        "attempt": 1,
    }
