"""When a schedule fires: a cron expression in a time zone, or an interval with a phase.

Changes of the clock are decided as Debian's cron decides them, by the library that follows it: an
expression that names hours fires once a day, so a time that does not exist is taken at the first
minute that does, and one that comes twice the first time only. One for every hour (`*` in the
minute or the hour) follows the clock as it runs: nothing in the hour that is missing, twice in the
one that comes twice.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import cast
from uuid import UUID
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from domain.errors import FieldError, Invalid
from domain.identifiers import Json, JsonObject

CRON_CHARACTERS_MAX = 200
CRON_FIELDS = 5
EVERY_S_MIN = 10
EVERY_S_MAX = 366 * 86_400
JITTER_S_MAX = 3600
SHOWN_TIMES_MAX = 10

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Schedule:
    """cron or every_s. time_zone: an IANA name, of cron. phase_s: after each multiple of every_s
    since 1970. start_at: included; end_at: excluded. jitter_s: a fire is up to so much later.
    """

    cron: str | None
    time_zone: str
    every_s: int | None
    phase_s: int
    start_at: datetime | None
    end_at: datetime | None
    jitter_s: int

    def times(self, after: datetime) -> Iterator[datetime]:
        """Nominal times after that one, in UTC, earliest first; maybe without end."""
        if self.start_at is not None:
            after = max(after, self.start_at - timedelta(microseconds=1))
        for time in self._interval(after) if self.cron is None else self._of_cron(after):
            if self.end_at is not None and time >= self.end_at:
                return
            yield time

    def next_time(self, after: datetime) -> datetime | None:
        return next(self.times(after), None)

    def due_at(self, trigger_id: UUID, time: datetime) -> datetime:
        """When the fire of that time is due. The same for everybody who asks."""
        if not self.jitter_s:
            return time
        digest = hashlib.sha256(f"{trigger_id}/{time.isoformat()}".encode()).digest()
        late_ms = int.from_bytes(digest[:8]) % (self.jitter_s * 1000)
        return time + timedelta(milliseconds=late_ms)

    def _interval(self, after: datetime) -> Iterator[datetime]:
        assert self.every_s is not None
        every, phase = timedelta(seconds=self.every_s), timedelta(seconds=self.phase_s)
        passed = (after - EPOCH - phase) // every
        time = EPOCH + phase + (passed + 1) * every
        while True:
            yield time
            time += every

    def _of_cron(self, after: datetime) -> Iterator[datetime]:
        assert self.cron is not None
        latest = after
        for local in CronSim(self.cron, after.astimezone(ZoneInfo(self.time_zone))):
            time = local.astimezone(UTC)
            # In the hour that comes twice the library begins with the first one again.
            if time > latest:
                latest = time
                yield time


def parse_schedule(told: JsonObject) -> Schedule:
    """told: the members of Schedule that matter, instants as text with an offset. Raises Invalid
    with paths into the request: the schedule is its member.
    """
    mistakes = list(_mistakes(told))
    if mistakes:
        raise Invalid(errors=mistakes)
    schedule = schedule_of(told)
    if schedule.cron is not None:
        mistakes = list(_mistakes_of_cron(schedule.cron, schedule.time_zone))
    start_at, end_at = schedule.start_at, schedule.end_at
    if start_at is not None and end_at is not None and start_at >= end_at:
        mistakes.append(_mistake("/end_at", "before_start", "it has to be after `start_at`"))
    if mistakes:
        raise Invalid(errors=mistakes)
    return schedule


def schedule_of(told: JsonObject) -> Schedule:
    """Of what was parsed before, whatever would be thought of it today."""
    return Schedule(
        cron=cast("str | None", told.get("cron")),
        time_zone=cast("str | None", told.get("time_zone")) or "UTC",
        every_s=cast("int | None", told.get("every_s")),
        phase_s=_whole(told, "phase_s"),
        start_at=_instant(told, "start_at"),
        end_at=_instant(told, "end_at"),
        jitter_s=_whole(told, "jitter_s"),
    )


def is_time_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # A folder of the database is an OSError.
        return False
    return True


def _mistakes(told: JsonObject) -> Iterator[FieldError]:
    """Of each member by itself."""
    cron, every_s = told.get("cron"), cast("int | None", told.get("every_s"))
    if (cron is None) == (every_s is None):
        yield _mistake("", "cron_or_every", "exactly one of `cron` and `every_s`")
    if every_s is not None:
        yield from _mistakes_of_interval(every_s, told)
    elif told.get("phase_s"):
        yield _mistake("/phase_s", "without_every_s", "only an interval has a phase")
    if not 0 <= _whole(told, "jitter_s") <= min(JITTER_S_MAX, every_s or JITTER_S_MAX):
        most = f"0 to {JITTER_S_MAX} seconds, and no more than `every_s`"
        yield _mistake("/jitter_s", "out_of_range", most)
    if not is_time_zone(str(told.get("time_zone") or "UTC")):
        yield _mistake("/time_zone", "unknown_time_zone", "an IANA name is expected")
    for member in ("start_at", "end_at"):
        if not _is_instant(told.get(member)):
            expected = "a date and time with an offset is expected"
            yield _mistake(f"/{member}", "invalid_time", expected)


def _mistakes_of_interval(every_s: int, told: JsonObject) -> Iterator[FieldError]:
    if not EVERY_S_MIN <= every_s <= EVERY_S_MAX:
        yield _mistake("/every_s", "out_of_range", f"{EVERY_S_MIN} to {EVERY_S_MAX} seconds")
    elif not 0 <= _whole(told, "phase_s") < every_s:
        yield _mistake("/phase_s", "out_of_range", "from 0, and less than `every_s`")
    if told.get("time_zone") is not None:
        yield _mistake("/time_zone", "without_cron", "an interval knows no time zone")


def _mistakes_of_cron(cron: str, time_zone: str) -> Iterator[FieldError]:
    if len(cron) > CRON_CHARACTERS_MAX:
        yield _mistake("/cron", "too_long", f"at most {CRON_CHARACTERS_MAX} characters")
        return
    if len(cron.split()) != CRON_FIELDS:
        expected = "minute, hour, day of month, month and day of week are expected"
        yield _mistake("/cron", "invalid_cron", expected)
        return
    try:
        some = CronSim(cron, EPOCH.astimezone(ZoneInfo(time_zone)))
        is_ever = next(some, None) is not None
    except (CronSimError, ValueError) as error:
        yield _mistake("/cron", "invalid_cron", str(error))
        return
    if not is_ever:
        yield _mistake("/cron", "never", "there is no such day")


def _is_instant(told: Json) -> bool:
    if told is None:
        return True
    try:
        return datetime.fromisoformat(str(told)).tzinfo is not None
    except ValueError:
        return False


def _instant(told: JsonObject, member: str) -> datetime | None:
    text = told.get(member)
    return None if text is None else datetime.fromisoformat(str(text)).astimezone(UTC)


def _whole(told: JsonObject, member: str) -> int:
    """0 where it is not said."""
    return int(str(told.get(member) or 0))


def _mistake(path: str, code: str, message: str) -> FieldError:
    return FieldError(f"/schedule{path}", code, message)
