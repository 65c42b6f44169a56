"""Whatever happens to runs, and however it arrives: the sums that charts are drawn from are those
of a plain fold of the events.
"""

import random
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, cast

import orjson
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.executions import Execution
from projections.executions import EXECUTIONS
from projections.fold import Row, rows_after
from projections.rebuild import rebuild
from projections.usage import INPUT_METERS, OUTPUT_METERS, USAGE_FACTS
from tests.effort import EFFORT
from tests.projections.histories import EPOCH, Stream, a_tenant, random_run, started
from tests.projections.ledger import Ledger, batches
from tests.projections.test_usage import resolved, unresolved
from tests.projections.usage_histories import PROVISIONAL_USAGE, a_sent_event

NIL = "00000000-0000-0000-0000-000000000000"
HOURS = "usage_facts_v2_hours"
LENGTHS = {"quarter": timedelta(minutes=15), "day": timedelta(days=1)}
Sums = dict[tuple[object, ...], list[Decimal]]


def start_of(moment: datetime, length: timedelta) -> datetime:
    return moment - (moment - EPOCH) % length


def about_ms(duration_ms: int | None) -> int:
    """As infra/migrations/0076_about_ms.sql has it."""
    if duration_ms is None or duration_ms < 64:
        return -1 if duration_ms is None else max(0, duration_ms)
    width = 1 << (duration_ms.bit_length() - 6)
    return duration_ms // width * width + width // 2


def summed(parts: Iterable[tuple[tuple[object, ...], Sequence[int]]]) -> Sums:
    sums: Sums = {}
    for key, numbers in parts:
        total = sums.setdefault(key, [Decimal(0)] * len(numbers))
        sums[key] = [one + number for one, number in zip(total, numbers, strict=True)]
    return sums


def usage_parts(rows: Iterable[Row], length: timedelta) -> Iterable[Any]:
    names = ("model", "provider", "agent_id", "workflow_id", "node_type", "created_by")
    for row in rows:
        is_unknown = row["source"] == "unknown"
        start = start_of(cast("datetime", row["happened_at"]), length)
        for meter, quantity, cost, *price in orjson.loads(str(row["lines"])):
            key = (row["tenant_id"], start, meter, *(row[name] for name in names))
            is_unpriced = cost is None and not is_unknown
            provisional = cost if price else 0
            yield key, (quantity, cost or 0, provisional, is_unpriced, is_unknown, 1)


def usage_hour_parts(rows: Sequence[Row]) -> Iterable[Any]:
    """Of all meters together."""
    for key, (quantity, *costs) in usage_parts(rows, timedelta(hours=1)):
        meter = key[2]
        counted = (meter in INPUT_METERS, meter in OUTPUT_METERS, meter == "requests")
        yield (*key[:2], *key[3:]), (*(quantity * one for one in counted), *costs)


def run_parts(rows: Iterable[Row], length: timedelta) -> Iterable[Any]:
    for row in rows:
        if row["completed_at"] is None:
            continue
        start = start_of(cast("datetime", row["created_at"]), length)
        who = [str(row[name] or NIL) for name in ("workflow_id", "agent_id")]
        took = about_ms(cast("int | None", row["duration_ms"]))
        key = (row["tenant_id"], start, *who, row["created_by"], row["status"], took)
        numbers = [row[name] for name in ("cost_usd_pico", "unpriced", "tokens_in", "tokens_out")]
        yield key, (1, row["duration_ms"] or 0, *numbers)


async def kept(ledger: Ledger, table: str, key_columns: int, tenants: list[Any]) -> Sums:
    rows = await ledger.fetch(f"SELECT * FROM {table} WHERE tenant_id = ANY(%s)", tenants)
    return {
        tuple(str(one) if n in (2, 3) else one for n, one in enumerate(row[:key_columns])): [
            *row[key_columns:]
        ]
        for row in rows
    }


