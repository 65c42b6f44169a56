"""Statistics of executions, bucket by bucket."""

import math
import random
from datetime import timedelta
from typing import Any

from domain.executions import Execution
from tests.projections.histories import (
    FREE,
    USAGE,
    Stream,
    a_finished_run,
    a_tenant,
    an_execution,
    compensation_started,
    completed,
    failed,
    started,
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
        # Within 1/64 of 5000.
        "p50DurationMs": 4992 + 64,
        "p95DurationMs": 4992 + 64,
        "p99DurationMs": 4992 + 64,
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


GROUPED = """query($by: [StatsDimension!], $each: Interval, $zone: String, $from: DateTime!,
  $to: DateTime!, $agent: ID) {
  executionStats(from: $from, to: $to, interval: $each, groupBy: $by, timeZone: $zone,
    agentId: $agent) {
    start group { dimension value } total byStatus { status count } successRate failureRate
    p50DurationMs p95DurationMs p99DurationMs runSeconds costUsd hasUnpriced } }"""
JANUARY = {"from": "2026-01-01T00:00:00Z", "to": "2026-02-01T00:00:00Z", "each": None}


async def grouped(api: Api, *by: str, **asked: object) -> dict[tuple[str | None, ...], Any]:
    answer = await api.read(GROUPED, **{**JANUARY, "by": by, **asked})
    return {
        tuple(one["value"] for one in stats["group"]): stats for stats in answer["executionStats"]
    }


def a_run_of(api: Api, duration_ms: int, **fields: object) -> Stream:
    run = a_finished_run(api.tenant_id, **fields)
    started_at = run.events[1].recorded_at
    ended_at = started_at + timedelta(milliseconds=duration_ms)
    run.events[-1] = run.events[-1]._replace(recorded_at=ended_at)
    return run


async def test_runs_are_grouped_by_workflow_agent_and_status(api: Api) -> None:
    workflow_id, agent_id = str(a_tenant()), str(a_tenant())
    await api.happened(
        a_finished_run(api.tenant_id, workflow_id=workflow_id),
        an_execution(api.tenant_id, workflow_id=workflow_id),
        a_finished_run(api.tenant_id, agent_id=agent_id),
    )
    by_both = await grouped(api, "STATUS", "WORKFLOW")
    assert {group: stats["total"] for group, stats in by_both.items()} == {
        (None, "COMPLETED"): 1,
        (workflow_id, "COMPLETED"): 1,
        (workflow_id, "PENDING"): 1,
    }
    by_agent = await grouped(api, "AGENT")
    assert {group: stats["costUsd"] for group, stats in by_agent.items()} == {
        (None,): "0.000013",
        (agent_id,): "0.000013",
    }
    assert by_agent[agent_id,]["group"] == [{"dimension": "AGENT", "value": agent_id}]
    assert list(await grouped(api, "AGENT", agent=agent_id)) == [(agent_id,)]
    (alone,) = (await grouped(api)).values()
    assert (alone["total"], alone["successRate"], alone["failureRate"]) == (3, 1.0, 0.0)


async def test_by_model_and_node_type_node_runs_are_counted(api: Api) -> None:
    run = a_finished_run(api.tenant_id)
    refused = failed(started(an_execution(api.tenant_id), "draft"), "draft", **USAGE)
    await api.happened(run, refused)
    by_model = await grouped(api, "MODEL", "NODE_TYPE")
    assert {group: stats["total"] for group, stats in by_model.items()} == {
        ("offline/echo", "llm"): 2,
        (None, "start"): 1,
        (None, "end"): 1,
    }
    calls = by_model["offline/echo", "llm"]
    assert (calls["successRate"], calls["failureRate"], calls["costUsd"]) == (0.5, 0.5, "0.000026")
    by_status = await grouped(api, "MODEL", "STATUS")
    bad = by_status["offline/echo", "FAILED"]
    assert (bad["successRate"], bad["failureRate"]) == (0.0, 1.0)
    assert calls["p50DurationMs"] == 1000
    answer = await api.ask(GROUPED, app=api.app(stats_runs_max=1), **JANUARY, by=["MODEL"])
    assert answer["errors"][0]["extensions"]["code"] == "too_many_runs"


async def test_percentiles_are_within_a_64th_of_the_exact_ones(api: Api) -> None:
    draw = random.Random(8)
    durations = sorted(
        [int(10 ** draw.uniform(0, 8)) for _ in range(60)] + [draw.randrange(64) for _ in range(20)]
    )
    await api.happened(*(a_run_of(api, duration) for duration in durations))
    # By sums of days, by sums of quarters, and from the rows alone.
    for asked in (
        {"zone": "UTC"},
        {"from": "2026-01-01T00:00:00Z", "to": "2026-01-01T00:15:00Z"},
        {"from": "2026-01-01T00:00:00.5Z", "to": "2026-01-01T00:00:59Z"},
    ):
        (stats,) = (await grouped(api, **asked)).values()
        for name, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99)):
            exact = durations[math.ceil(share * len(durations)) - 1]
            assert abs(stats[f"{name}DurationMs"] - exact) <= exact / 64, (asked, name)
            assert exact >= 64 or stats[f"{name}DurationMs"] == exact
        assert stats["runSeconds"] == sum(durations) / 1000
    few = sorted(durations)[:15]
    assert max(few) < 64
    exactly = [await api.ledger.scalar("SELECT about_ms(%s)", ms) for ms in few]
    assert exactly == few


async def test_a_day_is_the_time_zones(api: Api) -> None:
    await api.happened(a_finished_run(api.tenant_id))
    asked = {"from": "2025-12-30T00:00:00Z", "to": "2026-01-02T00:00:00Z", "each": "DAY"}
    answer = await api.read(GROUPED, **asked, zone="America/Lima")
    counts = {stats["start"]: stats["total"] for stats in answer["executionStats"]}
    assert counts == {
        "2025-12-29T05:00:00+00:00": 0,
        "2025-12-30T05:00:00+00:00": 0,
        "2025-12-31T05:00:00+00:00": 1,
        "2026-01-01T05:00:00+00:00": 0,
    }
