"""Time travel of every aggregate: what its events add up to at a version or an instant, and what
differs between two versions.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import strawberry

from infra.aggregate_states import aggregate_after, kind_of, state_of
from infra.event_codec import KeyDestroyed
from infra.event_log import LoggedEvent, read_stream_as
from read_api.connections import uuid_or_none
from read_api.context import ReadContext, ReadInfo
from read_api.differences import Difference, differences
from read_api.errors import coded, refuse
from read_api.limits import ReadLimits
from read_api.past import PAGE_EVENTS, check_version, events_up_to
from read_api.scalars import Instant, Json, instant_of


@strawberry.type(description="What the events of a stream add up to, up to one of them.")
class AggregateState:
    stream_id: strawberry.ID
    kind: str = strawberry.field(description="As the topics of its events begin.")
    version: int
    recorded_at: Instant = strawberry.field(description="Of the last event that counts here.")
    state: Json = strawberry.field(
        description="As the platform keeps it in memory; its members may change with releases."
    )


@dataclass(frozen=True, slots=True)
class _Folded:
    last: LoggedEvent
    kind: str
    state: dict[str, Any]


async def aggregate_at(
    info: ReadInfo,
    stream_id: strawberry.ID,
    version: int | None = None,
    at: Instant | None = None,
) -> AggregateState | None:
    """None when there is no such stream, or it has no such version, or did not begin by then."""
    context = info.context
    if version is not None:
        events = await events_up_to(context, stream_id, version)
    else:
        events = await _events_by(context, stream_id, None if at is None else _moment(at))
    if not events:
        return None
    folded = _folded(events)
    return AggregateState(
        stream_id=strawberry.ID(str(folded.last.stream_id)),
        kind=folded.kind,
        version=folded.last.version,
        recorded_at=instant_of(folded.last.recorded_at),
        state=Json(folded.state),
    )


async def aggregate_diff(
    info: ReadInfo, stream_id: strawberry.ID, from_version: int, to_version: int
) -> list[Difference] | None:
    """None when there is no such stream, or it has no such versions."""
    context = info.context
    events = await events_up_to(context, stream_id, max(from_version, to_version))
    if not events:
        return None
    before, after = (_folded(events[:version]).state for version in (from_version, to_version))
    return differences(before, after, count_max=context.sources.limits.differences_max)


def check_state(arguments: Mapping[str, Any], limits: ReadLimits) -> None:
    """Raises RequestRefused."""
    version = arguments.get("version")
    if version is not None and arguments.get("at") is not None:
        raise refuse("bad_version", "`version` and `at` exclude each other.")
    if version is not None:
        _check(version, limits)


def check_states(arguments: Mapping[str, Any], limits: ReadLimits) -> None:
    """Raises RequestRefused."""
    for name in ("fromVersion", "toVersion"):
        _check(arguments[name], limits)


def _check(version: int, limits: ReadLimits) -> None:
    if version < 1:
        raise refuse("bad_version", "Versions begin with 1.")
    check_version({"version": version}, limits)


def _folded(events: list[LoggedEvent]) -> _Folded:
    try:
        aggregate = aggregate_after(events)
    except KeyDestroyed:
        raise coded("erased", "What this says was erased.") from None
    return _Folded(events[-1], kind_of(aggregate), state_of(aggregate))


async def _events_by(
    context: ReadContext, id_text: str, moment: datetime | None
) -> list[LoggedEvent]:
    """Those recorded by then, opened. Raises GraphQLError when they are too many to fold."""
    stream_id, tenant_id = uuid_or_none(id_text), context.caller.tenant_id
    events: list[LoggedEvent] = []
    if stream_id is None or tenant_id is None:
        return events
    while True:
        page = await read_stream_as(
            context.sources.database,
            tenant_id,
            context.caller.reads_as,
            stream_id,
            after_version=len(events),
            limit=PAGE_EVENTS,
        )
        wanted = [event for event in page if moment is None or event.recorded_at <= moment]
        events.extend(await context.sources.open_events(wanted))
        if len(events) > context.sources.limits.past_events_max:
            raise coded("bad_version", "The stream is too long by then; ask for a version.")
        if len(wanted) < PAGE_EVENTS:
            return events


def _moment(at: Instant) -> datetime:
    return datetime.fromisoformat(at)
