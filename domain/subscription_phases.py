"""What a subscription consists of: lives one after the other, and in each of them phases in which
one version of a plan holds. All instants are known before they come, also of what is planned, so
that what is owed for a time does not depend on when anything noticed it.

    life   starts_at ── trial ── trial_ends_at ── paid ─── plan changes ─── ends_at
    phases           [ A, trial )[ A, paid     )[ B, paid )[ C, paid       )
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from domain.billing_periods import Cycle, Period
from domain.identifiers import JsonObject
from domain.plan_terms import PlanTerms, terms_from


class SubscribedPlan(NamedTuple):
    """document: as events have it, `{plan_id, plan_version, name, terms}`."""

    plan_id: str
    plan_version: int
    name: str
    terms: PlanTerms
    document: JsonObject

    @classmethod
    def read(cls, document: JsonObject) -> "SubscribedPlan":
        told: Any = document
        terms = terms_from(told["terms"])
        return cls(told["plan_id"], told["plan_version"], told["name"], terms, document)

    @property
    def key(self) -> str:
        """As charges name it."""
        return f"plan/{self.plan_id}/{self.plan_version}"


class PlanChange(NamedTuple):
    at: datetime
    plan: SubscribedPlan


class Phase(NamedTuple):
    """In [start, end). end: None until further notice. cycle: None in a trial, which is one period
    of its own.
    """

    plan: SubscribedPlan
    start: datetime
    end: datetime | None
    cycle: Cycle | None

    def within(self, start: datetime, end: datetime) -> Period | None:
        """What of it lies in a time; None is nothing."""
        begun = max(self.start, start)
        ended = end if self.end is None else min(self.end, end)
        return Period(begun, ended) if begun < ended else None


@dataclass
class Life:
    """changes: that have come, in order, the first is the start. scheduled: that has not come.
    ends_at: when it ends or has ended. period: the one that was seen to begin last, a trial too.
    """

    starts_at: datetime
    trial_ends_at: datetime | None
    time_zone: str
    changes: list[PlanChange]
    scheduled: PlanChange | None = None
    ends_at: datetime | None = None
    has_ended: bool = False
    period: Period | None = None
    is_trial: bool = field(default=False)

    @property
    def plan(self) -> SubscribedPlan:
        return self.changes[-1].plan

    @property
    def paid_from(self) -> datetime:
        return self.trial_ends_at or self.starts_at

    def phases(self) -> Iterator[Phase]:
        """In order; one of no length is there where somebody changed twice at one instant."""
        marks = [*self.changes, *([self.scheduled] if self.scheduled else [])]
        cycle: Cycle | None = None
        for place, (start, plan) in enumerate(marks):
            end = marks[place + 1].at if place + 1 < len(marks) else self.ends_at
            if end is not None and self.ends_at is not None:
                end = min(end, self.ends_at)
            if end is not None and end < start:
                return  # It had ended before this came.
            paid_from = max(start, self.paid_from)
            if start < self.paid_from:
                trial_ends_at = paid_from if end is None else min(end, paid_from)
                yield Phase(plan, start, trial_ends_at, None)
                if end is not None and end <= paid_from:
                    continue
            if cycle is None or cycle.interval != plan.terms.interval:
                anchor = self.paid_from if cycle is None else start
                cycle = Cycle(anchor, plan.terms.interval, self.time_zone)
            yield Phase(plan, paid_from, end, cycle)

    def period_at(self, instant: datetime) -> Period | None:
        """The trial or the billing period that has the instant; None before and after it."""
        found: Phase | None = None
        for phase in self.phases():
            if phase.start <= instant and (phase.end is None or instant < phase.end):
                found = phase
        if found is None:
            return None
        if found.cycle is None:
            return Period(self.starts_at, self.paid_from)
        return found.cycle.period_at(instant)
