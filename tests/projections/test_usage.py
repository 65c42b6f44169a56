"""usage_facts, and the sums beside them."""

import random
from typing import Any

import orjson

from domain.embedding_calls import EmbeddingCall
from domain.executions import Execution
from projections.fold import read_fact, rows_after
from projections.projector import Projector
from projections.rebuild import rebuild
from projections.rollups import verify_rollup
from projections.table import Decoded, Key
from projections.usage import USAGE_FACTS
from tests.architecture.sources import ROOT
from tests.projections.histories import (
    FREE,
    USAGE,
    Stream,
    a_tenant,
    an_execution,
    at,
    completed,
    failed,
    random_run,
    started,
)
from tests.projections.ledger import Ledger, batches
from tests.projections.usage_histories import (
    a_sent_event,
    an_embedding_call,
    begun_embedding,
    resolved_embedding,
    run_metered,
    storage_measured,
    unresolved_embedding,
)

RESOLVED = {
    "model": "openai/gpt-4o",
    "tokens_in": 2,
    "tokens_out": 0,
    "cost_usd_pico": 5_000_000,
    "usage": {
        **USAGE["usage"],
        "source": "resolved",
        "lines": [["requests", 1, 0], ["input_tokens", 2, 5_000_000]],
    },
}


def unresolved(run: Any, path: str, attempt: int = 1) -> Any:
    return run.happens(
        Execution.UsageUnresolved,
        path=path,
        node_type="llm",
        attempt=attempt,
        model="openai/gpt-4o",
        workflow_id=None,
        created_by="api_key:test",
    )


def resolved(run: Any, path: str, attempt: int = 1) -> Any:
    return run.happens(
        Execution.UsageResolved,
        path=path,
        node_type="llm",
        attempt=attempt,
        reason="as reported",
        **RESOLVED,
    )


def test_an_attempt_that_was_paid_for_is_a_row_and_one_that_was_not_is_none() -> None:
    run = completed(started(an_execution(), "draft"), "draft")
    completed(run, "end", node_type="end", **FREE)
    (row,) = rows_after(USAGE_FACTS, run.events)
    assert row == {
        "tenant_id": run.tenant_id,
        "stream_id": run.stream_id,
        "path": "draft",
        "attempt": 1,
        "happened_at": at(3),
        "version": 3,
        "node_type": "llm",
        "model": "offline/echo",
        "provider": "offline",
        "agent_id": "",
        "workflow_id": "",
        "created_by": "api_key:test",
        "source": "provider",
        "prices": "offline/1",
        "lines": orjson.dumps(USAGE["usage"]["lines"]).decode(),
    }


def test_each_attempt_has_its_own_row_also_one_that_failed() -> None:
    run = failed(started(an_execution(), "draft"), "draft", retry_at=None, **USAGE)
    completed(started(run, "draft", 2), "draft", 2)
    rows = rows_after(USAGE_FACTS, run.events)
    assert [(row["path"], row["attempt"]) for row in rows] == [("draft", 1), ("draft", 2)]


def test_what_nobody_knows_is_a_call_without_a_cost_until_somebody_says() -> None:
    run = unresolved(started(an_execution(), "draft"), "draft")
    failed(run, "draft", retry_at=None, **{**FREE, "cost_usd_pico": None})
    (row,) = rows_after(USAGE_FACTS, run.events)
    assert (row["source"], row["lines"]) == ("unknown", '[["requests",1,null]]')
    (row,) = rows_after(USAGE_FACTS, resolved(run, "draft").events)
    assert (row["source"], row["version"], row["happened_at"]) == ("resolved", 5, at(3))
    assert row["lines"] == '[["requests",1,0],["input_tokens",2,5000000]]'


