"""Trigger: what begins runs of a workflow by itself, by a schedule or by requests to its webhook.

    Created ──► Fired, Missed, Buffered, Settled ... ──► Deleted
       │  ▲
    Paused│Resumed

A time of the schedule is decided once: fired, missed with a reason, or kept for later (buffered).
What is decided is in the events, so that whoever decides next goes on after it. Decisions about
what is due are in domain/trigger_fires.py.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias, cast
from uuid import UUID

from eventsourcing.domain import event

from domain.aggregates import Aggregate
from domain.errors import NotFound, Refused
from domain.identifiers import Json, JsonObject
from domain.schedules import Schedule, schedule_of

TriggerKind: TypeAlias = Literal["schedule", "webhook"]
Overlap: TypeAlias = Literal["skip", "buffer_one", "allow_all", "cancel_other"]
# Which queue of the trigger a fire came from.
FireKind: TypeAlias = Literal["schedule", "buffered", "backfill", "by_hand", "webhook"]

NOTE_CHARACTERS_MAX = 1000
# Of runs that have not been seen to end; older ones are not looked at any more.
OPEN_RUNS_MAX = 100
CATCH_UP_WINDOW_S_MIN = 60
CATCH_UP_WINDOW_S_MAX = 86_400
CATCH_UP_FIRES_MAX = 100
PAUSE_AFTER_FAILURES_MAX = 1000


class TriggerNotFound(NotFound):
    """There is no such trigger."""


class NotScheduled(Refused):
    """This trigger has no schedule."""

    code = "not_scheduled"


class NoWebhook(Refused):
    """This trigger has no webhook."""

    code = "no_webhook"


class BackfillUnderWay(Refused):
    """A backfill of this trigger is still under way."""

    code = "backfill_under_way"


class TriggerPaused(Refused):
    """This trigger is paused."""

    code = "trigger_paused"


@dataclass(frozen=True, slots=True)
class TriggerText:
    """What can be changed of a trigger. schedule: as domain/schedules.py reads it; or webhook: as
    domain/trigger_webhooks.py does. input: a template of what runs get (domain/trigger_inputs.py).
    policy: overlap, catch_up_window_s, catch_up_fires_max, pause_after_failures.
    workflow_version: None runs the newest.
    """

    name: str
    workflow_version: int | None
    schedule: JsonObject | None
    webhook: JsonObject | None
    input: Json
    policy: JsonObject


class Trigger(Aggregate):
    """decided_until: times of the schedule up to this one have been decided. buffered_at: one that
    waits for a run to end. backfilled_until, backfill_to: of times that were ordered afterwards,
    the former excluded. open_runs: that it began and that have not been seen to end.
    """

    TOPIC = "trigger"

    class Created(Aggregate.Created):
        """decided_until: times after it count."""

        TOPIC = "trigger.created"
        workflow_id: str
        name: str
        workflow_version: int | None
        schedule: JsonObject | None
        webhook: JsonObject | None
        input: Json
        policy: JsonObject
        decided_until: str
        created_by: str

    class Changed(Aggregate.Event):
        """All that it is now. A backfill under way ends, and what is buffered stays."""

        TOPIC = "trigger.changed"
        name: str
        workflow_version: int | None
        schedule: JsonObject | None
        webhook: JsonObject | None
        input: Json
        policy: JsonObject
        decided_until: str

    class Paused(Aggregate.Event):
        """reason: by_hand, failures, or the code of what refuses its fires for good."""

        TOPIC = "trigger.paused"
        reason: str
        note: str | None

    class Resumed(Aggregate.Event):
        """Times while it was paused are not made up for."""

        TOPIC = "trigger.resumed"
        note: str | None
        decided_until: str

    class Fired(Aggregate.Event):
        """nominal_at: the time of the schedule, or when it was asked for."""

        TOPIC = "trigger.fired"
        kind: str
        nominal_at: str
        execution_id: str
        is_tracked: bool

    class Missed(Aggregate.Event):
        """count: of times from from_at to to_at; 1,000 is that or more. reason: too_late,
        superseded, overlap, or the code of what refused the run.
        """

        TOPIC = "trigger.missed"
        kind: str
        from_at: str
        to_at: str
        count: int
        reason: str

    class Buffered(Aggregate.Event):
        TOPIC = "trigger.buffered"
        nominal_at: str

    class Settled(Aggregate.Event):
        """A run that it began was seen to have ended."""

        TOPIC = "trigger.settled"
        execution_id: str
        status: str

    class Backfilled(Aggregate.Event):
        """The times after after_at up to to_at were ordered."""

        TOPIC = "trigger.backfilled"
        after_at: str
        to_at: str
        count: int

    class Rotated(Aggregate.Event):
        """Its webhook has another path."""

        TOPIC = "trigger.rotated"
        key_generation: int

    class Deleted(Aggregate.Event):
        TOPIC = "trigger.deleted"

    @event(Created)
    def __init__(
        self,
        *,
        id: UUID,  # noqa: A002, ARG002 # taken by the library, which calls it so
        workflow_id: str,
        name: str,
        workflow_version: int | None,
        schedule: JsonObject | None,
        webhook: JsonObject | None,
        input: Json,  # noqa: A002 # the event's name for it
        policy: JsonObject,
        decided_until: str,
        created_by: str,
    ) -> None:
        self.workflow_id = UUID(workflow_id)
        self.text = TriggerText(name, workflow_version, schedule, webhook, input, policy)
        self.created_by = created_by
        self.decided_until = datetime.fromisoformat(decided_until)
        self.buffered_at: datetime | None = None
        self.backfilled_until: datetime | None = None
        self.backfill_to: datetime | None = None
        self.open_runs: list[str] = []
        self.failures_in_a_row = 0
        self.key_generation = 1
        self.is_paused = False
        self.is_deleted = False

    @property
    def kind(self) -> TriggerKind:
        return "webhook" if self.text.schedule is None else "schedule"

    @property
    def schedule(self) -> Schedule:
        """Raises NotScheduled."""
        if self.text.schedule is None:
            raise NotScheduled(trigger_id=str(self.id))
        return schedule_of(self.text.schedule)

    @property
    def overlap(self) -> Overlap:
        return cast("Overlap", self.text.policy["overlap"])

    @property
    def pause_after_failures(self) -> int | None:
        return cast("int | None", self.text.policy["pause_after_failures"])

    @property
    def is_tracking(self) -> bool:
        """Whether it matters how its runs end."""
        is_alone = self.kind == "schedule" and self.overlap != "allow_all"
        return is_alone or self.pause_after_failures is not None

    def require_present(self) -> None:
        """Raises TriggerNotFound once it was deleted."""
        if self.is_deleted:
            raise TriggerNotFound

    def change(self, text: TriggerText, now: datetime) -> None:
        """The same again records nothing. What kind it is, stays. Times of another schedule count
        from now on.
        """
        self.require_present()
        if text == self.text:
            return
        is_other = text.schedule != self.text.schedule
        decided_until = now if is_other else self.decided_until
        self._changed(
            name=text.name,
            workflow_version=text.workflow_version,
            schedule=text.schedule,
            webhook=text.webhook,
            input=text.input,
            policy=text.policy,
            decided_until=decided_until.isoformat(),
        )

    def pause(self, reason: str, note: str | None = None) -> None:
        self.require_present()
        if not self.is_paused:
            self._paused(reason=reason, note=note)

    def resume(self, note: str | None, now: datetime) -> None:
        self.require_present()
        if self.is_paused:
            decided_until = max(now, self.decided_until)
            self._resumed(note=note, decided_until=decided_until.isoformat())

    def rotate(self) -> None:
        self.require_present()
        if self.text.webhook is None:
            raise NoWebhook(trigger_id=str(self.id))
        self._rotated(key_generation=self.key_generation + 1)

    def delete(self) -> None:
        """Runs that it began go on."""
        self.require_present()
        self._deleted()

    @event(Changed)
    def _changed(
        self,
        *,
        name: str,
        workflow_version: int | None,
        schedule: JsonObject | None,
        webhook: JsonObject | None,
        input: Json,  # noqa: A002 # the event's name for it
        policy: JsonObject,
        decided_until: str,
    ) -> None:
        self.text = TriggerText(name, workflow_version, schedule, webhook, input, policy)
        self.decided_until = datetime.fromisoformat(decided_until)
        self.backfilled_until = self.backfill_to = None

    @event(Paused)
    def _paused(self, reason: str, note: str | None) -> None:  # noqa: ARG002 # of the event
        self.is_paused = True

    @event(Resumed)
    def _resumed(self, note: str | None, decided_until: str) -> None:  # noqa: ARG002 # of the event
        self.is_paused = False
        self.failures_in_a_row = 0
        self.decided_until = datetime.fromisoformat(decided_until)

    @event(Fired)
    def fired(self, *, kind: str, nominal_at: str, execution_id: str, is_tracked: bool) -> None:
        self._decided(kind, nominal_at)
        if is_tracked:
            self.open_runs = [*self.open_runs, execution_id][-OPEN_RUNS_MAX:]

    @event(Missed)
    def missed(
        self,
        *,
        kind: str,
        from_at: str,  # noqa: ARG002 # of the event
        to_at: str,
        count: int,  # noqa: ARG002 # of the event
        reason: str,  # noqa: ARG002 # of the event
    ) -> None:
        self._decided(kind, to_at)

    @event(Buffered)
    def buffered(self, nominal_at: str) -> None:
        self.buffered_at = datetime.fromisoformat(nominal_at)
        self.decided_until = self.buffered_at

    @event(Settled)
    def settled(self, execution_id: str, status: str) -> None:
        self.open_runs = [one for one in self.open_runs if one != execution_id]
        if status == "COMPLETED":
            self.failures_in_a_row = 0
        elif status != "CANCELLED":
            self.failures_in_a_row += 1

    @event(Backfilled)
    def backfilled(self, after_at: str, to_at: str, count: int) -> None:  # noqa: ARG002 # of the event
        self.backfilled_until = datetime.fromisoformat(after_at)
        self.backfill_to = datetime.fromisoformat(to_at)

    @event(Rotated)
    def _rotated(self, key_generation: int) -> None:
        self.key_generation = key_generation

    @event(Deleted)
    def _deleted(self) -> None:
        self.is_deleted = True

    def _decided(self, kind: str, nominal_at: str) -> None:
        time = datetime.fromisoformat(nominal_at)
        if kind == "schedule":
            self.decided_until = time
        elif kind == "buffered":
            self.buffered_at = None
        elif kind == "backfill":
            self.backfilled_until = time
