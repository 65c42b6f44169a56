"""Usage as it is recorded: each fact from the event that says it, without gap from any position on,
and what the facts since then add up to.
"""

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, LiteralString

import orjson
import strawberry

from infra.event_log import LoggedEvent, Position
from infra.event_sealing import is_erased
from infra.tenant_log import read_tenant_page
from projections.fold import read_fact
from projections.table import Decoded
from projections.usage import INPUT_METERS, OUTPUT_METERS, USAGE_FACTS, UsageFactRow
from read_api.columns import usd_text
from read_api.context import ReadContext, ReadInfo
from read_api.positions import last_place, parse_position, position_text
from read_api.scalars import BigInt, instant_of
from read_api.updates import PRESENT_END
from read_api.usage import PROVISIONAL
from read_api.usage_facts import UsageFact, fact_of

RESOLVED = frozenset({"execution.usage_resolved", "embedding_call.usage_resolved"})
OWN_ACTORS: LiteralString = "SELECT to_json(own_actors())"


@strawberry.type(
    description="What the facts that this subscription told of add up to. What was found out later"
    " takes the place of the call that was unresolved."
)
class UsageTotals:
    cost_usd: str
    provisional_usd: str = strawberry.field(description=PROVISIONAL)
    tokens_in: BigInt
    tokens_out: BigInt
    calls: BigInt
    unpriced: BigInt = strawberry.field(description="Lines without a known price.")
    unresolved: BigInt = strawberry.field(
        description="Below zero where calls from before were resolved."
    )


@strawberry.type(description="A fact that was recorded.")
class UsageUpdate:
    position: str = strawberry.field(
        description="Of its event: to go on after, or as minPosition of a query."
    )
    fact: UsageFact = strawberry.field(
        description="Of a correction, happenedAt is when it was found out."
    )
    is_correction: bool = strawberry.field(
        description="It says what an attempt used that was unresolved."
    )
    totals: UsageTotals


@dataclass(slots=True)
class _Running:
    cost_usd_pico: int = 0
    provisional_usd_pico: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    calls: int = 0
    unpriced: int = 0
    unresolved: int = 0

    def add(self, row: UsageFactRow, *, is_correction: bool) -> UsageTotals:
        is_unknown = row["source"] == "unknown"
        for meter, quantity, cost, *price in orjson.loads(row["lines"]):
            self.cost_usd_pico += cost or 0
            self.provisional_usd_pico += cost if price else 0
            self.tokens_in += quantity if meter in INPUT_METERS else 0
            self.tokens_out += quantity if meter in OUTPUT_METERS else 0
            self.calls += quantity if meter == "requests" else 0
            self.unpriced += cost is None and not is_unknown
        self.unresolved += is_unknown
        if is_correction:  # Its call counted when it was recorded as unresolved.
            self.calls -= 1
            self.unresolved -= 1
        return UsageTotals(
            cost_usd=_usd(self.cost_usd_pico),
            provisional_usd=_usd(self.provisional_usd_pico),
            tokens_in=BigInt(self.tokens_in),
            tokens_out=BigInt(self.tokens_out),
            calls=BigInt(self.calls),
            unpriced=BigInt(self.unpriced),
            unresolved=BigInt(self.unresolved),
        )


async def usage_updates(info: ReadInfo, after: str | None = None) -> AsyncGenerator[UsageUpdate]:
    context = info.context
    sources, tenant_id = context.sources, context.caller.tenant_id
    assert tenant_id is not None  # read_api/root_fields.py
    running, limit = _Running(), sources.limits.stream_page_events
    topics = sorted(USAGE_FACTS.topics)
    with sources.tail.subscribe(tenant_id=tenant_id, topics=topics) as news:
        place = await _beginning(context, after)
        while True:
            page = await read_tenant_page(
                sources.database, tenant_id, place, topics=topics, limit=limit
            )
            seen = await _seen(context, await sources.open_events(page.events))
            for event, row in seen:
                is_correction = event.topic in RESOLVED
                yield UsageUpdate(
                    position=position_text(event),
                    fact=_fact(row),
                    is_correction=is_correction,
                    totals=running.add(row, is_correction=is_correction),
                )
            place = page.until
            if not page.is_whole:
                await news.wait(sources.limits.poll_s)


async def _beginning(context: ReadContext, after: str | None) -> Position:
    """Raises RequestRefused."""
    if after is not None:
        return last_place(parse_position(after))
    end: dict[str, Any] = await context.loaded(PRESENT_END, {})
    return Position(end["era"], end["tx_id"], end["notification_id"])


async def _seen(
    context: ReadContext, events: Sequence[LoggedEvent]
) -> list[tuple[LoggedEvent, UsageFactRow]]:
    """What the caller sees of them: row security of the read model asks the same."""
    found = [(event, row) for event in events if (row := _row(event)) is not None]
    if not found or context.caller.reads_as is None:
        return found
    own: list[str] = await context.loaded(OWN_ACTORS, {}) or []
    return [(event, row) for event, row in found if row["created_by"] in own]


def _row(event: LoggedEvent) -> UsageFactRow | None:
    """As the event alone says it; None where it says nothing, or nothing that can be read."""
    fact = None if is_erased(event) else read_fact(event)
    if not isinstance(fact, Decoded):
        return None
    rows = [USAGE_FACTS.evolve(None, fact, key) for key in USAGE_FACTS.keys(fact)]
    return rows[0] if rows else None


def _fact(row: UsageFactRow) -> UsageFact:
    shown: Mapping[str, Any] = {
        "stream_id": str(row["stream_id"]),
        "execution_id": str(row["stream_id"]) if _is_of_run(row) else None,
        "path": row["path"],
        "attempt": row["attempt"],
        "event_version": row["version"],
        "happened_at": instant_of(row["happened_at"]),
        "node_type": row["node_type"],
        **{name: row[name] or None for name in ("model", "provider", "agent_id", "workflow_id")},
        "created_by": row["created_by"],
        "source": row["source"],
        "prices": row["prices"] or None,
    }
    lines = [
        {
            "meter": meter,
            "quantity": quantity,
            "cost_usd": None if cost is None else _usd(cost),
            "is_provisional": bool(price),
        }
        for meter, quantity, cost, *price in orjson.loads(row["lines"])
    ]
    return fact_of(lines, **shown)


def _is_of_run(row: UsageFactRow) -> bool:
    """A text that was embedded has a path too."""
    return bool(row["node_type"]) or (not row["path"] and row["attempt"] > 0)


def _usd(pico: int) -> str:
    return usd_text(Decimal(pico).scaleb(-12))
