"""Maps: a body for each element, several at a time, and what becomes of the results."""

from typing import Any

import pytest

from domain.identifiers import Json
from domain.node_types import Iterations, Scope
from domain.nodes.map import COLLECTED_BYTES_MAX, ITEMS_MAX, Map
from tests.domain.facts import fact, node_failed, node_started, usage_unresolved
from tests.domain.given import (
    Run,
    a_map,
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
ALONE = ["start -> each", "each -> end"]


def mapping(given_input: Json, **config: Any) -> Run:
    return a_run([a_map("each", [an_llm("draft")], ONCE_EACH, **config)], ALONE, given_input)


def telling(given_input: Json, **config: Any) -> Run:
    """Each element says what it is and where it stands."""
    tell = a_set("tell", config={"values": {"i": "{{ index }}", "of": "{{ item }}"}})
    each = a_map("each", [tell], ["start -> tell", "tell -> end"], **config)
    return a_run([each], ALONE, given_input)


def test_each_element_of_an_array_is_seen_with_its_index() -> None:
    run = given(telling(["a", "b"]), advance())
    results = [{"i": 0, "of": "a"}, {"i": 1, "of": "b"}]
    assert run.aggregate.output == {"results": results, "errors": []}


def test_the_entries_of_an_object_are_keys_and_values() -> None:
    run = given(telling({"x": 1, "y": 2}), advance())
    seen = [one["of"] for one in run.aggregate.output["results"]]
    assert seen == [{"key": "x", "value": 1}, {"key": "y", "value": 2}]


@pytest.mark.parametrize("empty", [[], {}])
def test_nothing_to_do_is_done(empty: Json) -> None:
    run = given(mapping(empty), advance())
    assert run.aggregate.output == {"results": [], "errors": []}


@pytest.mark.parametrize("over", ["input.rows", "{{ input.rows }}", "input.rows.map(n, n)"])
def test_over_is_an_expression_with_braces_or_without(over: str) -> None:
    run = given(telling({"rows": [7]}, over=over), advance())
    assert run.aggregate.output["results"] == [{"i": 0, "of": 7}]


def test_the_start_of_a_body_outputs_its_element() -> None:
    each = a_map("each", [], ["start -> end"])
    run = given(a_run([each], ALONE, ["a", "b"]), advance())
    assert run.aggregate.output["results"] == ["a", "b"]


def test_only_so_many_run_at_a_time() -> None:
    run = given(mapping([1, 2, 3, 4], concurrency=2), advance())
    assert run.running == ["each[0]/draft", "each[1]/draft"]
    run = given(run, complete("each[1]/draft", "b")).when(advance())
    run.then(
        fact("iteration_ended", path="each", index=1, output="b", error=None, compensations=[]),
        node_started("each[2]/draft"),
    )


def test_what_runs_already_is_not_told_again_unless_it_was_forgotten() -> None:
    """With a thousand at a time, telling all of them at each end made a map take minutes."""
    each = mapping([1, 2, 3, 4], concurrency=2).definition.nodes["each"].config
    assert isinstance(each, Map)
    scope, memory = Scope({"input": [1, 2, 3, 4]}, {}), {}

    def told(known: Iterations, memory: dict[str, Json]) -> list[int]:
        following = each.next_iterations(scope, known, memory)
        assert isinstance(following, list)
        return [iteration.index for iteration in following]

    assert told(Iterations(), memory) == [0, 1]
    assert told(Iterations(), memory) == []
    one_ended = Iterations(ended=1, results={1: "b"})
    assert told(one_ended, memory) == [2]
    assert told(one_ended, {}) == [0, 2]


def test_results_are_in_the_order_of_the_input_whatever_ends_first() -> None:
    run = given(mapping([1, 2, 3]), advance(), complete("each[2]/draft", "c"), advance())
    given(run, complete("each[0]/draft", "a"), complete("each[1]/draft", "b"), advance())
    assert run.aggregate.output == {"results": ["a", "b", "c"], "errors": []}


def test_an_element_that_fails_fails_the_map_and_stops_the_others() -> None:
    run = given(mapping([1, 2]), advance(), fail("each[1]/draft", "invalid")).when(advance())
    assert run.recorded[:3] == [
        usage_unresolved("each[0]/draft"),
        node_failed(
            "each[0]/draft", "abandoned", "the execution went on without it", cost_usd_pico=None
        ),
        node_failed("each", "invalid", "each[1]/draft: no", node_type="map"),
    ]
    assert run.status == "FAILED"


def test_with_collect_the_errors_stand_beside_the_results() -> None:
    run = given(mapping([1, 2, 3], on_item_error="collect"), advance())
    given(run, complete("each[2]/draft", "c"), fail("each[1]/draft", "invalid"))
    given(run, complete("each[0]/draft", "a"), advance())
    errors = [{"index": 1, "code": "invalid", "message": "no", "path": "each[1]/draft"}]
    assert run.aggregate.output == {"results": ["a", None, "c"], "errors": errors}


def test_a_map_that_fails_leaves_by_its_error_edge() -> None:
    each = a_map("each", [an_llm("draft")], ONCE_EACH)
    edges = [*ALONE, "each -error-> rescue", "rescue -> end"]
    run = given(a_run([each, a_set("rescue")], edges, [1]), advance())
    assert given(run, fail("each[0]/draft"), advance()).aggregate.output == {"by": "rescue"}


@pytest.mark.parametrize(("over", "shown"), [(5, "a number"), ("text", "a string"), (None, "null")])
def test_what_is_no_list_cannot_be_mapped(over: Json, shown: str) -> None:
    run = given(mapping(over), advance())
    message = f"/over: this is {shown}, neither a list nor an object"
    assert run.aggregate.nodes["each"].error["message"] == message


def test_there_is_a_bound_to_the_elements() -> None:
    run = given(telling(list(range(ITEMS_MAX + 1))), advance())
    message = f"/over: {ITEMS_MAX + 1} elements, more than {ITEMS_MAX}"
    assert run.aggregate.nodes["each"].error["message"] == message


def test_results_too_large_to_record_fail_the_map() -> None:
    run = given(mapping([1, 2]), advance(), complete("each[0]/draft", "x" * 600_000))
    given(run, complete("each[1]/draft", "x" * 600_000), advance())
    assert run.aggregate.nodes["each"].error["code"] == "payload_too_large"


def test_results_that_fit_to_the_byte_are_an_output() -> None:
    around = len('{"results":["",""],"errors":[]}')
    half, rest = divmod(COLLECTED_BYTES_MAX - around, 2)
    run = given(mapping([1, 2]), advance(), complete("each[0]/draft", "x" * half))
    given(run, complete("each[1]/draft", "x" * (half + rest)), advance())
    assert run.status == "COMPLETED"


def test_a_map_that_has_collected_too_much_begins_no_more_and_fails_where_it_can_be_handled() -> (
    None
):
    each = a_map("each", [an_llm("draft")], ONCE_EACH, concurrency=1)
    edges = [*ALONE, "each -error-> rescue", "rescue -> end"]
    run = given(a_run([each, a_set("rescue")], edges, [1, 2, 3]), advance())
    given(run, complete("each[0]/draft", "x" * (COLLECTED_BYTES_MAX - 2)), advance())
    assert run.running == ["each[1]/draft"]
    given(run, complete("each[1]/draft", 2)).when(advance())
    assert run.topics[:2] == ["iteration_ended", "node_failed"]
    assert run.aggregate.nodes["each"].error["code"] == "payload_too_large"
    assert run.aggregate.output == {"by": "rescue"}
    run.then_it_replays()


def test_errors_that_are_collected_count_as_results_do() -> None:
    run = given(mapping([1, 2], on_item_error="collect", concurrency=1), advance())
    given(run, complete("each[0]/draft", "x" * (COLLECTED_BYTES_MAX - 10)), advance())
    given(run, fail("each[1]/draft", "invalid"), advance())
    assert run.aggregate.nodes["each"].error["code"] == "payload_too_large"


def test_a_retry_repeats_only_the_elements_that_did_not_succeed() -> None:
    run = given(mapping([1, 2, 3]), advance(), complete("each[0]/draft", "a"), advance())
    given(run, fail("each[1]/draft"), advance()).when(retry())
    run.then(fact("retried", paths=["each", "each[1]/draft", "each[2]/draft"]))
    run.when(advance()).then(
        node_started("each[1]/draft", attempt=2),
        # Given up in the middle of its attempt: what that did is not known, so it keeps its key.
        node_started("each[2]/draft", attempt=2, key_of=1),
    )
    given(run, complete("each[1]/draft", "b", attempt=2), complete("each[2]/draft", "c", attempt=2))
    assert given(run, advance()).aggregate.output["results"] == ["a", "b", "c"]


def test_a_map_in_a_map_sees_its_own_element_and_keeps_the_outer_ones_apart() -> None:
    inner = a_map("inner", [], ["start -> end"], over="item")
    outer = a_map("outer", [inner], ["start -> inner", "inner -> end"])
    run = given(a_run([outer], ["start -> outer", "outer -> end"], [[1, 2], [3]]), advance())
    rows = [one["results"] for one in run.aggregate.output["results"]]
    assert rows == [[1, 2], [3]]
