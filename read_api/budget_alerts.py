"""Following what is told of budgets: thresholds that are reached, calls that are refused, bills
beyond what was reserved; in order, without gap.
"""

from collections.abc import AsyncGenerator
from decimal import Decimal
from typing import Any, LiteralString
from uuid import UUID

import strawberry

from infra.event_log import LoggedEvent, read_stream_as
from read_api.columns import usd_text
from read_api.context import ReadInfo
from read_api.events import event_data
from read_api.positions import last_place, parse_position, place_text
from read_api.scalars import Instant, instant_of
from read_api.updates import PRESENT_END

KINDS = {
    "budget.threshold_reached": "THRESHOLD_REACHED",
    "budget.exhausted": "EXHAUSTED",
    "budget.overshot": "OVERSHOT",
}

# fmt: off
# Only what is settled, and how far that goes, of one snapshot: what lies between and is about
# something else is not read again.
ALERTS: LiteralString = (
    "SELECT json_build_object("
    " 'end', json_build_object('era', current_era(),"
    "   'tx_id', pg_snapshot_xmin(pg_current_snapshot())::text::bigint, 'notification_id', -1),"
    " 'rows', (SELECT json_agg(json_build_object('era', e.era, 'tx_id', e.tx_id::text::bigint,"
    "     'notification_id', e.notification_id, 'shard', e.shard, 'stream_id', e.originator_id,"
    "     'version', e.originator_version) ORDER BY e.era, e.tx_id, e.notification_id)"
    "   FROM (SELECT * FROM events"
    "     WHERE (era, tx_id, notification_id) >"
    "        (($1->>'era')::smallint, ($1->>'tx_id')::xid8, ($1->>'notification_id')::bigint)"
    "     AND (era < current_era() OR tx_id < pg_snapshot_xmin(pg_current_snapshot()))"
    "     AND topic IN ('budget.threshold_reached', 'budget.exhausted', 'budget.overshot')"
    "     ORDER BY era, tx_id, notification_id LIMIT ($1->>'limit')::integer) AS e))"
)
# fmt: on


@strawberry.type(description="What is told of a budget, once.")
class BudgetAlert:
    position: str = strawberry.field(description="Where to go on after it.")
    budget_id: strawberry.ID
    kind: str = strawberry.field(description="THRESHOLD_REACHED | EXHAUSTED | OVERSHOT")
    threshold: float | None = strawberry.field(description="The part of the limit.")
    limit_usd: str | None
    spent_usd: str | None
    run_id: strawberry.ID | None = strawberry.field(description="Of a budget for each run.")
    period_start: str | None
    execution_id: strawberry.ID | None = strawberry.field(
        description="The run whose call was billed beyond what it had reserved."
    )
    node_path: str | None
    reserved_usd: str | None
    cost_usd: str | None
    recorded_at: Instant


async def budget_alerts(info: ReadInfo, after: str | None = None) -> AsyncGenerator[BudgetAlert]:
    context = info.context
    sources = context.sources
    limits = sources.limits
    tenant_id = context.caller.tenant_id
    assert tenant_id is not None  # read_api/root_fields.py
    with sources.tail.subscribe(tenant_id=tenant_id) as news:
        if after is None:
            place: dict[str, Any] = await context.loaded(PRESENT_END, {})
        else:
            last = last_place(parse_position(after))
            place = {
                "era": last.era,
                "tx_id": last.tx_id,
                "notification_id": last.notification_id,
            }
        while True:
            asked = {**place, "limit": limits.stream_page_events}
            found: dict[str, Any] = await context.loaded(ALERTS, asked)
            rows: list[dict[str, Any]] = found["rows"] or []
            for row in rows:
                event = await read_stream_as(
                    sources.database,
                    tenant_id,
                    None,
                    UUID(row["stream_id"]),
                    after_version=row["version"] - 1,
                    limit=1,
                )
                (opened,) = await sources.open_events(event)
                yield _alert(opened, row)
            if len(rows) < limits.stream_page_events:
                place = found["end"]
                await news.wait(limits.poll_s)
            else:
                place = {name: rows[-1][name] for name in place}


def _alert(event: LoggedEvent, row: dict[str, Any]) -> BudgetAlert:
    data = event_data(event)
    threshold = data.get("threshold")
    return BudgetAlert(
        position=place_text(row["era"], row["tx_id"], row["shard"], row["notification_id"]),
        budget_id=strawberry.ID(str(event.stream_id)),
        kind=KINDS[event.topic],
        threshold=None if threshold is None else float(threshold),
        limit_usd=_usd(data, "limit_usd_pico"),
        spent_usd=_usd(data, "spent_usd_pico"),
        run_id=data["run_id"],
        period_start=data["period_start"],
        execution_id=data.get("execution_id"),
        node_path=data.get("path"),
        reserved_usd=_usd(data, "reserved_usd_pico"),
        cost_usd=_usd(data, "cost_usd_pico"),
        recorded_at=instant_of(event.recorded_at),
    )


def _usd(data: dict[str, Any], name: str) -> str | None:
    pico = data.get(name)
    return None if pico is None else usd_text(Decimal(pico).scaleb(-12))
