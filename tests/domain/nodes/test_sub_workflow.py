"""Sub-workflows: a child begins with the append that says so, and its parent hears of its end."""

from typing import Any

from domain.execution_outcomes import child_ended
from tests.domain.facts import EXECUTION_ID, completed, fact, node_completed, node_failed
from tests.domain.given import (
    CHILD_ID,
    Run,
    a_node,
    a_run,
    a_set,
    advance,
    an_execution,
    begin_child,
    cancel,
    end_child,
    fail,
    given,
)

WORKFLOW_ID = str(EXECUTION_ID)


def a_parent(*edges: str, **config: Any) -> Run:
    child = a_node(
        "sub_workflow", "sub", **{"workflow_id": WORKFLOW_ID, "input": "{{ input }}", **config}
    )
    edges = edges or ("sub -> end",)
    nodes = [child, a_set("rescue")] if any("rescue" in edge for edge in edges) else [child]
    return a_run(nodes, ["start -> sub", *edges], {"q": 1})


def test_the_lookup_of_its_definition_is_an_attempt_without_an_intent() -> None:
    run = given(a_parent(), advance())
    assert run.topics == ["started", "node_completed"]
    (attempt,) = run.answer
    assert (attempt.path, attempt.number, attempt.has_intent) == ("sub", 1, False)
    assert attempt.request == {
        "workflow_id": WORKFLOW_ID,
        "version": None,
        "input": {"q": 1},
        "wait": True,
        "on_parent_close": "cancel",
    }


def test_a_child_begins_and_the_parent_waits_for_it() -> None:
    run = given(a_parent(), advance()).when(begin_child("sub"))
    run.then(
        fact(
            "child_started",
            path="sub",
            node_type="sub_workflow",
            attempt=1,
            child_id=str(CHILD_ID),
            is_awaited=True,
            on_parent_close="cancel",
        )
    )
    run.when(advance()).then(fact("suspended", wake_at=None))


def test_the_output_of_the_child_is_the_output_of_the_node() -> None:
    run = given(a_parent(), advance(), begin_child("sub"), advance(), end_child({"a": 1}))
    run.when(advance()).then(
        node_completed("sub", "sub_workflow", {"a": 1}),
        node_completed("end", "end", {"a": 1}),
        completed({"a": 1}),
    )


def test_a_child_that_fails_fails_the_node() -> None:
    run = given(a_parent(), advance(), begin_child("sub"), end_child(fails=True)).when(advance())
    message = f"execution {CHILD_ID} ended FAILED: bad: no"
    assert run.recorded[0] == node_failed("sub", "child_failed", message, node_type="sub_workflow")


def test_an_error_edge_takes_a_child_that_failed() -> None:
    run = given(a_parent("sub -> end", "sub -error-> rescue", "rescue -> end"), advance())
    given(run, begin_child("sub"), end_child(fails=True), advance())
    assert run.aggregate.output == {"by": "rescue"}


def test_a_child_that_is_not_awaited_gives_its_id_at_once() -> None:
    run = given(a_parent(wait=False), advance(), begin_child("sub", is_awaited=False))
    assert run.topics == ["child_started", "node_completed"]
    assert given(run, advance()).aggregate.output == {"execution_id": str(CHILD_ID)}


def test_a_workflow_that_cannot_be_found_fails_the_node() -> None:
    run = given(a_parent(), advance())
    given(run, fail("sub", "workflow_not_found", is_retryable=False), advance())
    assert run.aggregate.error["code"] == "workflow_not_found"


def test_a_child_of_an_attempt_that_is_over_does_not_begin() -> None:
    run = given(a_parent(), advance(), cancel()).when(begin_child("sub")).then()
    assert run.answer is False


def test_the_end_of_a_child_that_nobody_knows_is_nothing() -> None:
    run = given(a_parent(), advance())
    run.when(end_child("who?")).then()


def test_a_parent_that_has_ended_hears_nothing() -> None:
    run = given(a_parent(), advance(), begin_child("sub"), cancel())
    run.when(end_child("late")).then()


def test_the_end_of_another_run_is_nothing() -> None:
    child = an_execution(CHILD_ID, "hash", None)
    run = given(a_parent(), advance())
    child_ended(run.aggregate, child)
    assert run.aggregate.pending_events == []
