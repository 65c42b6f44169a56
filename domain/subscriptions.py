"""Subscription: which version of which plan a tenant pays for, and since when. A tenant has one;
when it has ended the next one is another life of the same.

    scheduled ──► trialing ──► active ──► ended
        └──────────────────────►┘

What comes by time is recorded when it has come (`advance`), at the instant when it was due: a plan
that changes with the next period, the next period itself, the end. What is owed does not wait for
that, see domain/subscription_phases.py.
"""

from datetime import datetime
from fractions import Fraction
from typing import Literal
from uuid import UUID, uuid5

from eventsourcing.domain import event

from domain.aggregates import Aggregate
from domain.billing_periods import Period, days_later
from domain.charges import Charge
from domain.errors import NotFound, Refused
from domain.identifiers import JsonObject, StreamId, TenantId
from domain.subscription_charges import Allowance, charges, included, minimum
from domain.subscription_phases import Life, PlanChange, SubscribedPlan

Status = Literal["scheduled", "trialing", "active", "ended"]
When = Literal["now", "period_end"]
# What may be recorded at once: two years of months that nobody looked at.
STEPS_MAX = 50
CHANGES_MAX = 1_000


class SubscriptionNotFound(NotFound):
    """This tenant has no subscription."""


class AlreadySubscribed(Refused):
    """This tenant has a subscription: change that one."""

    code = "already_subscribed"


class SubscriptionEnded(Refused):
    """This subscription has ended."""

    code = "subscription_ended"


class NothingScheduled(Refused):
    """Nothing of this subscription is about to change or to end."""

    code = "nothing_scheduled"


class StartInThePast(Refused):
    """A subscription begins now or later; what was before has been charged."""

    code = "start_in_the_past"


class TooManyPlanChanges(Refused):
    """The plan of this subscription was changed as often as it can be."""

    code = "too_many_plan_changes"


def subscription_id(tenant_id: TenantId) -> StreamId:
    """Never changes: the stream is found by it."""
    return StreamId(uuid5(tenant_id, "subscription"))


