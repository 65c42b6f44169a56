"""approval waits for somebody to decide, or for its time to be over."""

from typing import Any

import pytest

from domain.errors import DomainError
from domain.execution_commands import ApprovalDecidedAlready, ApprovalNotFound, NotAnAssignee
from domain.identifiers import Json, JsonObject
from tests.domain.given import (
    Run,
    a_node,
    a_run,
    a_set,
    advance,
    an_effect,
    an_llm,
    cancel,
    cancel_and_undo,
    complete,
    decide,
    given,
    raises,
)
from tests.domain.waits import node_suspended


def an_approval(**config: Any) -> Run:
    node = a_node("approval", "ask", **{"title": "May I?", **config})
    nodes = [node, a_set("yes"), a_set("no"), a_set("rescue")]
    edges = ["start -> ask", "ask -approved-> yes", "ask -rejected-> no", "ask -error-> rescue"]
    return a_run(nodes, [*edges, "yes -> end", "no -> end", "rescue -> end"], {"who": "user:bob"})


@pytest.mark.parametrize(("decision", "way"), [("approve", "yes"), ("reject", "no")])
def test_a_decision_says_which_way_the_run_goes(decision: Json, way: str) -> None:
    run = given(an_approval(), advance(), decide("ask", decision, edits={"n": 1}), advance())
    output = {"decision": decision, "comment": None, "edits": {"n": 1}, "decided_by": "user:ada"}
    assert run.output_of("ask") == output
    assert run.aggregate.output == {"by": way}


@pytest.mark.parametrize(
    ("on_timeout", "way"), [("approve", "yes"), ("reject", "no"), ("fail", "rescue")]
)
def test_when_nobody_decides_time_does(on_timeout: str, way: str) -> None:
    run = given(an_approval(deadline_s=60, on_timeout=on_timeout), advance(), advance(60))
    assert run.aggregate.output == {"by": way}
    if way != "rescue":
        assert run.output_of("ask")["decided_by"] is None


def test_what_is_asked_is_recorded_with_its_form_and_those_who_were_asked() -> None:
    form: JsonObject = {"type": "object", "required": ["n"]}
    run = given(an_approval(assignees=["{{ input.who }}"], form_schema=form), advance())
    request = {
        "title": "May I?",
        "form_schema": form,
        "assignees": ["user:bob"],
        "deadline_s": None,
        "on_timeout": "fail",
    }
    assert run.recorded[2] == node_suspended("ask", "approval", request, None)
    run.when(raises(NotAnAssignee, decide("ask", by="user:ada"))).then()
    assert given(run, decide("ask", by="user:bob")).answer == form


def test_nothing_is_decided_while_the_run_is_being_undone() -> None:
    nodes = [an_effect("book"), a_node("approval", "ask", title="?")]
    edges = ["start -> book", "book -> ask", "ask -approved-> end"]
    run = given(a_run(nodes, edges), advance(), complete("book"), advance(), cancel_and_undo())
    run.when(raises(ApprovalNotFound, decide("ask"))).then()


@pytest.mark.parametrize(
    ("refusal", "history"),
    [
        (ApprovalDecidedAlready, [advance(), decide("ask")]),
        (ApprovalDecidedAlready, [advance(), decide("ask"), advance()]),
        (
            ApprovalDecidedAlready,
            [advance(), decide("ask"), advance(), complete("slow"), advance()],
        ),
        (ApprovalNotFound, []),
        (ApprovalNotFound, [advance(), cancel()]),
    ],
)
def test_only_what_waits_can_be_decided(refusal: type[DomainError], history: list) -> None:
    node = a_node("approval", "ask", title="?")
    edges = ["start -> ask", "ask -approved-> slow", "slow -> end"]
    run = given(a_run([node, an_llm("slow")], edges), *history)
    run.when(raises(refusal, decide("ask"))).then()
