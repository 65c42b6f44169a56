"""What a trigger with a schedule does when it is looked at: which time is to fire, which are
missed, and when to look again. Whoever decides has seen to it first how its runs ended (settle).
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from uuid import UUID

from domain.errors import FieldError, Invalid
from domain.triggers import BackfillUnderWay, FireKind, Trigger

# More times that were missed are not counted one by one.
COUNTED_MAX = 1000
BACKFILL_TIMES_MAX = 1000
# How long after a look the next one is, where something waits for a run to end: a tenth of what it
# has waited already, so that those that wait for days cost nearly nothing.
WAIT_S = 5.0
WAIT_S_MAX = 60.0
WAITED_PART = 0.1


@dataclass(frozen=True, slots=True)
class DueFire:
    kind: FireKind
    nominal_at: datetime


def settle(trigger: Trigger, execution_id: str, status: str) -> None:
    """status: with which the run ended."""
    trigger.settled(execution_id, status)
    most = trigger.pause_after_failures
    if most is not None and trigger.failures_in_a_row >= most:
        trigger.pause("failures")


def next_fire(trigger: Trigger, now: datetime, reason: str | None = None) -> DueFire | None:
    """What is to begin now; None: nothing. What has passed by is recorded as missed. reason: why
    times are late, where that is known.

    Where runs must not overlap and one is open, its policy decides: the caller cancels it
    (cancel_other), or nothing begins.
    """
    _pass_by(trigger, now, reason or "too_late")
    is_taken = bool(trigger.open_runs) and trigger.overlap in {"skip", "buffer_one"}
    if trigger.buffered_at is not None and not is_taken:
        return DueFire("buffered", trigger.buffered_at)
    due = next(_due(trigger, now), None)
    if due is not None and is_taken:
        _put_off(trigger, due, now)
        due = None
    if due is not None:
        return DueFire("schedule", due)
    ordered = next_of_backfill(trigger)
    must_wait = bool(trigger.open_runs) and trigger.overlap != "allow_all"
    return None if ordered is None or must_wait else DueFire("backfill", ordered)


def fire(trigger: Trigger, due: DueFire, execution_id: UUID) -> None:
    trigger.fired(
        kind=due.kind,
        nominal_at=due.nominal_at.isoformat(),
        execution_id=str(execution_id),
        is_tracked=trigger.is_tracking,
    )


def miss(trigger: Trigger, due: DueFire, reason: str) -> None:
    """reason: the code of what refuses it."""
    at = due.nominal_at.isoformat()
    trigger.missed(kind=due.kind, from_at=at, to_at=at, count=1, reason=reason)


def backfill(trigger: Trigger, after: datetime, to: datetime, now: datetime) -> int:
    """Orders the times after `after` up to `to`, which has passed; how many they are. Raises
    Invalid, NotScheduled, BackfillUnderWay.
    """
    trigger.require_present()
    if to > now:
        raise Invalid(errors=[FieldError("/to", "in_the_future", "it has to have passed")])
    if next_of_backfill(trigger) is not None:
        raise BackfillUnderWay(trigger_id=str(trigger.id))
    times = _until(trigger.schedule.times(after), to)
    count = sum(1 for _ in islice(times, BACKFILL_TIMES_MAX + 1))
    if count > BACKFILL_TIMES_MAX:
        reason = f"there are more than {BACKFILL_TIMES_MAX} times in that period"
        raise Invalid(errors=[FieldError("/to", "too_many_times", reason)])
    if count:
        trigger.backfilled(after_at=after.isoformat(), to_at=to.isoformat(), count=count)
    return count


def next_of_backfill(trigger: Trigger) -> datetime | None:
    if trigger.backfilled_until is None or trigger.backfill_to is None:
        return None
    time = trigger.schedule.next_time(trigger.backfilled_until)
    return None if time is None or time > trigger.backfill_to else time


def look_at(trigger: Trigger, now: datetime) -> datetime | None:
    """When somebody has to look at it again; None: never."""
    if trigger.is_deleted or trigger.is_paused or trigger.kind != "schedule":
        return None
    following = next_due(trigger)
    looks = [] if following is None else [following]
    if is_waiting(trigger):
        is_free = not trigger.open_runs or trigger.overlap == "allow_all"
        looks.append(now if is_free else now + timedelta(seconds=WAIT_S))
    return min(looks, default=None)


def wait_s(waited: timedelta) -> float:
    """Until the next look at one that has waited for so long."""
    return min(max(WAIT_S, WAITED_PART * waited.total_seconds()), WAIT_S_MAX)


def next_due(trigger: Trigger) -> datetime | None:
    """When the first time of its schedule that is not decided is due; None: there is no more."""
    schedule = trigger.schedule
    following = schedule.next_time(trigger.decided_until)
    return None if following is None else schedule.due_at(trigger.id, following)


def is_waiting(trigger: Trigger) -> bool:
    """For a run to end, or for the rest of a backfill: it is looked at before its next time."""
    return trigger.buffered_at is not None or next_of_backfill(trigger) is not None


def _put_off(trigger: Trigger, due: datetime, now: datetime) -> None:
    """A run is open, and no other may be."""
    if trigger.overlap == "buffer_one" and trigger.buffered_at is None:
        trigger.buffered(due.isoformat())
        due_after = next(_due(trigger, now), None)
        if due_after is None:
            return
        due = due_after
    times = list(_due(trigger, now))
    trigger.missed(
        kind="schedule",
        from_at=due.isoformat(),
        to_at=times[-1].isoformat(),
        count=len(times),
        reason="overlap",
    )


def _pass_by(trigger: Trigger, now: datetime, reason: str) -> None:
    """Of what is late, only what the policy catches up on is left: the newest."""
    schedule, policy = trigger.schedule, trigger.text.policy
    window = timedelta(seconds=int(str(policy["catch_up_window_s"])))
    oldest = now - window - timedelta(seconds=schedule.jitter_s)
    _miss_all(trigger, _until(schedule.times(trigger.decided_until), oldest), oldest, reason)
    fires_max = int(str(policy["catch_up_fires_max"]))
    passed: list[datetime] = []
    kept: deque[datetime] = deque()
    for time in _due(trigger, now):
        kept.append(time)
        if len(kept) > fires_max:
            passed.append(kept.popleft())
    if passed:
        _miss_all(trigger, iter(passed), passed[-1], "superseded")


def _miss_all(trigger: Trigger, times: Iterator[datetime], last: datetime, reason: str) -> None:
    """last: none of the times is later; it stands for the last one where they are too many."""
    counted = list(islice(times, COUNTED_MAX))
    if not counted:
        return
    to_at = last if len(counted) == COUNTED_MAX else counted[-1]
    trigger.missed(
        kind="schedule",
        from_at=counted[0].isoformat(),
        to_at=to_at.isoformat(),
        count=len(counted),
        reason=reason,
    )


def _due(trigger: Trigger, now: datetime) -> Iterator[datetime]:
    """Of the schedule, undecided, and their time has come."""
    schedule = trigger.schedule
    for time in _until(schedule.times(trigger.decided_until), now):
        if schedule.due_at(trigger.id, time) > now:
            return
        yield time


def _until(times: Iterator[datetime], last: datetime) -> Iterator[datetime]:
    """last: included."""
    for time in times:
        if time > last:
            return
        yield time
