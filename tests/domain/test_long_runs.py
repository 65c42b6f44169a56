"""A run of ten thousand steps takes no more memory than one of a few hundred."""

import gc
import tracemalloc
from collections.abc import Iterator

import orjson
import pytest

from domain.definitions import parse_definition
from domain.execution_outcomes import complete_node
from domain.execution_snapshots import execution_from, snapshot_of
from domain.execution_steps import advance
from domain.executions import Execution
from domain.identifiers import JsonObject
from tests.domain import given as stories
from tests.domain.given import EXECUTION_ID, NOON, USAGE

STEPS = 10_000
EARLY, LATE = 500, 9_500
# Numbers have more digits later, and dictionaries keep some room.
STATE_GROWTH_BYTES_MAX = 64
MEMORY_GROWTH_BYTES_MAX = 64 * 1024
OUTPUT = {"text": "x" * 1000}


class LongRun:
    """A loop with an effect in it. Its events go to a store that keeps only how many there were."""

    def __init__(self) -> None:
        body = [stories.an_llm("work")]
        edges = ["start -> work", "work -> end"]
        loop = stories.a_loop("again", body, edges, max_iterations=STEPS, while_="true")
        graph: JsonObject = stories.a_graph([loop], ["start -> again", "again -> end"])
        self.definition = parse_definition(graph)
        self.execution = stories.an_execution(EXECUTION_ID, self.definition.hash, None)
        self.events_count = 0
        self.step = 0

    def go_on_until(self, step: int) -> None:
        while self.step < step and not self.execution.is_ended:
            for attempt in advance(self.execution, self.definition, now=NOON):
                self._store()
                complete_node(
                    self.execution, attempt.path, attempt.number, dict(OUTPUT), usage=USAGE
                )
                self.step += 1
            self._store()

    def reload(self) -> None:
        state = orjson.dumps(snapshot_of(self.execution))
        self.execution: Execution = execution_from(orjson.loads(state))

    def sizes(self) -> tuple[int, ...]:
        """Of whatever grows by what a run goes through."""
        runs, live = self.execution.runs, self.execution.live
        return (
            *(len(runs.by_path), len(runs.frames), len(runs.running), len(runs.waiting)),
            *(len(runs.kept), len(runs.bodies)),
            *(len(live.frames), len(live.memory), len(live.in_flight), len(live.changed)),
        )

    def state_bytes(self) -> int:
        return len(orjson.dumps(snapshot_of(self.execution)))

    def _store(self) -> None:
        self.events_count += len(self.execution.collect_events())


@pytest.fixture
def traced() -> Iterator[None]:
    tracemalloc.start()
    yield
    tracemalloc.stop()


def memory() -> int:
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


def test_ten_thousand_steps_leave_nothing_behind(traced: None) -> None:
    run = LongRun()
    run.go_on_until(EARLY)
    sizes, state, before = run.sizes(), run.state_bytes(), memory()
    run.go_on_until(LATE)
    assert run.sizes() == sizes
    assert run.state_bytes() - state <= STATE_GROWTH_BYTES_MAX
    assert memory() - before <= MEMORY_GROWTH_BYTES_MAX
    run.go_on_until(STEPS + 1)
    assert run.execution.status == "COMPLETED"
    assert run.events_count > 3 * STEPS


def test_a_long_run_that_is_loaded_again_and_again_stays_as_small(traced: None) -> None:
    run = LongRun()
    run.go_on_until(EARLY)
    run.reload()
    run.go_on_until(EARLY + 1)
    sizes, before = run.sizes(), memory()
    for step in range(750, 2001, 250):
        run.go_on_until(step)
        run.reload()
    run.go_on_until(2001)
    assert run.sizes() == sizes
    assert memory() - before <= MEMORY_GROWTH_BYTES_MAX
