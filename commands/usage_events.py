"""Counting what a tenant sends: all events of a batch, or none. What was sent before is not counted
again, however long ago.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from commands.budget_port import KnownBudgets
from commands.decisions import Command, Decided, Tenancy
from domain.budget_rules import BudgetRule, Spender, applies, counter_of
from domain.errors import Invalid
from domain.identifiers import Json, JsonObject
from domain.rating import OWN_METERS, rate
from domain.usage import Metered
from domain.usage_events import (
    UsageEvent,
    fingerprint_of,
    mistakes_of,
    quantity_of,
    usage_event_id,
)

NOBODY_IN_PARTICULAR = Spender()


@dataclass(frozen=True, slots=True)
class SentEvent:
    """A CloudEvent. time: None is now."""

    source: str
    id: str
    type: str
    subject: str | None
    time: datetime | None
    data: JsonObject

    @property
    def fingerprint(self) -> str:
        return fingerprint_of(
            {
                "type": self.type,
                "subject": self.subject,
                "time": None if self.time is None else self.time.isoformat(),
                "data": self.data,
            }
        )


@dataclass(frozen=True, slots=True)
class SendUsageEvents(Command):
    requires: ClassVar[str] = "usage:write"

    events: Sequence[SentEvent]


async def send_usage_events(command: SendUsageEvents, on: Tenancy) -> Decided:
    """Raises Invalid, UsageEventConflict."""
    now = on.ports.clock.now()
    mistakes = [
        mistake
        for place, sent in enumerate(command.events)
        for mistake in mistakes_of(sent.type, sent.time or now, now, place)
    ]
    if mistakes:
        raise Invalid(errors=mistakes)
    budgets = await on.ports.budgets.of(on.tenant_id)
    fresh: dict[object, UsageEvent] = {}
    for sent in command.events:
        stream_id = usage_event_id(on.tenant_id, sent.source, sent.id)
        known = fresh.get(stream_id) or await on.ports.events.load(
            UsageEvent, stream_id, on.tenant_id
        )
        if known is not None:
            known.require_same(sent.fingerprint)
        else:
            fresh[stream_id] = await _counted(sent, now, on, budgets.rules)
    accepted = len(fresh)
    return Decided(
        result={"accepted": accepted, "duplicates": len(command.events) - accepted},
        aggregates=tuple(fresh.values()),
        side_rows=(KnownBudgets(budgets.revision, {}),),
    )


async def _counted(
    sent: SentEvent, now: datetime, on: Tenancy, rules: Sequence[BudgetRule]
) -> UsageEvent:
    """It has happened, so no budget refuses it: it counts in those of the whole tenant."""
    happened_at = sent.time or now
    counters: list[Json] = [
        counter_of(rule, NOBODY_IN_PARTICULAR, happened_at).told()
        for rule in rules
        if applies(rule, NOBODY_IN_PARTICULAR)
    ]
    assert on.ports.prices is not None
    sources = await on.ports.prices.sources(on.tenant_id, OWN_METERS, happened_at)
    rated = rate({sent.type: quantity_of(sent.data)}, OWN_METERS, sources)
    metered = Metered("", "", None, "sent", rated.prices, rated.lines)
    return on.begin(
        UsageEvent,
        usage_event_id(on.tenant_id, sent.source, sent.id),
        source=sent.source,
        event_id=sent.id,
        meter=sent.type,
        subject=sent.subject,
        happened_at=happened_at.isoformat(),
        data=sent.data,
        fingerprint=sent.fingerprint,
        usage=metered.fact(workflow_id=None, created_by=on.caller.actor),
        counters=counters,
    )
