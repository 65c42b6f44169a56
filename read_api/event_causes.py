"""What an event was decided upon, and what was decided upon it, in whatever streams of the tenant.

Events say so (`causation_id`, infra/causes.py). Where one does not, for it is old, or somebody
asked for it, its cause is the one before it in its stream, for an aggregate decides upon all that
happened to it; the first event of an execution that another one started is caused there.
"""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from infra.event_codec import decode
from infra.event_log import LoggedEvent, read_stream_as
from infra.event_places import EventPlace, place_of, places_of_followers
from infra.event_sealing import is_erased
from infra.event_search import EventFilter
from read_api.connections import uuid_or_none
from read_api.context import ReadContext

EXECUTION_CREATED = "execution.created"
CHILD_STARTED = "execution.child_started"
PAGE = 200
FOLLOWERS_MAX = 100
# Back to what began it all.
LINEAGE_MAX = 100


async def event_at(context: ReadContext, stream_id: UUID, version: int) -> LoggedEvent | None:
    """Opened; None where there is none, or the caller does not see it."""
    tenant_id = context.caller.tenant_id
    if tenant_id is None or version < 1:
        return None
    found = await read_stream_as(
        context.sources.database,
        tenant_id,
        context.caller.reads_as,
        stream_id,
        after_version=version - 1,
        limit=1,
    )
    opened = await context.sources.open_events([one for one in found if one.version == version])
    return opened[0] if opened else None


async def cause_of(context: ReadContext, event: LoggedEvent) -> LoggedEvent | None:
    """None, too, where the caller does not see it: nobody is told what others' streams did."""
    if event.causation_id is not None:
        return await _stored_cause(context, event, event.causation_id)
    if event.version > 1:
        return await event_at(context, event.stream_id, event.version - 1)
    parent_id = _id_in(event, EXECUTION_CREATED, "parent_id")
    return None if parent_id is None else await _start_of(context, parent_id, event.stream_id)


async def lineage_of(context: ReadContext, event: LoggedEvent) -> list[LoggedEvent]:
    """The event, its cause, the cause of that, and so on; at most LINEAGE_MAX."""
    lineage = [event]
    while len(lineage) < LINEAGE_MAX:
        cause = await cause_of(context, lineage[-1])
        if cause is None:
            break
        lineage.append(cause)
    return lineage


async def effects_of(context: ReadContext, event: LoggedEvent) -> list[LoggedEvent]:
    """Those that say so; the next of its stream, if that says nothing; and the first of the child
    that it started. Oldest first in its own stream, then in others.
    """
    tenant_id = context.caller.tenant_id
    if tenant_id is None:
        return []
    places = await places_of_followers(
        context.sources.database,
        tenant_id,
        event.event_id,
        at=EventPlace(event.stream_id, event.version),
        limit=FOLLOWERS_MAX,
    )
    wanted = dict.fromkeys(places)
    child_id = _id_in(event, CHILD_STARTED, "child_id")
    if child_id is not None:
        wanted[EventPlace(child_id, 1)] = None
    found = [await event_at(context, *place) for place in wanted]
    return [one for one in found if one is not None]


async def _stored_cause(
    context: ReadContext, event: LoggedEvent, cause_id: UUID
) -> LoggedEvent | None:
    tenant_id = context.caller.tenant_id
    if tenant_id is None:
        return None
    before = EventPlace(event.stream_id, event.version)
    place = await place_of(context.sources.database, tenant_id, cause_id, before=before)
    return None if place is None else await event_at(context, *place)


async def _start_of(context: ReadContext, parent_id: UUID, child_id: UUID) -> LoggedEvent | None:
    tenant_id = context.caller.tenant_id
    # Who does not see the parent is not told that it did anything.
    if tenant_id is None or await event_at(context, parent_id, 1) is None:
        return None
    wanted, before = EventFilter(stream_id=parent_id, topics=(CHILD_STARTED,)), None
    while True:
        page = await context.sources.event_search.page(tenant_id, wanted, before=before, limit=PAGE)
        for event in page.items:
            if _id_in(event, CHILD_STARTED, "child_id") == child_id:
                return event
        before = page.next_before
        if before is None:
            return None


def _id_in(event: LoggedEvent, topic: str, member: str) -> UUID | None:
    """The id that an event of a topic names."""
    if event.topic != topic or is_erased(event):
        return None
    facts: Mapping[str, Any] = vars(decode(event))
    return uuid_or_none(facts[member] or "")
