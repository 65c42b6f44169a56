"""A run that is loaded from a snapshot is the run that its events tell."""

from dataclasses import fields
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.definitions import parse_definition
from domain.execution_snapshots import SNAPSHOT_VERSION, execution_from, snapshot_of
from domain.executions import Execution
from domain.node_runs import NodeRun
from infra.event_codec import mapper
from tests.domain import given as stories
from tests.domain.given import Run
from tests.domain.random_runs import definitions, live

SNAPSHOTS = Path(__file__).parents[1] / "golden" / "snapshots"
LOADS_MAX = 12


def loaded(snapshot: bytes, later: list[Any]) -> Execution:
    """From a snapshot and the events after it."""
    execution: Any = execution_from(orjson.loads(snapshot))
    for stored in later:
        event: Any = mapper.to_domain_event(stored)
        execution = event.mutate(execution)
    return execution


def require_the_same_from_every_snapshot(run: Run) -> None:
    """Of a long run, from some of them."""
    execution: Any = None
    step = max(1, len(run.stored) // LOADS_MAX)
    for version, stored in enumerate(run.stored, start=1):
        event: Any = mapper.to_domain_event(stored)
        execution = event.mutate(execution)
        if version % step == 0 or version == len(run.stored):
            snapshot = orjson.dumps(snapshot_of(execution))
            again = loaded(snapshot, [])
            assert (again, again.version) == (execution, version)
            assert loaded(snapshot, run.stored[version:]) == run.rebuilt()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(definition=definitions(), data=st.data())
def test_from_any_snapshot_and_the_later_events_comes_what_comes_from_the_events(
    definition: Any, data: st.DataObject
) -> None:
    run = stories.a_run_of(parse_definition(definition), {"n": 1})
    live(run, data)
    require_the_same_from_every_snapshot(run)


def test_a_run_from_a_snapshot_goes_on_as_it_would_have() -> None:
    body = [stories.an_effect("work")]
    loop = stories.a_loop("again", body, ["start -> work", "work -> end"], while_="loop.index < 3")
    run = stories.given(
        stories.a_run([loop], ["start -> again", "again -> end"]), stories.advance()
    )
    for index in range(3):
        run.aggregate = loaded(orjson.dumps(snapshot_of(run.aggregate)), [])
        stories.given(run, stories.advance(), stories.complete(f"again[{index}]/work", "done"))
        stories.given(run, stories.advance())
    assert run.status == "COMPLETED"
    run.then_it_replays()


def test_what_is_counted_in_bytes_is_counted_from_a_snapshot_too() -> None:
    each = stories.a_map(
        "each",
        [stories.an_llm("draft")],
        ["start -> draft", "draft -> end"],
        on_item_error="collect",
    )
    run = stories.a_run([each], ["start -> each", "each -> end"], [1, 2, 3])
    stories.given(run, stories.signal("news", {"a": 1}), stories.advance())
    stories.given(run, stories.complete("each[0]/draft", "one"))
    stories.given(run, stories.fail("each[2]/draft", "invalid"), stories.advance())
    signals, known = run.aggregate.signals, run.aggregate.runs.bodies["each"].known
    assert [one.bytes for one in signals.beside("news")] == [len('{"a":1}')]
    assert known.bytes == len('"one"{"code":"invalid","message":"no","path":"each[2]/draft"}')
    require_the_same_from_every_snapshot(run)


@pytest.mark.parametrize("kind", [Execution, NodeRun])
def test_nothing_that_a_run_remembers_is_left_out(kind: type[Any]) -> None:
    """A field that has the same value in every random run would be missed by the property."""
    golden = orjson.loads((SNAPSHOTS / f"execution.v{SNAPSHOT_VERSION}.json").read_bytes())
    if kind is NodeRun:
        shown = set(next(iter(golden["runs"]["by_path"].values())))
        assert shown == {field.name for field in fields(NodeRun)}
    else:
        run = execution_from(golden)
        assert vars(run).keys() == vars(stories.a_run([], ["start -> end"]).aggregate).keys()


def test_a_stored_snapshot_is_read_and_written_as_it_is() -> None:
    """A change of the form, and of what events make of a run, needs another SNAPSHOT_VERSION."""
    stored = (SNAPSHOTS / f"execution.v{SNAPSHOT_VERSION}.json").read_bytes()
    again = snapshot_of(execution_from(orjson.loads(stored)))
    assert orjson.dumps(again, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE) == stored
