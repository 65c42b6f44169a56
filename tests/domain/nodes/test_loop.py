"""Loops: a body that runs again and again, one iteration after the other."""

from typing import Any

from domain.execution_steps import advance as take_step
from domain.identifiers import Json, JsonObject
from tests.domain.facts import (
    fact,
    node_completed,
    node_failed,
    node_started,
    started,
    usage_unresolved,
)
from tests.domain.given import (
    NOON,
    Run,
    a_condition,
    a_loop,
    a_map,
    a_node,
    a_run,
    a_set,
    advance,
    an_llm,
    complete,
    fail,
    given,
    retry,
)

ONCE_EACH = ["start -> draft", "draft -> end"]


def looping(*nodes: JsonObject, edges: list[str] | None = None, **config: Any) -> Run:
    """A loop alone, around one model unless something else is said."""
    inside = list(nodes) or [an_llm("draft")]
    loop = a_loop("again", inside, edges or ONCE_EACH, **config)
    return a_run([loop], ["start -> again", "again -> end"], {"n": 3})


def counting(**config: Any) -> Run:
    """A loop of nothing but its index."""
    count = a_set("count", config={"values": {"i": "{{ loop.index }}", "last": "{{ loop.last }}"}})
    return looping(count, edges=["start -> count", "count -> end"], **config)


def iteration_ended(path: str, index: int, output: Json) -> tuple[str, JsonObject]:
    fields = {"path": path, "index": index, "output": output, "error": None, "compensations": []}
    return fact("iteration_ended", **fields)


def test_a_while_is_looked_at_before_each_iteration() -> None:
    run = given(looping(while_="loop.index < 2")).when(advance())
    run.then(
        started(),
        node_completed("start", "start", {"n": 3}),
        fact("node_opened", path="again", node_type="loop", keeps_results=False),
        node_started("again[0]/draft"),
    )
    given(run, complete("again[0]/draft", "first")).when(advance()).then(
        iteration_ended("again", 0, "first"), node_started("again[1]/draft")
    )
    output = {"iterations": 2, "last": "second", "is_limited": False}
    given(run, complete("again[1]/draft", "second")).when(advance()).then(
        iteration_ended("again", 1, "second"),
        node_completed("again", "loop", output),
        node_completed("end", "end", output),
        fact("completed", output=output),
    )


def test_a_while_that_does_not_hold_runs_nothing() -> None:
    run = given(looping(while_="false"), advance())
    assert run.aggregate.output == {"iterations": 0, "last": None, "is_limited": False}


def test_an_until_is_looked_at_after_each_iteration() -> None:
    run = given(
        looping(until='loop.last == "good"', max_iterations=5),
        advance(),
        complete("again[0]/draft", "bad"),
    )
    given(run, advance(), complete("again[1]/draft", "good"), advance())
    assert run.aggregate.output == {"iterations": 2, "last": "good", "is_limited": False}


def test_an_iteration_sees_its_index_and_what_the_last_one_brought() -> None:
    run = given(counting(while_="loop.index < 3"), advance())
    last: Json = {"i": 0, "last": None}
    last = {"i": 2, "last": {"i": 1, "last": last}}
    assert run.aggregate.output == {"iterations": 3, "last": last, "is_limited": False}


def test_max_iterations_ends_a_loop_that_would_go_on() -> None:
    run = given(looping(while_="true", max_iterations=2), advance(), complete("again[0]/draft"))
    given(run, advance(), complete("again[1]/draft"), advance())
    assert run.aggregate.output == {"iterations": 2, "last": "done", "is_limited": True}


def test_the_expressions_of_a_body_see_the_run_around_it() -> None:
    body = a_set("sum", config={"values": {"n": "{{ input.n + nodes.one.output.n }}"}})
    one = a_set("one", config={"values": {"n": "{{ 1 }}"}})
    loop = a_loop("again", [body], ["start -> sum", "sum -> end"], while_="loop.index < 1")
    run = given(a_run([one, loop], ["start -> one", "one -> again", "again -> end"], {"n": 3}))
    assert given(run, advance()).aggregate.output["last"] == {"n": 4}


def test_of_two_nodes_with_one_name_a_body_means_its_own() -> None:
    outer = a_set("name", config={"values": {"of": "outer"}})
    inner = a_set("name", config={"values": {"of": "inner"}})
    look = a_set("look", config={"values": {"of": "{{ nodes.name.output.of }}"}})
    body = a_loop(
        "again",
        [inner, look],
        ["start -> name", "name -> look", "look -> end"],
        while_="loop.index < 1",
    )
    run = a_run([outer, body], ["start -> name", "name -> again", "again -> end"])
    assert given(run, advance()).aggregate.output["last"] == {"of": "inner"}


def nested() -> Run:
    pair = a_set("pair", config={"values": {"inner": "{{ loop.index }}"}})
    inner = a_loop("inner", [pair], ["start -> pair", "pair -> end"], while_="loop.index < 3")
    keep = a_set("keep", config={"values": {"outer": "{{ loop.index }}"}})
    edges = ["start -> inner", "inner -> keep", "keep -> end"]
    outer = a_loop("outer", [inner, keep], edges, while_="loop.index < 2")
    return a_run([outer], ["start -> outer", "outer -> end"])


def test_of_nested_loops_each_sees_its_own() -> None:
    run = given(nested(), advance())
    ended = [f for topic, f in run.recorded if topic == "execution.iteration_ended"]
    seen = [(one["path"], one["index"], one["output"]) for one in ended]
    rounds = [("inner", 0), ("inner", 1), ("inner", 2), ("outer", 0)]
    expected = [
        ("outer", outer, {"outer": outer})
        if name == "outer"
        else (f"outer[{outer}]/inner", index, {"inner": index})
        for outer in range(2)
        for name, index in rounds
    ]
    assert seen == expected
    assert run.aggregate.output["iterations"] == 2


