"""end makes the output of the run."""

import pytest

from domain.identifiers import Json
from tests.domain.given import Run, a_run, advance, given


def ending_with(config: dict[str, Json]) -> Run:
    end: dict[str, Json] = {"id": "end", "type": "end", "config": config}
    return given(a_run([end], ["start -> end"], {"n": 1}), advance())


@pytest.mark.parametrize(
    ("output", "expected"),
    [("{{ input.n }}", 1), ({"n": ["{{ input.n }}"]}, {"n": [1]}), (None, None), ("text", "text")],
)
def test_the_output_is_rendered(output: Json, expected: Json) -> None:
    assert ending_with({"output": output}).aggregate.output == expected


def test_without_an_output_it_is_what_came_in() -> None:
    assert ending_with({}).aggregate.output == {"n": 1}


def test_an_output_that_fails_fails_the_run() -> None:
    run = ending_with({"output": {"a": "{{ input.nope }}"}})
    assert run.aggregate.status == "FAILED"
    message = run.recorded[-1][1]["message"]
    assert "/output/a: `input.nope`: there is no `nope` in `input`" in message