def test_what_a_tenant_counted_itself_is_a_row_of_the_time_that_it_says() -> None:
    sent = a_sent_event()
    (row,) = rows_after(USAGE_FACTS, sent.events)
    assert (row["path"], row["attempt"], row["source"]) == ("", 0, "sent")
    assert str(row["happened_at"]) == "2026-01-05 10:00:00+00:00"
    assert row["lines"] == '[["pages_printed",12,null]]'


def test_the_time_of_each_end_of_a_run_is_a_row_of_its_own() -> None:
    run = run_metered(run_metered(completed(started(an_execution(), "a"), "a")), 2, seconds=1)
    rows = rows_after(USAGE_FACTS, run.events)
    told = [(row["path"], row["attempt"], row["source"], row["lines"]) for row in rows]
    assert told[1:] == [
        ("", 1, "measured", '[["run_seconds",3,30000000000]]'),
        ("", 2, "measured", '[["run_seconds",1,10000000000]]'),
    ]
    assert {row["stream_id"] for row in rows} == {run.stream_id}


def test_a_text_that_was_embedded_is_a_row_of_its_model() -> None:
    call = an_embedding_call()
    (row,) = rows_after(USAGE_FACTS, call.events)
    told = (row["stream_id"], row["path"], row["attempt"], row["model"], row["provider"])
    assert told == (call.stream_id, "search", 1, "ours/embedder", "openai")
    assert row["lines"] == '[["requests",1,0],["embedding_tokens",7,140000]]'
    assert rows_after(USAGE_FACTS, begun_embedding().events) == []


def test_a_text_whose_call_nobody_told_the_end_of_is_unknown_until_it_is_resolved() -> None:
    call = unresolved_embedding()
    (row,) = rows_after(USAGE_FACTS, call.events)
    assert (row["source"], row["lines"]) == ("unknown", '[["requests",1,null]]')
    (resolved,) = rows_after(USAGE_FACTS, resolved_embedding(call).events)
    assert (resolved["source"], resolved["happened_at"]) == ("resolved", row["happened_at"])
    assert resolved["lines"] == '[["requests",1,0],["embedding_tokens",5,100000]]'


def test_a_text_that_was_embedded_before_there_were_intents_is_the_row_that_it_was() -> None:
    golden = ROOT / "tests" / "golden" / "events" / "embedding_call.created.json"
    call = Stream(EmbeddingCall, a_tenant()).logs("embedding_call.created", golden.read_bytes())
    (row,) = rows_after(USAGE_FACTS, call.events)
    told = (row["path"], row["attempt"], str(row["happened_at"]))
    assert told == ("", 0, "2026-11-29 10:00:00+00:00")


def test_what_is_said_to_say_all_of_its_row_says_so_whatever_was_there() -> None:
    draw = random.Random(5)
    events = [event for _ in range(30) for event in random_run(draw, a_tenant()).events]
    for told in (
        a_sent_event(),
        run_metered(an_execution()),
        storage_measured(),
        an_embedding_call(),
        unresolved_embedding(),
    ):
        events += told.events
    facts = [read_fact(event) for event in events]
    overwriting = [
        fact
        for fact in facts
        if isinstance(fact, Decoded)
        and fact.logged.topic in USAGE_FACTS.topics - USAGE_FACTS.reading_topics
    ]
    rows: dict[Key, Any] = {}
    for fact in overwriting:
        for key in USAGE_FACTS.keys(fact):
            rows[key] = USAGE_FACTS.evolve(None, fact, key)
            other: Any = {**rows[key], "source": "resolved", "happened_at": at(99)}
            assert USAGE_FACTS.evolve(other, fact, key) == rows[key]
    assert rows


SUMS = """
SELECT meter, sum(quantity)::int, sum(cost_usd_pico)::int, sum(unpriced)::int, sum(unresolved)::int
  FROM usage_facts_v2_quarters WHERE tenant_id = %s GROUP BY meter ORDER BY meter
"""


