"""webhook waits for a request, which may have come before it; it is no signal of the same name."""

from typing import Any

from domain.identifiers import JsonObject
from domain.payloads import PAYLOAD_BYTES_MAX
from domain.signals import (
    PENDING_BYTES_MAX,
    PENDING_MAX,
    SignalsTooLarge,
    TooManySignals,
    is_signal_name,
    webhook_signal,
)
from tests.domain.facts import EXECUTION_ID, completed, fact, node_completed
from tests.domain.given import (
    Run,
    a_definition,
    a_map,
    a_node,
    a_run,
    a_set,
    advance,
    an_effect,
    complete,
    given,
    raises,
    signal,
    webhook,
)
from tests.domain.waits import node_suspended, suspended, waiting

PATH = "/api/v1/webhooks/run/key"
CHAIN = ["start -> tell", "tell -> end"]


def a_webhook(*edges: str, **config: Any) -> Run:
    return waiting(a_node("webhook", "paid", **config), *(edges or ("paid -> end",)))


def posted(body: Any) -> JsonObject:
    return {"method": "POST", "query": {}, "headers": {}, "body": body}


def test_a_request_under_the_id_of_the_node_is_its_output() -> None:
    run = given(a_webhook()).when(advance())
    awaited: JsonObject = {"name": "paid", "timeout_s": None}
    assert run.recorded[2:] == [node_suspended("paid", "webhook", awaited, None), suspended(None)]
    run.when(webhook("paid", 7)).then(fact("signalled", name="webhook:paid", payload=posted(7)))
    run.when(advance()).then(
        node_completed("paid", "webhook", posted(7)),
        node_completed("end", "end", posted(7)),
        completed(posted(7)),
    )


def test_it_may_wait_under_another_name() -> None:
    run = given(a_webhook(name="{{ 'a b' }}"), advance())
    assert "`a b` is no name of a webhook" in run.aggregate.nodes["paid"].error["message"]
    run = given(a_webhook(name="invoice.{{ execution.id }}"), advance())
    given(run, webhook("paid", 1), advance())
    assert run.status == "WAITING"
    given(run, webhook(f"invoice.{EXECUTION_ID}", 2), advance())
    assert run.aggregate.output == posted(2)


def test_requests_that_came_early_are_taken_in_their_order() -> None:
    nodes = [a_node("webhook", name, name="paid") for name in ("one", "two")]
    run = given(a_run(nodes, ["start -> one", "one -> two", "two -> end"]))
    given(run, webhook("paid", 1), webhook("paid", 2), advance())
    assert (run.output_of("one"), run.output_of("two")) == (posted(1), posted(2))
    assert run.aggregate.signals.by_name == {}


def test_a_signal_and_a_webhook_of_one_name_do_not_meet() -> None:
    nodes = [a_node("webhook", "asked", name="paid"), a_node("signal", "told", name="paid")]
    run = a_run(nodes, ["start -> asked", "start -> told", "asked -> end", "told -> end"])
    given(run, advance(), signal("paid", "by signal"), advance())
    assert [run.aggregate.nodes[one].status for one in ("asked", "told")] == [
        "WAITING",
        "COMPLETED",
    ]
    given(run, webhook("paid", "by request"), advance())
    assert run.aggregate.output == {"asked": posted("by request"), "told": "by signal"}


def test_no_signal_has_the_name_of_a_webhook() -> None:
    assert not is_signal_name(webhook_signal("paid"))


def test_requests_are_bounded_and_leave_signals_their_room() -> None:
    run = given(a_webhook(), *[webhook("other")] * PENDING_MAX)
    run.when(raises(TooManySignals, webhook("another"))).then()
    run.when(signal("other")).then(fact("signalled", name="other", payload=None))


def test_requests_are_bounded_in_bytes_and_leave_signals_their_room() -> None:
    large = "x" * (PAYLOAD_BYTES_MAX - 100)
    run = given(a_webhook(), *[webhook("other", large)] * (PENDING_BYTES_MAX // PAYLOAD_BYTES_MAX))
    run.when(raises(SignalsTooLarge, webhook("another", large))).then()
    run.when(signal("other", large)).then(fact("signalled", name="other", payload=large))


def test_a_request_that_does_not_come_in_time_leaves_by_the_error_port() -> None:
    run = given(a_webhook("paid -> end", "paid -error-> rescue", "rescue -> end", timeout_s=10))
    given(run, advance(), advance(10))
    error = run.aggregate.nodes["paid"].error
    assert (error["code"], error["message"]) == ("timeout", "no request within 10 s")
    assert run.aggregate.output == {"by": "rescue"}


def test_expressions_see_where_requests_go_and_no_event_tells_it_unless_they_do() -> None:
    url = "https://here.example{{ execution.webhook_path }}/paid"
    for values, is_told in (({"url": url}, True), ({"url": "?"}, False)):
        run = given(a_run([a_set("tell", config={"values": values})], CHAIN))
        run.aggregate.webhook_path = PATH
        given(run, advance())
        assert (f"https://here.example{PATH}/paid" == run.output_of("tell")["url"]) == is_told
        assert (PATH in repr([event.state for event in run.stored])) == is_told
        assert run.rebuilt() == run.aggregate


def test_where_nobody_drives_the_run_there_is_no_path_to_tell() -> None:
    values = {"values": {"url": "{{ execution.webhook_path }}"}}
    run = given(a_run([a_set("tell", config=values)], CHAIN), advance())
    assert run.aggregate.nodes["tell"].error["code"] == "expression_failed"


def test_what_undoes_a_node_sees_the_path_too() -> None:
    url = {"type": "llm", "config": {"model": "m", "prompt": "{{ execution.webhook_path }}"}}
    nodes = [an_effect("book", compensate=url), a_set("tell", config={"values": "{{ input }}"})]
    run = a_run(nodes, ["start -> book", "book -> tell", "tell -> end"])
    run.aggregate.webhook_path = PATH
    given(run, advance(), complete("book"), advance())
    (attempt,) = run.answer
    assert attempt.request["messages"] == [{"role": "user", "content": PATH}]


def test_a_definition_knows_whether_anything_in_it_may_ask_for_the_path() -> None:
    path = "{{ execution.webhook_path }}"
    asking = a_set("tell", config={"values": {"url": path}})
    silent = a_set("tell", config={"values": {"url": "{{ input.execution }}"}})
    undoing = {"type": "llm", "config": {"model": "m", "prompt": path}}
    in_a_map = a_map("tell", [asking], CHAIN)
    for node, is_read in (
        (asking, True),
        (silent, False),
        (an_effect("tell"), False),
        (an_effect("tell", compensate=undoing), True),
        (a_map("tell", [silent], CHAIN), False),
        (in_a_map, True),
        (a_map("tell", [{**in_a_map, "id": "tell"}], CHAIN), True),
    ):
        assert a_definition([node], CHAIN).flow.reads_execution == is_read
