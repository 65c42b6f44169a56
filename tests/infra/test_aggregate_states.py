"""What people who look back are told of an aggregate."""

from typing import Any

from infra.aggregate_states import aggregate_after, state_of
from tests.projections.histories import an_execution, completed, started


def test_the_nodes_of_a_run_are_told_by_the_names_of_their_parts() -> None:
    run = completed(started(an_execution(), "draft"), "draft")
    state: Any = state_of(aggregate_after(run.events))
    assert state["runs"]["by_path"]["draft"]["status"] == "COMPLETED"
