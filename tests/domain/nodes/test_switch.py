"""switch goes the first of several ways whose condition holds."""

from typing import Any

import pytest

from domain.identifiers import Json, JsonObject
from tests.domain.facts import node_completed, nodes_skipped
from tests.domain.given import Run, a_node, a_run, a_set, advance, given

WAYS = ("high", "low", "other")


def a_switch(default: str | None = "other") -> JsonObject:
    cases: list[Json] = [
        {"port": "high", "when": "input > 10"},
        {"port": "low", "when": "input > 5"},
    ]
    config: dict[str, Any] = {"cases": cases}
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