async def are_summed(ledger: Ledger) -> bool:
    rollups = USAGE_FACTS.rollups
    checks = [await verify_rollup(ledger.owner, USAGE_FACTS, rollup) for rollup in rollups]
    return all(check.ok for check in checks)


async def apply(ledger: Ledger, projector: Projector, *streams: Any) -> None:
    await ledger.append([event for stream in streams for event in stream.events])
    await projector.handle(batches(await ledger.log(*streams)))


async def test_the_sums_follow_every_change_of_the_facts(ledger: Ledger) -> None:
    tenant_id = a_tenant()
    projector = await ledger.projector([USAGE_FACTS])
    run = unresolved(started(an_execution(tenant_id), "draft"), "draft")
    other = completed(started(an_execution(tenant_id), "draft"), "draft")
    await apply(ledger, projector, run, other)
    assert await ledger.fetch(SUMS, tenant_id) == [
        ("input_tokens", 3, 3_000_000, 0, 0),
        ("output_tokens", 5, 10_000_000, 0, 0),
        ("requests", 2, 0, 0, 1),
    ]
    known = len(run.events)
    resolved(run, "draft")
    await ledger.append(run.events[known:])
    await projector.handle(batches(await ledger.log(run)))
    assert await ledger.fetch(SUMS, tenant_id) == [
        ("input_tokens", 5, 8_000_000, 0, 0),
        ("output_tokens", 5, 10_000_000, 0, 0),
        ("requests", 2, 0, 0, 0),
    ]
    assert await are_summed(ledger)
    await ledger.fetch("DELETE FROM usage_facts_v2 WHERE tenant_id = %s", tenant_id)
    assert await ledger.fetch(SUMS, tenant_id) == []


async def test_after_any_history_and_a_rebuild_the_sums_are_those_of_the_facts(
    ledger: Ledger,
) -> None:
    draw = random.Random(7)
    projector = await ledger.projector([USAGE_FACTS])
    await apply(ledger, projector, *[random_run(draw, a_tenant()) for _ in range(30)])
    before = await ledger.fetch("SELECT * FROM usage_facts_v2_quarters ORDER BY 1, 2, 3, 4")
    assert before
    assert await are_summed(ledger)
    await rebuild(USAGE_FACTS, ledger.connect, ledger.opened)
    after = await ledger.fetch("SELECT * FROM usage_facts_v2_quarters ORDER BY 1, 2, 3, 4")
    assert after == before
    # What takes the place of the table has its triggers, and leaves none of its own behind.
    await apply(ledger, projector, *[random_run(draw, a_tenant()) for _ in range(5)])
    assert await are_summed(ledger)
    left = "SELECT proname FROM pg_proc WHERE proname ~ '^roll_up_usage_facts.*rebuild'"
    assert await ledger.fetch(left) == []
    await ledger.fetch("UPDATE usage_facts_v2_quarters SET quantity = quantity + 1")
    assert not await are_summed(ledger)


async def test_what_is_delivered_twice_is_summed_once(ledger: Ledger) -> None:
    draw = random.Random(11)
    streams = [random_run(draw, a_tenant()) for _ in range(20)]
    await ledger.append([event for stream in streams for event in stream.events])
    projector = await ledger.projector([USAGE_FACTS])
    events = await ledger.log()
    begun = 0
    while begun < len(events):
        # Some of what came before comes again.
        again = max(0, begun - draw.randrange(30))
        begun += draw.randrange(1, 40)
        await projector.handle(batches(events[again:begun]))
    assert await are_summed(ledger)
    facts = [row for stream in streams for row in rows_after(USAGE_FACTS, stream.events)]
    costs = [line[2] or 0 for row in facts for line in orjson.loads(str(row["lines"]))]
    for suffix in ("quarters", "days"):
        total = f"SELECT sum(cost_usd_pico), sum(lines) FROM usage_facts_v2_{suffix}"
        assert await ledger.fetch(total) == [(sum(costs), len(costs))]
