"""Nodes that wait without a worker: for a time, a signal, or somebody's decision."""

from datetime import timedelta

import pytest

from domain.errors import DomainError
from domain.execution_commands import ApprovalDecidedAlready, ApprovalNotFound, NotAnAssignee
from domain.identifiers import Json, JsonObject
from domain.signals import PENDING_MAX, TooManySignals
from tests.domain.given import (
    NOON,
    Run,
    a_node,
    a_run,
    a_set,
    advance,
    an_llm,
    cancel,
    complete,
    completed,
    decide,
    fact,
    given,
    node_completed,
    raises,
    signal,
    started,
)


def waiting(node: JsonObject, *edges: str, given_input: Json = None) -> Run:
    """One node that waits; `rescue` stands behind its error port when edges lead there."""
    name = node["id"]
    nodes = [node, a_set("rescue")] if any("rescue" in edge for edge in edges) else [node]
    return a_run(nodes, [f"start -> {name}", *edges], given_input)


def a_delay(**config: Json) -> Run:
    return waiting(a_node("delay", "nap", **config), "nap -> end", given_input={"s": 30, "at": 7})


def at(seconds: float) -> str:
    return (NOON + timedelta(seconds=seconds)).isoformat()


def suspended(seconds: float | None) -> tuple[str, JsonObject]:
    return fact("suspended", wake_at=None if seconds is None else at(seconds))


def node_suspended(path: str, kind: str, request: JsonObject, until: str | None) -> Json:
    fields: JsonObject = {"path": path, "node_type": kind, "attempt": 1, "request": request}
    return fact("node_suspended", **fields, until=until)  # pyright: ignore[reportReturnType] # a fact


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


def a_signal(*edges: str, **config: Json) -> Run:
    node = a_node("signal", "hear", **{"name": "news", **config})
    return waiting(node, *(edges or ("hear -> end",)))


def test_a_signal_is_waited_for_as_long_as_it_takes() -> None:
    run = given(a_signal()).when(advance())
    awaited: JsonObject = {"name": "news", "timeout_s": None}
    assert run.recorded[2:] == [node_suspended("hear", "signal", awaited, None), suspended(None)]
    assert run.wake_at is None
    run.when(signal("news", {"a": 1})).then(fact("signalled", name="news", payload={"a": 1}))
    assert run.status == "RUNNING"
    run.when(advance()).then(
        node_completed("hear", "signal", {"a": 1}),
        node_completed("end", "end", {"a": 1}),
        completed({"a": 1}),
    )


def test_a_signal_of_another_name_is_kept_and_the_run_rests_again() -> None:
    run = given(a_signal(), advance()).when(signal("other"))
    given(run, advance())
    assert (run.status, run.recorded) == ("WAITING", [suspended(None)])
    run.when(advance()).then()


def test_signals_that_came_early_are_taken_in_their_order() -> None:
    nodes = [a_node("signal", name, name="news") for name in ("one", "two")]
    edges = ["start -> one", "one -> two", "two -> end"]
    run = given(a_run(nodes, edges), signal("news", 1), signal("news", 2), advance())
    assert (run.output_of("one"), run.output_of("two")) == (1, 2)
    assert run.aggregate.signals.count == 0


def test_of_several_nodes_with_one_name_each_takes_one_signal() -> None:
    nodes = [a_node("signal", name, name="news") for name in ("one", "two")]
    edges = ["start -> one", "start -> two", "one -> end", "two -> end"]
    run = given(a_run(nodes, edges), advance(), signal("news", "first"), advance())
    assert [run.aggregate.nodes[name].status for name in ("one", "two")] == ["COMPLETED", "WAITING"]
    assert given(run, signal("news", "second"), advance()).aggregate.output == {
        "one": "first",
        "two": "second",
    }


def test_a_signal_that_does_not_come_in_time_leaves_by_the_error_port() -> None:
    run = given(a_signal("hear -> end", "hear -error-> rescue", "rescue -> end", timeout_s=10))
    given(run, advance(), advance(10))
    assert run.aggregate.nodes["hear"].error["message"] == "no signal within 10 s"
    assert run.aggregate.output == {"by": "rescue"}


def test_a_signal_in_the_last_moment_counts() -> None:
    run = given(a_signal(timeout_s=10), advance(), signal("news", "just"), advance(10))
    assert run.aggregate.output == "just"


def test_only_so_many_signals_are_kept() -> None:
    run = given(a_signal(), *[signal("other")] * PENDING_MAX)
    run.when(raises(TooManySignals, signal("other"))).then()


def test_a_name_that_is_none_fails_the_node() -> None:
    run = given(a_signal(name="{{ 'a b' }}"), advance())
    assert "`a b` is no name of a signal" in run.aggregate.nodes["hear"].error["message"]


def an_approval(**config: Json) -> Run:
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


@pytest.mark.parametrize(
    ("refusal", "history"),
    [
        (ApprovalDecidedAlready, [advance(), decide("ask")]),
        (ApprovalDecidedAlready, [advance(), decide("ask"), advance()]),
        (ApprovalNotFound, []),
        (ApprovalNotFound, [advance(), cancel()]),
    ],
)
def test_only_what_waits_can_be_decided(refusal: type[DomainError], history: list) -> None:
    node = a_node("approval", "ask", title="?")
    edges = ["start -> ask", "ask -approved-> slow", "slow -> end"]
    run = given(a_run([node, an_llm("slow")], edges), *history)
    run.when(raises(refusal, decide("ask"))).then()


def test_a_run_rests_only_when_no_attempt_is_under_way() -> None:
    nodes = [a_node("delay", "nap", duration_s=60), an_llm("draft")]
    edges = ["start -> nap", "start -> draft", "nap -> end", "draft -> end"]
    run = given(a_run(nodes, edges), advance())
    assert run.status == "RUNNING"
    given(run, complete("draft")).when(advance()).then(suspended(60))
