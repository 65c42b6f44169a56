"""What changed between two versions of an execution."""

from typing import Any

from domain.executions import Execution
from tests.projections.histories import (
    FREE,
    IDS,
    Stream,
    a_finished_run,
    a_tenant,
    an_agent,
    an_execution,
    completed,
    started,
)
from tests.read_api.api import Api

DIFF = """query($id: ID!, $from: Int!, $to: Int!) {
  executionDiff(id: $id, fromVersion: $from, toVersion: $to) { path before after } }"""


async def diff(api: Api, run: Stream, before: int, after: int) -> list[Any]:
    answer = await api.read(DIFF, id=str(run.stream_id), **{"from": before, "to": after})
    return answer["executionDiff"]


def a_difference(path: str, before: object, after: object) -> dict[str, object]:
    return {"path": path, "before": before, "after": after}


async def test_what_an_event_changed_is_told_field_by_field(api: Api) -> None:
    run = a_finished_run(api.tenant_id)
    await api.record(run)
    assert await diff(api, run, 4, 5) == [
        a_difference("/costUsd", "0", "0.000013"),
        a_difference("/tokensIn", 0, 3),
        a_difference("/tokensOut", 0, 5),
        a_difference("/nodes/draft/status", "RUNNING", "COMPLETED"),
        a_difference("/nodes/draft/completedAt", None, "2026-01-01T00:00:05+00:00"),
        a_difference("/nodes/draft/durationMs", None, 1000),
        a_difference("/nodes/draft/output", None, {"text": "draft"}),
        a_difference("/nodes/draft/model", None, "offline/echo"),
        a_difference("/nodes/draft/costUsd", "0", "0.000013"),
        a_difference("/nodes/draft/tokensIn", 0, 3),
        a_difference("/nodes/draft/tokensOut", 0, 5),
    ]


async def test_a_node_that_is_new_is_one_difference_and_its_path_is_escaped(api: Api) -> None:
    run = started(an_execution(api.tenant_id).happens(Execution.Started), "each[0]/~draft")
    await api.record(run)
    (difference,) = await diff(api, run, 2, 3)
    assert difference["path"] == "/nodes/each[0]~1~0draft"
    assert difference["before"] is None
    assert difference["after"]["status"] == "RUNNING"


async def test_documents_are_compared_member_by_member_and_lists_as_a_whole(api: Api) -> None:
    run = an_execution(api.tenant_id).happens(Execution.Started)
    first = {"kept": 1, "text": "a", "list": [1, 2], "gone": None, "flag": 1}
    second = {"kept": 1, "text": "b", "list": [1, 3], "new": {"a": 1}, "flag": True}
    completed(run, "draft", output=first, **FREE)
    completed(run, "draft", 2, output=second, **FREE)
    await api.record(run)
    outputs = [
        (one["path"].removeprefix("/nodes/draft/output/"), one["before"], one["after"])
        for one in await diff(api, run, 3, 4)
        if "/output" in one["path"]
    ]
    assert outputs == [
        ("text", "a", "b"),
        ("list", [1, 2], [1, 3]),
        ("gone", None, None),
        ("flag", 1, True),
        ("new", None, {"a": 1}),
    ]


async def test_a_version_does_not_differ_from_itself_and_backwards_is_the_other_way(
    api: Api,
) -> None:
    run = a_finished_run(api.tenant_id)
    await api.record(run)
    assert await diff(api, run, 7, 7) == []
    forwards, backwards = await diff(api, run, 2, 7), await diff(api, run, 7, 2)
    turned = [a_difference(one["path"], one["after"], one["before"]) for one in backwards]
    by_path = {one["path"]: one for one in turned}
    assert by_path == {one["path"]: one for one in forwards}


async def test_what_is_not_there_or_not_ones_own_has_no_versions(api: Api) -> None:
    run, foreign = a_finished_run(api.tenant_id), a_finished_run(a_tenant())
    agent = an_agent(api.tenant_id)
    await api.record(run, foreign, agent)
    for stream_id, before, after in (
        (run.stream_id, 1, 8),
        (run.stream_id, 0, 1),
        (foreign.stream_id, 1, 2),
        (agent.stream_id, 1, 1),
        (IDS.new(), 1, 2),
        ("nonsense", 1, 2),
    ):
        asked = {"id": str(stream_id), "from": before, "to": after}
        assert await api.read(DIFF, **asked) == {"executionDiff": None}
    too_far = {"id": str(run.stream_id), "from": 1, "to": 20_001}
    assert await api.refused(DIFF, **too_far) == "bad_version"


async def test_more_differences_than_anyone_reads_are_refused(api: Api) -> None:
    run = a_finished_run(api.tenant_id)
    await api.record(run)
    asked = {"id": str(run.stream_id), "from": 1, "to": 7}
    answer = await api.ask(DIFF, app=api.app(differences_max=3), **asked)
    assert answer["data"] == {"executionDiff": None}
    assert answer["errors"][0]["extensions"]["code"] == "too_many_differences"