class Subscription(Aggregate):
    TOPIC = "subscription"

    class Created(Aggregate.Created):
        TOPIC = "subscription.created"

    class Started(Aggregate.Event):
        """plan: as SubscribedPlan reads it. starts_at, trial_ends_at: RFC 3339. time_zone: whose
        calendar the periods follow.
        """

        TOPIC = "subscription.started"
        plan: JsonObject
        starts_at: str
        trial_ends_at: str | None
        time_zone: str

    class TrialStarted(Aggregate.Event):
        TOPIC = "subscription.trial_started"
        period_start: str
        period_end: str

    class PeriodStarted(Aggregate.Event):
        """A period that is paid for."""

        TOPIC = "subscription.period_started"
        period_start: str
        period_end: str

    class ChangeScheduled(Aggregate.Event):
        """In place of what was scheduled before."""

        TOPIC = "subscription.change_scheduled"
        plan: JsonObject
        at: str

    class PlanChanged(Aggregate.Event):
        TOPIC = "subscription.plan_changed"
        plan: JsonObject
        at: str

    class CancellationScheduled(Aggregate.Event):
        TOPIC = "subscription.cancellation_scheduled"
        at: str
        reason: str

    class Resumed(Aggregate.Event):
        """Nothing is scheduled any more."""

        TOPIC = "subscription.resumed"

    class Ended(Aggregate.Event):
        TOPIC = "subscription.ended"
        at: str
        reason: str

    @event(Created)
    def __init__(
        self,
        *,
        id: UUID,  # noqa: A002, ARG002 # taken by the library, which calls it so
    ) -> None:
        self.lives: list[Life] = []
        self.reason = ""

    @property
    def life(self) -> Life:
        return self.lives[-1]

    @property
    def has_ended(self) -> bool:
        return not self.lives or self.life.has_ended

    @property
    def status(self) -> Status:
        if self.has_ended:
            return "ended"
        if self.life.period is None:
            return "scheduled"
        return "trialing" if self.life.is_trial else "active"

    @property
    def plan(self) -> SubscribedPlan | None:
        """The one that holds; None while none does."""
        return None if self.status in ("scheduled", "ended") else self.life.plan

    @property
    def due_at(self) -> datetime | None:
        """When time will change something."""
        if self.has_ended:
            return None
        life = self.life
        instants = [
            life.starts_at if life.period is None else life.period.end,
            *([life.scheduled.at] if life.scheduled else []),
            *([life.ends_at] if life.ends_at else []),
        ]
        return min(instants)

    def start(
        self,
        plan: SubscribedPlan,
        *,
        starts_at: datetime,
        trial_days: int,
        time_zone: str,
        now: datetime,
    ) -> None:
        """Raises AlreadySubscribed, StartInThePast."""
        self.advance(now)
        if not self.has_ended:
            raise AlreadySubscribed
        if starts_at < now:
            raise StartInThePast(starts_at=starts_at.isoformat())
        trial_ends_at = days_later(starts_at, trial_days, time_zone) if trial_days else None
        self._started(
            plan.document,
            starts_at.isoformat(),
            None if trial_ends_at is None else trial_ends_at.isoformat(),
            time_zone,
        )
        self.advance(now)

    def change_plan(self, plan: SubscribedPlan, *, when: When, now: datetime) -> None:
        """In place of a change that is scheduled; to the plan that it has: takes that back. Raises
        SubscriptionEnded, TooManyPlanChanges.
        """
        self.advance(now)
        self._require_life()
        life = self.life
        if len(life.changes) >= CHANGES_MAX:
            raise TooManyPlanChanges(changes_max=CHANGES_MAX)
        if plan[:2] == life.plan[:2]:
            if life.scheduled is not None:
                self._resume_with(ends_at=life.ends_at)
            return
        if when == "now" or life.period is None:
            self._plan_changed(plan.document, max(now, life.starts_at).isoformat())
            self.advance(now)
        else:
            self._change_scheduled(plan.document, life.period.end.isoformat())

    def cancel(self, *, when: When, reason: str, now: datetime) -> None:
        """Raises SubscriptionEnded."""
        self.advance(now)
        self._require_life()
        period = self.life.period
        if when == "now" or period is None:
            self._ended(max(now, self.life.starts_at).isoformat(), reason)
        elif self.life.ends_at != period.end:
            self._cancellation_scheduled(period.end.isoformat(), reason)

    def resume(self, now: datetime) -> None:
        """Takes back what is scheduled. Raises SubscriptionEnded, NothingScheduled."""
        self.advance(now)
        self._require_life()
        if self.life.scheduled is None and self.life.ends_at is None:
            raise NothingScheduled
        self._resumed()

    def advance(self, now: datetime) -> None:
        """Records what has come by time; at most STEPS_MAX of it at once."""
        for _ in range(STEPS_MAX):
            due_at = self.due_at
            if due_at is None or due_at > now:
                return
            self._step(due_at)

    def charges(self, start: datetime, end: datetime) -> list[Charge]:
        """What falls due in [start, end)."""
        return charges(self.lives, start, end)

    def included(self, start: datetime, end: datetime) -> list[Allowance]:
        """The usage that costs nothing more in [start, end)."""
        return included(self.lives, start, end)

    def minimum(self, start: datetime, end: datetime, usage_usd: Fraction) -> Charge | None:
        """What is missing in [start, end) to the least that usage costs."""
        return minimum(self.lives, start, end, usage_usd)

    def period_at(self, instant: datetime) -> Period | None:
        """The trial or billing period that has the instant, in whichever life."""
        found = (life.period_at(instant) for life in reversed(self.lives))
        return next((period for period in found if period is not None), None)

    def _require_life(self) -> None:
        if self.has_ended:
            raise SubscriptionEnded

    def _resume_with(self, *, ends_at: datetime | None) -> None:
        """The end that is scheduled stays."""
        reason = self.reason
        self._resumed()
        if ends_at is not None:
            self._cancellation_scheduled(ends_at.isoformat(), reason)

    def _step(self, due_at: datetime) -> None:
        """At one instant the end comes first, then the plan, then the period under it."""
        life = self.life
        if life.ends_at is not None and life.ends_at <= due_at:
            self._ended(life.ends_at.isoformat(), self.reason)
        elif life.scheduled is not None and life.scheduled.at <= due_at:
            self._plan_changed(life.scheduled.plan.document, due_at.isoformat())
        else:
            period = life.period_at(due_at)
            assert period is not None, "what has not ended is in some period"
            told = period.start.isoformat(), period.end.isoformat()
            if due_at < life.paid_from:
                self._trial_started(*told)
            else:
                self._period_started(*told)

    @event(Started)
    def _started(
        self, plan: JsonObject, starts_at: str, trial_ends_at: str | None, time_zone: str
    ) -> None:
        begun = datetime.fromisoformat(starts_at)
        trial_end = None if trial_ends_at is None else datetime.fromisoformat(trial_ends_at)
        first = PlanChange(begun, SubscribedPlan.read(plan))
        self.lives.append(Life(begun, trial_end, time_zone, [first]))
        self.reason = ""

    @event(TrialStarted)
    def _trial_started(self, period_start: str, period_end: str) -> None:
        self.life.period = _period(period_start, period_end)
        self.life.is_trial = True

    @event(PeriodStarted)
    def _period_started(self, period_start: str, period_end: str) -> None:
        self.life.period = _period(period_start, period_end)
        self.life.is_trial = False

    @event(ChangeScheduled)
    def _change_scheduled(self, plan: JsonObject, at: str) -> None:
        change = PlanChange(datetime.fromisoformat(at), SubscribedPlan.read(plan))
        self.life.scheduled = change

    @event(PlanChanged)
    def _plan_changed(self, plan: JsonObject, at: str) -> None:
        life = self.life
        change = PlanChange(datetime.fromisoformat(at), SubscribedPlan.read(plan))
        is_other_cycle = change.plan.terms.interval != life.plan.terms.interval
        life.changes.append(change)
        life.scheduled = None
        if is_other_cycle and life.period is not None and not life.is_trial:
            # The period ends here, and the first of the other length begins.
            life.period = Period(life.period.start, change.at)

    @event(CancellationScheduled)
    def _cancellation_scheduled(self, at: str, reason: str) -> None:
        self.life.ends_at = datetime.fromisoformat(at)
        self.reason = reason

    @event(Resumed)
    def _resumed(self) -> None:
        self.life.scheduled = None
        self.life.ends_at = None
        self.reason = ""

    @event(Ended)
    def _ended(self, at: str, reason: str) -> None:
        self.life.ends_at = datetime.fromisoformat(at)
        self.life.scheduled = None
        self.life.has_ended = True
        self.reason = reason


def _period(start: str, end: str) -> Period:
    return Period(datetime.fromisoformat(start), datetime.fromisoformat(end))
