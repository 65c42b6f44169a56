"""Statistics of executions, bucket by bucket."""

from domain.executions import Execution
from tests.projections.histories import (
    FREE,
    USAGE,
    a_finished_run,
    a_tenant,
    an_execution,
    compensation_started,
    completed,
)
from tests.read_api.api import Api

QUERY = """query($from: DateTime!, $to: DateTime!, $interval: Interval, $id: ID) {
  executionStats(from: $from, to: $to, interval: $interval, workflowId: $id) {
    start total byStatus { status count } successRate p50DurationMs p95DurationMs p99DurationMs
    costUsd hasUnpriced tokensIn tokensOut } }"""
NOTHING = {
    "total": 0,
    "byStatus": [],
    "successRate": None,
    "p50DurationMs": None,
    "p95DurationMs": None,
    "p99DurationMs": None,
    "costUsd": "0",
    "hasUnpriced": False,
    "tokensIn": 0,
    "tokensOut": 0,
}


def hour(number: int) -> str:
    return f"2026-01-01T{number:02}:00:00+00:00"


async def test_counts_rates_durations_and_sums_are_per_hour_and_empty_hours_are_there(
    api: Api,
) -> None:
    failed = an_execution(api.tenant_id).happens(Execution.Started)
    completed(failed, "draft", **{**USAGE, "cost_usd_pico": None})
    why = {"path": None, "attempt": None, "code": "stuck", "message": "no end"}
    failed.happens(Execution.Failed, stopped_paths=[], **why)
    done = [a_finished_run(api.tenant_id) for _ in range(3)]
    await api.happened(failed, *done, an_execution(api.tenant_id), a_finished_run(a_tenant()))
    read = await api.read(
        QUERY, **{"from": "2025-12-31T23:30:00Z", "to": hour(2), "interval": "HOUR"}
    )
    stats = read["executionStats"]
    assert [bucket["start"] for bucket in stats] == ["2025-12-31T23:00:00+00:00", hour(0), hour(1)]
    assert {**stats[0], "start": 0} == {**stats[2], "start": 0} == {"start": 0, **NOTHING}
    assert stats[1] == {
        "start": hour(0),
        "total": 5,
        "byStatus": [
            {"status": "COMPLETED", "count": 3},
            {"status": "FAILED", "count": 1},
            {"status": "PENDING", "count": 1},
        ],
        "successRate": 0.75,
        "p50DurationMs": 5000,
        "p95DurationMs": 5000,
        "p99DurationMs": 5000,
        "costUsd": "0.000039",
        "hasUnpriced": True,
        "tokensIn": 12,
        "tokensOut": 20,
    }


async def test_runs_that_were_undone_or_need_attention_did_not_succeed(api: Api) -> None:
    undone = compensation_started(a_finished_run(api.tenant_id))
    undone.happens(Execution.Compensated, paths=[])
    stuck = an_execution(api.tenant_id)
    stuck.happens(Execution.AttentionNeeded, message="look", paths=["a"], done_paths=[])
    await api.happened(undone, stuck, a_finished_run(api.tenant_id))
    read = await api.read(QUERY, **{"from": hour(0), "to": hour(1), "interval": "HOUR"})
    (stats,) = read["executionStats"]
    assert stats["byStatus"] == [
        {"status": "COMPENSATED", "count": 1},
        {"status": "COMPLETED", "count": 1},
        {"status": "NEEDS_ATTENTION", "count": 1},
    ]
    assert stats["successRate"] == 1 / 3


async def test_only_the_asked_workflow_and_span_count(api: Api) -> None:
    workflow_id = str(a_tenant())
    mine = completed(an_execution(api.tenant_id, workflow_id=workflow_id), "a", **FREE)
    await api.happened(mine, a_finished_run(api.tenant_id))

    async def totals(**asked: object) -> list[int]:
        answer = await api.read(QUERY, **{"interval": "HOUR", **asked})
        return [bucket["total"] for bucket in answer["executionStats"]]

    span = {"from": hour(0), "to": hour(1)}
    assert await totals(**span) == [2]
    assert await totals(**span, id=workflow_id) == [1]
    assert await totals(**span, id="nonsense") == [0]
    # The bounds are moments, not buckets: from is in, to is out.
    assert await totals(**{"from": "2026-01-01T00:00:01Z", "to": "2026-01-01T00:00:02Z"}) == [2]
    assert await totals(**{"from": hour(0), "to": "2026-01-01T00:00:01Z"}) == [0]
    assert await totals(**{"from": hour(1), "to": hour(1)}) == []
    assert await totals(**{"from": hour(3), "to": hour(1)}) == []


async def test_a_day_is_the_default_interval(api: Api) -> None:
    read = await api.read(QUERY, **{"from": hour(0), "to": "2026-01-03T00:00:00Z"})
    starts = [bucket["start"] for bucket in read["executionStats"]]
    assert starts == [hour(0), "2026-01-02T00:00:00+00:00"]


async def test_more_buckets_than_anyone_reads_are_refused(api: Api) -> None:
    asked = {"from": "2026-01-01T00:00:00Z", "to": "2026-03-01T00:00:00Z", "interval": "HOUR"}
    assert await api.refused(QUERY, **asked) == "too_many_buckets"


async def test_a_local_time_or_no_time_at_all_is_refused(api: Api) -> None:
    for text in ("2026-01-01T00:00:00", "yesterday", "", "2026-13-01T00:00:00Z"):
        assert await api.refused(QUERY, **{"from": text, "to": hour(1)}) == "bad_time"
        literal = f'{{ executionStats(from: "{text}", to: "{hour(1)}") {{ total }} }}'
        assert await api.refused(literal) == "bad_time"
