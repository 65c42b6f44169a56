"""A run goes on in another version only where that version could have come to the same point."""

from datetime import timedelta
from typing import Any

import pytest

from domain import execution_commands as commands
from domain.definitions import Definition
from domain.execution_upgrades import (
    AttemptsRunning,
    NotCompatible,
    incompatibilities,
    upgrade,
)
from domain.executions import ExecutionEnded
from domain.identifiers import Json, JsonObject
from tests.domain.given import (
    Act,
    Run,
    a_condition,
    a_definition,
    a_run,
    a_set,
    advance,
    an_llm,
    cancel,
    complete,
    fail,
    given,
)

DELAY: JsonObject = {"id": "wait", "type": "delay", "config": {"duration_s": 60}}
EDGES = ["start -> a", "a -> wait", "wait -> b", "b -> end"]
NODES = [a_set("a"), DELAY, a_set("b")]


def to(new: Definition, version: int = 2) -> Act:
    return lambda run: upgrade(run.aggregate, run.definition, new, version)


def waiting() -> Run:
    """Did `a`, and waits a minute."""
    run = given(a_run(NODES, EDGES), advance())
    assert run.aggregate.status == "WAITING"
    return run


def reasons(run: Run, new: Definition) -> list[str]:
    return incompatibilities(run.aggregate, run.definition, new)


def finished(run: Run, new: Definition) -> str:
    """The status that the run comes to in the new version."""
    given(run, to(new)).then_it_replays()
    run.definition = new
    run.now += timedelta(minutes=2)
    given(run, advance())
    return run.aggregate.status


def test_a_waiting_run_goes_on_in_the_new_version() -> None:
    new = a_definition(
        [*NODES, a_set("fresh")],
        ["start -> a", "a -> wait", "wait -> b", "b -> fresh", "fresh -> end"],
    )
    run = waiting()
    run.when(to(new)).then(
        ("execution.upgraded", {"definition_hash": new.hash, "workflow_version": 2})
    )
    run.definition = new
    given(run, advance(after_s=120))
    assert run.aggregate.status == "COMPLETED"
    assert run.aggregate.runs.get("fresh").status == "COMPLETED"


def test_upgrading_to_the_version_that_runs_is_nothing() -> None:
    run = waiting()
    run.aggregate.workflow_version = 2
    assert given(run, to(run.definition)).recorded == []


def test_a_config_that_nobody_has_used_yet_may_be_another() -> None:
    new = a_definition([a_set("a"), DELAY, an_llm("b")], EDGES)
    assert reasons(waiting(), new) == []


def test_a_node_that_has_ended_may_have_another_config_but_no_other_type() -> None:
    other: JsonObject = {"id": "a", "type": "set", "config": {"values": {"by": "somebody"}}}
    assert reasons(waiting(), a_definition([other, *NODES[1:]], EDGES)) == []
    new = a_definition([an_llm("a"), *NODES[1:]], EDGES)
    assert reasons(waiting(), new) == ["`a` is of type llm, and was set"]


def test_a_node_that_waits_keeps_its_config() -> None:
    longer: JsonObject = {"id": "wait", "type": "delay", "config": {"duration_s": 90}}
    new = a_definition([a_set("a"), longer, a_set("b")], EDGES)
    assert reasons(waiting(), new) == ["`wait` has begun, and has another config"]


def test_a_node_that_was_done_must_still_be_there() -> None:
    new = a_definition([DELAY, a_set("b")], ["start -> wait", "wait -> b", "b -> end"])
    assert reasons(waiting(), new) == ["there is no node `a`"]


def test_a_new_node_before_one_that_has_begun_comes_too_late() -> None:
    edges = ["start -> a", "a -> fresh", "fresh -> wait", "wait -> b", "b -> end"]
    new = a_definition([*NODES, a_set("fresh")], edges)
    assert reasons(waiting(), new) == ["`wait` has begun, and would still wait for one of fresh"]


def test_a_new_node_beside_what_was_done_runs_when_the_run_goes_on() -> None:
    edges = [*EDGES, "a -> fresh", "fresh -> b"]
    run, new = waiting(), a_definition([*NODES, a_set("fresh")], edges)
    assert finished(run, new) == "COMPLETED"
    assert run.aggregate.runs.get("fresh").status == "COMPLETED"


def branching(expression: str, *edges: str) -> tuple[list[JsonObject], list[str]]:
    nodes = [a_condition("if", expression), a_set("yes"), a_set("no"), DELAY]
    return nodes, ["start -> if", *edges, "yes -> wait", "no -> wait", "wait -> end"]


def test_what_was_skipped_must_stay_skipped() -> None:
    run = given(a_run(*branching("true", "if -true-> yes", "if -false-> no")), advance())
    swapped = a_definition(*branching("true", "if -false-> yes", "if -true-> no"))
    assert reasons(run, swapped) == [
        "`yes` has begun, and would be skipped",
        "`no` was skipped, and would run or wait",
    ]
    same = a_definition(*branching("false", "if -true-> yes", "if -false-> no"))
    assert reasons(run, same) == []
    assert finished(run, same) == "COMPLETED"


