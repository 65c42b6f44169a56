"""set names values."""

from domain.identifiers import Json
from tests.domain.given import Run, a_run, a_set, advance, given


def setting(values: Json) -> Run:
    nodes = [a_set("a", config={"values": values})]
    return given(a_run(nodes, ["start -> a", "a -> end"], {"n": 1, "o": {"p": 2}}), advance())


def test_values_are_rendered() -> None:
    run = setting({"double": "{{ input.n * 2 }}", "text": "n={{ input.n }}", "fixed": [1]})
    assert run.aggregate.output == {"double": 2, "text": "n=1", "fixed": [1]}


def test_an_expression_may_give_all_values() -> None:
    assert setting("{{ input.o }}").aggregate.output == {"p": 2}


def test_values_that_are_no_object_fail_the_run() -> None:
    run = setting("{{ input.n }}")
    assert run.recorded[-1][1]["message"].endswith("/values: this is a number, not an object")
