"""A fork has what was done before its node, and does everything else itself."""

from itertools import pairwise
from typing import Any

import pytest

from domain import execution_commands as commands
from domain.definitions import Definition, parse_definition
from domain.errors import Invalid
from domain.execution_forks import COPIED_BYTES_MAX, plan_fork
from domain.execution_steps import advance as take_step
from domain.executions import Execution
from domain.identifiers import Json, JsonObject
from domain.payloads import PAYLOAD_BYTES_MAX
from tests.domain.given import (
    EXECUTION_ID,
    NOON,
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

CHAIN = ["start -> a", "a -> b", "b -> c", "c -> end"]
SETS = [a_set("a"), a_set("b"), a_set("c")]


def copied(run: Run, from_node: str, target: Definition | None = None) -> list[str]:
    plan = plan_fork(run.aggregate, run.definition, target or run.definition, from_node)
    return [path for path, _, _, _ in plan]


def forked(run: Run, from_node: str, target: Definition | None = None) -> Run:
    """The fork after its first step."""
    target = target or run.definition
    fork = Execution(
        id=EXECUTION_ID,
        workflow_id=None,
        workflow_version=None,
        agent_id=None,
        definition_hash=target.hash,
        input=run.aggregate.input,
        created_by="user:ada",
        parent_id=None,
        parent_path=None,
        depth=0,
        forked_from_id=str(run.aggregate.id),
        forked_from_node=from_node,
        subject_id=None,
        data_subject=None,
    )
    for path, node_type, output, ports in plan_fork(
        run.aggregate, run.definition, target, from_node
    ):
        fork.trigger_event(
            Execution.NodeCopied, path=path, node_type=node_type, output=output, ports=list(ports)
        )
    return given(Run(fork, definition=target), advance())


def refusal(run: Run, from_node: str, target: Definition | None = None) -> tuple[str, str]:
    with pytest.raises(Invalid) as refused:
        copied(run, from_node, target)
    (mistake,) = refused.value.errors
    assert mistake.path == "/from_node"
    return mistake.code, mistake.message


def test_what_ran_before_the_node_is_copied_and_the_rest_is_done_again() -> None:
    run = given(a_run(SETS, CHAIN), advance())
    assert copied(run, "b") == ["start", "a"]
    fork = forked(run, "b")
    done = [fact["path"] for topic, fact in fork.recorded if topic == "execution.node_completed"]
    assert done == ["b", "c", "end"]
    assert fork.aggregate.status == "COMPLETED"


def test_a_fork_from_the_start_copies_nothing() -> None:
    assert copied(given(a_run(SETS, CHAIN), advance()), "start") == []


def test_what_was_copied_is_as_it_was_and_not_an_attempt() -> None:
    run = given(a_run([an_llm("a"), a_set("b")], ["start -> a", "a -> b", "b -> end"]))
    given(run, advance(), complete("a", {"text": "hi"}), advance())
    fork = forked(run, "b")
    copy = fork.aggregate.runs.get("a")
    assert (copy.output, copy.attempt, copy.status) == ({"text": "hi"}, 0, "COMPLETED")
    fork.then_it_replays()


def test_a_branch_beside_the_node_is_copied_too() -> None:
    edges = ["start -> a", "start -> b", "a -> join", "b -> join", "join -> end"]
    run = given(a_run([a_set("a"), a_set("b"), a_set("join")], edges), advance())
    assert copied(run, "b") == ["start", "a"]


def test_a_fork_skips_again_what_was_skipped() -> None:
    nodes = [a_condition("if", "true"), a_set("yes"), a_set("no"), a_set("last")]
    edges = ["start -> if", "if -true-> yes", "if -false-> no", "yes -> last", "no -> last"]
    run = given(a_run(nodes, [*edges, "last -> end"]), advance())
    assert copied(run, "last") == ["start", "if", "yes"]
    assert forked(run, "last").aggregate.runs.get("no").status == "SKIPPED"


def test_a_node_that_the_run_does_not_come_to_is_no_place_to_begin() -> None:
    nodes = [a_condition("if", "true"), a_set("no")]
    edges = ["start -> if", "if -true-> end", "if -false-> no", "no -> end"]
    code, _ = refusal(given(a_run(nodes, edges), advance()), "no")
    assert code == "not_reached"


def test_a_node_that_failed_runs_again_with_all_that_depends_on_it() -> None:
    nodes = [an_llm("a"), a_set("b"), a_set("c")]
    run = given(a_run(nodes, CHAIN), advance(), fail("a", is_retryable=False), advance())
    assert run.aggregate.status == "FAILED"
    assert copied(run, "c") == ["start"]
    assert forked(run, "c").attempts == [("a", 1)]


def test_a_node_that_is_new_before_it_runs_and_so_does_what_follows_from_it() -> None:
    run = given(a_run(SETS, CHAIN), advance())
    edges = ["start -> a", "a -> fresh", "fresh -> b", "b -> c", "c -> end"]
    target = a_definition([*SETS, a_set("fresh")], edges)
    assert copied(run, "c", target) == ["start", "a"]


def test_what_used_the_node_in_the_original_is_not_copied_though_it_lies_elsewhere_now() -> None:
    run = given(a_run(SETS, CHAIN), advance())
    beside = a_definition(SETS, ["start -> a", "start -> b", "start -> c", "a -> end", "b -> end"])
    assert copied(run, "a", beside) == ["start"]


def test_a_node_of_another_type_or_with_other_ports_is_not_copied() -> None:
    run = given(a_run(SETS, CHAIN), advance())
    assert copied(run, "c", a_definition([an_llm("a"), *SETS[1:]], CHAIN)) == ["start"]
    switch: JsonObject = {"cases": [{"port": "x", "when": "true"}], "default": "y"}
    nodes: list[JsonObject] = [{"id": "if", "type": "switch", "config": switch}, a_set("b")]
    run = given(a_run(nodes, ["start -> if", "if -x-> b", "if -y-> end", "b -> end"]), advance())
    renamed: JsonObject = {"cases": [{"port": "z", "when": "true"}], "default": "y"}
    nodes = [{"id": "if", "type": "switch", "config": renamed}, a_set("b")]
    target = a_definition(nodes, ["start -> if", "if -z-> b", "if -y-> end", "b -> end"])
    assert copied(run, "b", target) == ["start"]


def test_a_running_execution_can_be_forked() -> None:
    run = given(a_run([a_set("a"), an_llm("b"), a_set("c")], CHAIN), advance())
    assert run.aggregate.status == "RUNNING"
    assert copied(run, "c") == ["start", "a"]
    given(run, cancel())
    assert forked(run, "b").attempts == [("b", 1)]


def test_a_fork_never_undoes_what_it_copied() -> None:
    compensation: Json = {"type": "llm", "config": {"model": "offline/echo", "prompt": "undo"}}
    nodes = [an_llm("a", compensate=compensation), an_llm("b"), a_set("c")]
    run = given(a_run(nodes, CHAIN), advance(), complete("a"), advance(), complete("b"), advance())
    fork = forked(run, "b")
    given(fork, fail("b", is_retryable=False), advance())
    assert fork.aggregate.status == "FAILED"


def test_a_fork_of_a_fork_copies_what_was_copied() -> None:
    run = forked(given(a_run(SETS, CHAIN), advance()), "b")
    assert copied(run, "c") == ["start", "a", "b"]


def test_a_loop_is_copied_whole_and_is_no_place_to_begin_inside() -> None:
    body: JsonObject = {
        "nodes": [{"id": "s", "type": "start"}, a_set("inner"), {"id": "e", "type": "end"}],
        "edges": [{"from": "s", "to": "inner"}, {"from": "inner", "to": "e"}],
    }
    config: JsonObject = {"while": "loop.index < 2", "max_iterations": 5, "body": body}
    nodes: list[JsonObject] = [{"id": "again", "type": "loop", "config": config}, a_set("b")]
    run = given(a_run(nodes, ["start -> again", "again -> b", "b -> end"]), advance())
    assert copied(run, "b") == ["start", "again"]
    for inside in ("inner", "again[0]/inner"):
        assert refusal(run, inside)[0] == "inside_a_body"


def test_there_is_a_bound_to_what_is_copied() -> None:
    nodes = [f"n{index}" for index in range(COPIED_BYTES_MAX // PAYLOAD_BYTES_MAX)]
    edges = [f"{before} -> {after}" for before, after in pairwise(["start", *nodes, "last", "end"])]
    run = a_run([*(an_llm(node) for node in nodes), a_set("last")], edges)
    for node in nodes:
        given(run, advance(), complete(node, "x" * (PAYLOAD_BYTES_MAX - len('""'))))
    given(run, advance())
    code, message = refusal(run, "last")
    assert code == "copies_too_large"
    assert message == f"what ran before it is more than {COPIED_BYTES_MAX} bytes to copy"
    assert copied(run, nodes[-1]) == ["start", *nodes[:-1]]


def test_an_unknown_node_is_answered_with_those_there_are() -> None:
    code, message = refusal(given(a_run(SETS, CHAIN), advance()), "d")
    assert code == "unknown_node"
    assert message == "there is no node `d`; there are start, a, b, c, end"


def test_the_handler_of_errors_is_not_taken_for_a_part_of_the_way() -> None:
    raw: Any = a_definition(SETS, CHAIN).canonical
    handler: Any = {"id": "oops", "type": "set", "config": {"values": {}}}
    edge: Any = {"from": "oops", "to": "end"}
    definition = parse_definition(
        {"nodes": [*raw["nodes"], handler], "edges": [*raw["edges"], edge], "on_error": "oops"}
    )
    run = Run(a_run(SETS, CHAIN).aggregate, definition=definition)
    run.aggregate.definition_hash = definition.hash
    take_step(run.aggregate, definition, now=NOON)
    assert run.aggregate.status == "COMPLETED"
    assert copied(run, "c") == ["start", "a", "b"]


def test_retrying_a_fork_keeps_what_it_copied() -> None:
    nodes = [a_set("a"), an_llm("b"), a_set("c")]
    run = given(a_run(nodes, CHAIN), advance(), complete("b"), advance())
    fork = given(forked(run, "b"), fail("b", is_retryable=False), advance())
    given(fork, lambda story: commands.retry(story.aggregate, story.definition), advance())
    assert fork.attempts == [("b", 2)]