def test_a_new_node_on_a_way_not_taken_is_skipped() -> None:
    nodes, edges = branching("true", "if -true-> yes", "if -false-> no")
    run = given(a_run(nodes, edges), advance())
    new = a_definition([*nodes, a_set("never")], [*edges, "if -false-> never", "never -> wait"])
    assert finished(run, new) == "COMPLETED"
    assert run.aggregate.runs.get("never").status == "SKIPPED"


def test_a_join_that_was_satisfied_early_must_be_so_again() -> None:
    edges = ["start -> a", "start -> slow", "a -> wait", "slow -> wait", "wait -> end"]
    nodes = [a_set("a"), an_llm("slow"), {**DELAY, "join": "any"}]
    run = given(a_run(nodes, edges), advance(), complete("slow"), advance())
    assert reasons(run, run.definition) == []
    run = given(a_run(nodes, edges), advance())
    assert reasons(run, a_definition([a_set("a"), an_llm("slow"), DELAY], edges)) == [
        "`wait` has begun, and would still wait for one of a, slow"
    ]


def test_a_way_out_of_an_error_must_stay() -> None:
    edges = ["start -> a", "a -error-> wait", "a -> end", "wait -> end"]
    run = given(a_run([an_llm("a"), DELAY], edges), advance(), fail("a", is_retryable=False))
    given(run, advance())
    assert reasons(run, run.definition) == []
    without = a_definition(
        [an_llm("a"), DELAY], ["start -> a", "a -> end", "a -> wait", "wait -> end"]
    )
    assert reasons(run, without) == ["`a` failed, and its error leads nowhere"]


COMPENSATION: Json = {"type": "llm", "config": {"model": "offline/echo", "prompt": "undo"}}


def test_what_can_be_undone_must_stay_so() -> None:
    nodes = [an_llm("a", compensate=COMPENSATION), DELAY, a_set("b")]
    run = given(a_run(nodes, EDGES), advance(), complete("a"), advance())
    new = a_definition([an_llm("a"), DELAY, a_set("b")], EDGES)
    assert reasons(run, new) == ["`a` does not say any more how it is undone"]


def mapped(*nodes: JsonObject, edges: list[str], over: str = "{{ [1, 2] }}") -> list[JsonObject]:
    body: Any = a_definition(nodes, edges).canonical
    config: JsonObject = {"over": over, "concurrency": 2, "body": body}
    return [{"id": "each", "type": "map", "config": config}]


AROUND = ["start -> each", "each -> end"]
INSIDE = ["start -> in", "in -> wait", "wait -> end"]


def test_the_iterations_that_are_open_must_fit_the_new_body() -> None:
    run = given(a_run(mapped(a_set("in"), DELAY, edges=INSIDE), AROUND), advance())
    assert reasons(run, run.definition) == []
    after = ["start -> in", "in -> wait", "wait -> fresh", "fresh -> end"]
    new = a_definition(mapped(a_set("in"), DELAY, a_set("fresh"), edges=after), AROUND)
    assert reasons(run, new) == []
    before = ["start -> in", "in -> fresh", "fresh -> wait", "wait -> end"]
    new_before = a_definition(mapped(a_set("in"), DELAY, a_set("fresh"), edges=before), AROUND)
    assert reasons(run, new_before) == [
        f"`each[{index}]/wait` has begun, and would still wait for one of fresh" for index in (0, 1)
    ]
    assert finished(run, new) == "COMPLETED"


def test_an_open_map_goes_over_the_same_items() -> None:
    run = given(a_run(mapped(a_set("in"), DELAY, edges=INSIDE), AROUND), advance())
    new = a_definition(mapped(a_set("in"), DELAY, edges=INSIDE, over="{{ [1] }}"), AROUND)
    assert reasons(run, new) == ["`each` has begun, and has another config"]


def test_a_run_is_not_moved_while_attempts_are_under_way() -> None:
    run = given(a_run([an_llm("a"), DELAY, a_set("b")], EDGES), advance())
    with pytest.raises(AttemptsRunning):
        to(run.definition)(run)
    given(run, lambda story: commands.pause(story.aggregate), complete("a"))
    assert finished(run, a_definition([an_llm("a"), DELAY, an_llm("b")], EDGES)) == "PAUSED"


def test_a_run_that_has_ended_stays_what_it_was() -> None:
    run = given(waiting(), cancel())
    with pytest.raises(ExecutionEnded):
        to(run.definition)(run)


def test_a_refusal_tells_the_reasons() -> None:
    with pytest.raises(NotCompatible, match="version 2: there is no node `a`") as refusal:
        to(a_definition([DELAY, a_set("b")], ["start -> wait", "wait -> b", "b -> end"]))(waiting())
    assert refusal.value.data["reasons"] == ["there is no node `a`"]


def test_a_run_that_is_being_undone_is_not_moved() -> None:
    nodes = [an_llm("a", compensate=COMPENSATION), DELAY, a_set("b")]
    run = given(a_run(nodes, EDGES), advance(), complete("a"), advance())
    given(run, lambda story: commands.cancel_and_undo(story.aggregate, story.definition, None))
    assert reasons(run, run.definition) == ["what it did is being undone"]