async def require_sums_of_a_plain_fold(ledger: Ledger, streams: Sequence[Stream]) -> None:
    tenants = [*{stream.tenant_id for stream in streams}]
    runs = [stream for stream in streams if stream.aggregate is Execution]
    facts = [row for stream in streams for row in rows_after(USAGE_FACTS, stream.events)]
    executions = [row for run in runs for row in rows_after(EXECUTIONS, run.events)]
    for name, length in LENGTHS.items():
        usage = await kept(ledger, f"usage_facts_v2_{name}s", 9, tenants)
        assert usage == summed(usage_parts(facts, length))
        ended = await kept(ledger, f"executions_v5_by_{name}", 7, tenants)
        assert ended == summed(run_parts(executions, length))
    assert await kept(ledger, HOURS, 8, tenants) == summed(usage_hour_parts(facts))


def a_history(draw: random.Random) -> list[Stream]:
    """Of one tenant; runs are begun over some days, and what some used is found out late."""
    tenant_id = a_tenant()
    streams = [random_run(draw, tenant_id) for _ in range(4)]
    for run in streams:
        if draw.random() < 0.5:
            unresolved(started(run, "lost"), "lost")
    shift = timedelta(minutes=draw.randrange(4000))
    for stream in streams:
        stream.events[:] = [
            event._replace(recorded_at=event.recorded_at + shift * draw.randrange(3))
            for event in stream.events
        ]
    return [*streams, a_sent_event(tenant_id), a_sent_event(tenant_id, usage=PROVISIONAL_USAGE)]


def find_out_late(draw: random.Random, streams: Sequence[Stream]) -> None:
    for run in streams:
        if run.events[-1].topic == "execution.usage_unresolved" and draw.random() < 0.7:
            resolved(run, "lost")


async def apply_news(
    ledger: Ledger, streams: Sequence[Stream], known: dict[Any, int], draw: random.Random
) -> None:
    """Some of what was applied before comes again."""
    fresh = [event for s in streams for event in s.events[known.get(s.stream_id, 0) :]]
    await ledger.append(fresh)
    known |= {stream.stream_id: len(stream.events) for stream in streams}
    events = await ledger.log(*streams)
    projector = await ledger.projector()
    for _ in range(2):
        begun = draw.randrange(len(events))
        await projector.handle(batches(events[:begun]))
    await projector.handle(batches(events))


async def erase(ledger: Ledger, tenant_id: object) -> None:
    await ledger.fetch(
        "INSERT INTO destroyed_keys (tenant_id, subject_id, destroyed_at) VALUES (%s, %s, now())",
        *(tenant_id, NIL),
    )
    while await ledger.scalar("SELECT erase_rows(%s, 5)", tenant_id):
        pass


@settings(
    max_examples=4 * EFFORT,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(seed=st.integers(0, 2**32), is_rebuilt=st.booleans())
async def test_sums_are_those_of_a_plain_fold_after_any_history(
    ledger: Ledger, seed: int, is_rebuilt: bool
) -> None:
    draw = random.Random(seed)
    streams, known = a_history(draw), dict[Any, int]()
    await apply_news(ledger, streams, known, draw)
    await require_sums_of_a_plain_fold(ledger, streams)
    find_out_late(draw, streams)
    await apply_news(ledger, streams, known, draw)
    if is_rebuilt:
        for projection in (USAGE_FACTS, EXECUTIONS):
            await rebuild(projection, ledger.connect, ledger.opened)
    await require_sums_of_a_plain_fold(ledger, streams)


async def test_nothing_of_an_erased_tenant_is_left_in_the_sums(ledger: Ledger) -> None:
    draw = random.Random(6)
    gone, stays = a_history(draw), a_history(draw)
    await apply_news(ledger, [*gone, *stays], {}, draw)
    await erase(ledger, gone[0].tenant_id)
    of_usage = [f"usage_facts_v2_{name}s" for name in LENGTHS]
    for table in (HOURS, *of_usage, *(f"executions_v5_by_{name}" for name in LENGTHS)):
        assert await kept(ledger, table, 1, [gone[0].tenant_id]) == {}
    await require_sums_of_a_plain_fold(ledger, stays)
