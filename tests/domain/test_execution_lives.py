"""Whatever the definition, the outcomes, the commands and the crashes: every run ends or rests, no
attempt is made twice, each node is decided once, and what is undone is what was done.
"""

from collections import Counter
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.definitions import parse_definition
from domain.identifiers import JsonObject
from domain.undo_plan import depends
from tests.domain import facts
from tests.domain import given as stories
from tests.domain.facts import Fact
from tests.domain.given import Run, a_run_of
from tests.domain.random_runs import definitions, live

COMPENSATE = "/compensate"


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(definition=definitions(), data=st.data())
def test_a_run_ends_or_waits_and_its_history_is_consistent(
    definition: JsonObject, data: st.DataObject
) -> None:
    run = a_run_of(parse_definition(definition), {"n": 1})
    life = live(run, data)
    twice = {key for key, count in life.told.items() if count > 1}
    assert twice <= life.may_repeat
    assert run.rebuilt() == run.aggregate
    told = [facts.fact_of_stored(stored) for stored in run.stored]
    _require_each_node_decided_once(told)
    _require_undone_what_was_done(run, told)
    assert stories.given(run, stories.advance()).recorded == []


def _require_each_node_decided_once(facts: list[Fact]) -> None:
    """Between two times that somebody asked for a retry."""
    decided: Counter[str] = Counter()
    for topic, fields in facts:
        for path in _decided(topic, fields):
            decided[path] += 1
            assert decided[path] == 1, f"{path} was decided twice"
        if topic == "execution.retried":
            decided = Counter({path: 1 for path in decided if path not in fields["paths"]})
        if topic == "execution.resolved" and fields["outcome"] == "retry":
            del decided[fields["path"]]
        if topic == "execution.compensation_started":
            decided.clear()


def _decided(topic: str, fields: dict[str, Any]) -> list[str]:
    match topic, fields:
        case "execution.node_completed", {"path": path}:
            return [path]
        case "execution.node_failed", {"path": path, "retry_at": None}:
            return [path]
        case "execution.nodes_skipped", {"paths": paths}:
            return paths
        case _:
            return []


def _require_undone_what_was_done(run: Run, facts: list[Fact]) -> None:
    """Everything that completed and can be undone, and nothing that surely did not happen; each
    after everything that depends on it.
    """
    if run.status != "COMPENSATED":
        return
    undone = {_undone_by(path) for path in _completed(facts) if path.endswith(COMPENSATE)}
    undone |= {
        _undone_by(fields["path"])
        for topic, fields in facts
        if topic == "execution.resolved" and fields["path"].endswith(COMPENSATE)
    }
    must = {path for path in _completed(facts) if _can_be_undone(run, path)}
    begun = {fields["path"] for topic, fields in facts if topic == "execution.node_started"}
    assert must <= undone <= begun
    for place, (topic, fields) in enumerate(facts):
        if topic == "execution.node_started" and fields["path"].endswith(COMPENSATE):
            path = _undone_by(fields["path"])
            open_ones = undone - {_undone_by(one) for one in _settled(facts[:place])}
            flow = run.definition.flow
            assert [one for one in open_ones if depends(flow, one, path)] == [], path


def _completed(facts: list[Fact]) -> set[str]:
    return {fields["path"] for topic, fields in facts if topic == "execution.node_completed"}


def _settled(facts: list[Fact]) -> set[str]:
    """Compensations that were made, or that somebody answered for."""
    resolved = {fields["path"] for topic, fields in facts if topic == "execution.resolved"}
    return {path for path in _completed(facts) | resolved if path.endswith(COMPENSATE)}


def _undone_by(path: str) -> str:
    return path.removesuffix(COMPENSATE)


def _can_be_undone(run: Run, path: str) -> bool:
    node = run.definition.node(path)
    return node is not None and node.compensation is not None
