"""What any stream added up to, at a version, at an instant or now, and what came between."""

from typing import Any

import pytest

from domain.catalogue import AGGREGATES
from infra.aggregate_states import aggregate_after, kind_of, state_of
from tests.projections.histories import (
    IDS,
    Stream,
    a_bulk_operation,
    a_finished_run,
    a_provider,
    a_role,
    a_rotated_key,
    a_secret,
    a_tenant,
    a_user,
    a_workflow,
    an_agent,
    the_tenant,
)
from tests.read_api.api import Api

AT = """query($id: ID!, $version: Int, $at: DateTime) {
  aggregateAt(streamId: $id, version: $version, at: $at) {
    streamId kind version recordedAt state } }"""
DIFF = """query($id: ID!, $from: Int!, $to: Int!) {
  aggregateDiff(streamId: $id, fromVersion: $from, toVersion: $to) { path before after } }"""


async def state(api: Api, stream: Stream, **asked: Any) -> Any:
    return (await api.read(AT, id=str(stream.stream_id), **asked))["aggregateAt"]


@pytest.mark.parametrize(
    "make",
    [
        a_bulk_operation,
        a_finished_run,
        a_provider,
        a_role,
        a_rotated_key,
        a_secret,
        a_user,
        a_workflow,
        an_agent,
    ],
)
def test_every_kind_has_a_state_that_is_json(make: Any) -> None:
    stream = make()
    aggregate = aggregate_after(stream.events)
    assert kind_of(aggregate) == stream.events[0].topic.partition(".")[0]
    told = state_of(aggregate)
    assert told
    assert not any(name.startswith("_") for name in told)


def test_every_kind_has_a_name() -> None:
    assert len({getattr(kind, "TOPIC") for kind in AGGREGATES}) == len(AGGREGATES)  # noqa: B009 # not declared


async def test_a_stream_is_shown_as_it_was_at_each_version_and_as_it_is(api: Api) -> None:
    key = a_rotated_key(api.tenant_id)
    await api.record(key)
    now = await state(api, key)
    assert (now["version"], now["kind"]) == (len(key.events), "api_key")
    first = await state(api, key, version=1)
    assert first["version"] == 1
    assert first["recordedAt"] == key.events[0].recorded_at.isoformat()
    assert first["state"]["prefix"] != now["state"]["prefix"]


async def test_an_instant_counts_what_was_recorded_by_then(api: Api) -> None:
    run = a_finished_run(api.tenant_id)
    await api.record(run)
    third = run.events[2]
    found = await state(api, run, at=third.recorded_at.isoformat())
    assert (found["version"], found["kind"]) == (3, "execution")
    assert await state(api, run, at="2020-01-01T00:00:00Z") is None
    later = await state(api, run, at="2030-01-01T00:00:00+02:00")
    assert later["version"] == len(run.events)


async def test_what_an_event_changed_is_told_field_by_field(api: Api) -> None:
    key = a_rotated_key(api.tenant_id)
    await api.record(key)
    asked = {"id": str(key.stream_id), "from": 1, "to": 2}
    found = {one["path"]: one for one in (await api.read(DIFF, **asked))["aggregateDiff"]}
    before, after = await state(api, key, version=1), await state(api, key, version=2)
    assert found
    for path, one in found.items():
        name = path.removeprefix("/")
        assert (one["before"], one["after"]) == (before["state"][name], after["state"][name])
    back = (await api.read(DIFF, **{**asked, "from": 2, "to": 1}))["aggregateDiff"]
    assert {one["path"] for one in back} == found.keys()


async def test_what_is_not_there_or_not_the_callers_is_nothing(api: Api) -> None:
    own, foreign = an_agent(api.tenant_id), the_tenant(a_tenant())
    await api.record(own, foreign)
    assert await state(api, foreign) is None
    assert await state(api, own, version=2) is None
    for stream_id in (str(IDS.new()), "nonsense"):
        assert (await api.read(AT, id=stream_id))["aggregateAt"] is None
        answer = await api.read(DIFF, id=stream_id, **{"from": 1, "to": 2})
        assert answer["aggregateDiff"] is None


async def test_versions_that_cannot_be_are_refused(api: Api) -> None:
    asked = {"id": str(IDS.new())}
    assert await api.refused(AT, **asked, version=0) == "bad_version"
    assert await api.refused(AT, **asked, version=20_001) == "bad_version"
    both = {"version": 1, "at": "2026-01-01T00:00:00Z"}
    assert await api.refused(AT, **asked, **both) == "bad_version"
    assert await api.refused(DIFF, **asked, **{"from": 0, "to": 1}) == "bad_version"
