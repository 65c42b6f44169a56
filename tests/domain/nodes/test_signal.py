"""signal waits for a named message, which may have come before it."""

from typing import Any

from domain.identifiers import JsonObject
from domain.payloads import PAYLOAD_BYTES_MAX
from domain.signals import PENDING_BYTES_MAX, PENDING_MAX, SignalsTooLarge, TooManySignals
from tests.domain.facts import completed, fact, node_completed
from tests.domain.given import Run, a_node, a_run, advance, given, raises, signal
from tests.domain.waits import node_suspended, suspended, waiting


def a_signal(*edges: str, **config: Any) -> Run:
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


def test_signals_are_kept_up_to_so_many_bytes() -> None:
    largest = "x" * (PAYLOAD_BYTES_MAX - len('""'))
    run = given(a_signal(), *[signal("news", largest)] * (PENDING_BYTES_MAX // PAYLOAD_BYTES_MAX))
    assert run.aggregate.signals.bytes == PENDING_BYTES_MAX
    refusal = run.when(raises(SignalsTooLarge, signal("news", 1))).answer
    assert refusal.data["pending_bytes_max"] == PENDING_BYTES_MAX
    run.then()


def test_a_signal_that_was_taken_makes_room_for_another_of_its_size() -> None:
    half = "x" * (PAYLOAD_BYTES_MAX // 2)
    run = given(a_signal(), signal("other", half), signal("news", half), advance())
    assert run.aggregate.signals.bytes == len(half) + len('""')
    run.then_it_replays()


def test_a_name_that_is_none_fails_the_node() -> None:
    run = given(a_signal(name="{{ 'a b' }}"), advance())
    assert "`a b` is no name of a signal" in run.aggregate.nodes["hear"].error["message"]
