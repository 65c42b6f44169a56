"""delay: waits for a duration, or until an instant."""

from datetime import UTC, datetime, timedelta
from typing import Self

from pydantic import model_validator
from pydantic_core import PydanticCustomError

from domain.expressions import ExpressionFailed, type_name
from domain.identifiers import Json
from domain.node_types import Failure, Result, Scope, Wait, WaitingNode
from domain.templates import JsonField, TextField

DURATION_S_MAX = 366 * 86_400.0


class Delay(WaitingNode):
    """Waits `duration_s` seconds, at most a year, or `until` an instant (RFC 3339).

    Outputs `{woke_at}`. An instant that is over is no wait.
    """

    duration_s: JsonField | None = None
    until: TextField | None = None

    @model_validator(mode="after")
    def _waits_one_way(self) -> Self:
        if (self.duration_s is None) == (self.until is None):
            raise PydanticCustomError("one_of", "needs either duration_s or until")
        if self.duration_s is not None and self.duration_s.is_constant:
            try:
                _seconds(self.duration_s.raw)
            except ExpressionFailed as failed:
                raise PydanticCustomError(
                    "duration", "{reason}", {"reason": failed.reason}
                ) from None
        return self

    def wait(self, scope: Scope, now: datetime) -> Wait:
        if self.duration_s is not None:
            duration_s = _seconds(self.duration_s.render(scope.roots))
            return Wait({"duration_s": duration_s}, now + timedelta(seconds=duration_s))
        assert self.until is not None
        text = self.until.text(scope.roots)
        until = _instant(text)
        if (until - now).total_seconds() > DURATION_S_MAX:
            raise ExpressionFailed("/until", f"`{text}` is more than a year away")
        return Wait({"until": until.isoformat()}, until)

    def timed_out(self, now: datetime) -> Result | Failure:
        return Result({"woke_at": now.isoformat()})


def _seconds(value: Json) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ExpressionFailed("/duration_s", f"this is {type_name(value)}, not a number")
    if not 0 <= value <= DURATION_S_MAX:
        raise ExpressionFailed("/duration_s", f"{value} s is not from 0 s to a year")
    return float(value)


def _instant(text: str) -> datetime:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise ExpressionFailed("/until", f"`{text[:80]}` is not an instant of RFC 3339") from None
    if instant.tzinfo is None:
        raise ExpressionFailed("/until", f"`{text[:80]}` has no offset from UTC")
    return instant.astimezone(UTC)
