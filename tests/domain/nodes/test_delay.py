"""delay waits for a duration, or until an instant."""

from datetime import timedelta
from typing import Any

import pytest

from domain.identifiers import JsonObject
from tests.domain.facts import completed, node_completed, started
from tests.domain.given import NOON, Run, a_node, a_run, advance, an_llm, complete, given
from tests.domain.waits import at, node_suspended, suspended, waiting


def a_delay(**config: Any) -> Run:
    return waiting(a_node("delay", "nap", **config), "nap -> end", given_input={"s": 30, "at": 7})


def test_a_delay_waits_and_the_run_is_given_out_of_hand() -> None:
    run = given(a_delay(duration_s=60)).when(advance())
    run.then(
        started(),
        node_completed("start", "start", {"s": 30, "at": 7}),
        node_suspended("nap", "delay", {"duration_s": 60.0}, at(60)),
        suspended(60),
    )
    assert (run.status, run.wake_at) == ("WAITING", NOON + timedelta(seconds=60))
    run.when(advance(59.9)).then()
    output = {"woke_at": at(60)}
    run.when(advance(0.1)).then(
        node_completed("nap", "delay", output),
        node_completed("end", "end", output),
        completed(output),
    )


def test_a_short_delay_keeps_the_run_in_hand() -> None:
    run = given(a_delay(duration_s=3), advance())
    assert (run.status, run.topics[-1]) == ("RUNNING", "node_suspended")
    assert given(run, advance(3)).status == "COMPLETED"


def test_a_delay_of_nothing_goes_on_at_once() -> None:
    assert given(a_delay(duration_s=0), advance()).status == "COMPLETED"


@pytest.mark.parametrize(
    ("config", "seconds"),
    [
        ({"duration_s": "{{ input.s * 2 }}"}, 60),
        ({"until": "2026-11-21T12:00:20Z"}, 20),
        ({"until": "2026-11-21T14:00:20+02:00"}, 20),
        ({"until": "2026-11-21T12:00:0{{ input.at }}Z"}, 7),
    ],
)
def test_a_delay_may_be_computed(config: JsonObject, seconds: float) -> None:
    run = given(a_delay(**config), advance())
    assert run.wake_at == NOON + timedelta(seconds=seconds)


def test_an_instant_that_is_over_is_no_wait() -> None:
    assert given(a_delay(until="2020-01-01T00:00:00Z"), advance()).status == "COMPLETED"


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ({"duration_s": "{{ input.s - 31 }}"}, "/duration_s: -1 s is not from 0 s to a year"),
        ({"duration_s": "{{ string(input.s) }}"}, "/duration_s: this is a string, not a number"),
        ({"until": "tomorrow"}, "/until: `tomorrow` is not an instant of RFC 3339"),
        ({"until": "2026-11-21T12:00:20"}, "/until: `2026-11-21T12:00:20` has no offset from UTC"),
        (
            {"until": "2099-01-01T00:00:00Z"},
            "/until: `2099-01-01T00:00:00Z` is more than a year away",
        ),
    ],
)
def test_a_delay_that_makes_no_sense_fails(config: JsonObject, reason: str) -> None:
    run = given(a_delay(**config), advance())
    assert run.aggregate.nodes["nap"].error["message"] == reason


def test_a_run_rests_only_when_no_attempt_is_under_way() -> None:
    nodes = [a_node("delay", "nap", duration_s=60), an_llm("draft")]
    edges = ["start -> nap", "start -> draft", "nap -> end", "draft -> end"]
    run = given(a_run(nodes, edges), advance())
    assert run.status == "RUNNING"
    given(run, complete("draft")).when(advance()).then(suspended(60))