def test_a_body_that_fails_fails_its_loop_and_stops_the_rest_of_it() -> None:
    nodes = [an_llm("draft"), an_llm("beside")]
    edges = ["start -> draft", "start -> beside", "draft -> end", "beside -> end"]
    run = given(looping(*nodes, edges=edges, while_="loop.index < 3"), advance())
    given(run, fail("again[0]/draft", "invalid")).when(advance()).then(
        usage_unresolved("again[0]/beside"),
        node_failed(
            "again[0]/beside", "abandoned", "the execution went on without it", cost_usd_pico=None
        ),
        node_failed("again", "invalid", "again[0]/draft: no", node_type="loop"),
        fact(
            "failed",
            path="again",
            attempt=1,
            code="invalid",
            message="node again failed at attempt 1: invalid: again[0]/draft: no",
            stopped_paths=[],
        ),
    )


def test_a_loop_that_fails_leaves_by_its_error_edge() -> None:
    loop = a_loop("again", [an_llm("draft")], ONCE_EACH, while_="loop.index < 3")
    edges = ["start -> again", "again -> end", "again -error-> rescue", "rescue -> end"]
    run = given(a_run([loop, a_set("rescue")], edges), advance(), fail("again[0]/draft"), advance())
    assert run.aggregate.output == {"by": "rescue"}


def test_an_error_edge_inside_a_body_keeps_the_loop_alive() -> None:
    nodes = [an_llm("draft"), a_set("rescue")]
    edges = ["start -> draft", "draft -> end", "draft -error-> rescue", "rescue -> end"]
    run = given(looping(*nodes, edges=edges, while_="loop.index < 1"), advance())
    given(run, fail("again[0]/draft"), advance())
    assert run.aggregate.output["last"] == {"by": "rescue"}


def test_a_body_none_of_whose_paths_comes_to_its_end_fails_the_loop() -> None:
    edges = ["start -> ask", "ask -true-> end"]
    run = given(
        looping(a_condition("ask", "false"), edges=edges, while_="loop.index < 3"), advance()
    )
    assert run.aggregate.nodes["again"].error["code"] == "end_not_reached"


def test_a_condition_of_a_loop_that_fails_fails_it() -> None:
    run = given(looping(while_="loop.last.text"), advance())
    assert run.aggregate.nodes["again"].error["code"] == "expression_failed"
    run = given(looping(until="loop.index"), advance(), complete("again[0]/draft"), advance())
    message = "/until: `loop.index` is a number, not a boolean"
    assert run.aggregate.nodes["again"].error["message"] == message


def test_a_node_of_a_body_is_tried_again_like_any_other() -> None:
    run = given(looping(an_llm("draft", retry={}), while_="loop.index < 1"), advance())
    given(run, fail("again[0]/draft")).when(advance(1))
    run.then(node_started("again[0]/draft", attempt=2))


def test_a_retry_goes_on_inside_the_iteration_that_failed() -> None:
    run = given(looping(while_="loop.index < 3"), advance(), complete("again[0]/draft", 1))
    given(run, advance(), fail("again[1]/draft"), advance()).when(retry())
    run.then(fact("retried", paths=["again", "again[1]/draft"]))
    run.when(advance()).then(node_started("again[1]/draft", attempt=2))
    given(run, complete("again[1]/draft", 2, attempt=2), advance())
    assert run.running == ["again[2]/draft"]
    given(run, complete("again[2]/draft", 3), advance())
    assert run.aggregate.output == {"iterations": 3, "last": 3, "is_limited": False}


def test_a_map_inside_a_loop_begins_anew_in_each_iteration() -> None:
    items = a_map("each", [an_llm("draft")], ONCE_EACH, over="[loop.index, loop.index + 10]")
    edges = ["start -> each", "each -> end"]
    run = given(looping(items, edges=edges, while_="loop.index < 2"), advance())
    for index in range(2):
        paths = [f"again[{index}]/each[{item}]/draft" for item in range(2)]
        assert run.running == paths
        given(run, complete(paths[1], "b"), complete(paths[0], f"a{index}"), advance())
    assert run.aggregate.output["last"] == {"results": ["a1", "b"], "errors": []}


def test_ten_thousand_iterations_leave_no_more_behind_than_one() -> None:
    run: Any = counting_up(10_000)
    most = 0
    while not run.aggregate.is_ended:
        take_step(run.aggregate, run.definition, now=NOON)
        run.aggregate.collect_events()
        most = max(most, len(run.aggregate.runs.by_path), len(run.aggregate.live.frames))
    assert run.aggregate.output["iterations"] == 10_000
    assert most <= 5
    assert run.aggregate.runs.frames.keys() == {""}


def counting_up(iterations: int) -> Run:
    step = a_set("step", config={"values": {"i": "{{ loop.index }}"}})
    edges = ["start -> step", "step -> end"]
    config: dict[str, Any] = {"while_": "true", "max_iterations": iterations}
    return a_run([a_loop("again", [step], edges, **config)], ["start -> again", "again -> end"])


def test_a_delay_in_a_loop_paces_it() -> None:
    pause = a_node("delay", "pause", duration_s=60)
    edges = ["start -> pause", "pause -> end"]
    run = given(looping(pause, edges=edges, while_="loop.index < 2"), advance(), advance(60))
    assert run.aggregate.nodes["again[1]/pause"].status == "WAITING"
    assert given(run, advance(60)).status == "COMPLETED"
