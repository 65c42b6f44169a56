"""start passes the input of the run on."""

from tests.domain.given import a_run, advance, given


def test_a_run_starts_with_its_input() -> None:
    run = given(a_run([], ["start -> end"], {"question": "Why?"}), advance())
    assert run.aggregate.nodes["start"].output == {"question": "Why?"}
    assert run.aggregate.output == {"question": "Why?"}
