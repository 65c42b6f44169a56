"""What an event was decided upon, and what was decided upon it.

Events say so (`causation_id`, infra/causes.py). Where one does not, for it is old or its driver had
just begun, its cause is the one before it in its stream, for an aggregate decides upon all that
happened to it; the first event of an execution that another one started is caused there.
"""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from infra.event_codec import decode
from infra.event_log import LoggedEvent, read_stream_as
from infra.event_sealing import is_erased
from infra.event_search import EventFilter
from read_api.connections import uuid_or_none
from read_api.context import ReadContext

EXECUTION_CREATED = "execution.created"
CHILD_STARTED = "execution.child_started"
CHILD_ENDED = "execution.child_ended"
PAGE = 200
# Of one stream, before an event or after it; what is further away is not looked for.
LOOKED_MAX = 2000
FOLLOWERS_MAX = 100


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
    if event.causation_id is not None:
        return await _stored_cause(context, event, event.causation_id)
    if event.version > 1:
        return await event_at(context, event.stream_id, event.version - 1)
    parent_id = _id_in(event, EXECUTION_CREATED, "parent_id")
    return None if parent_id is None else await _start_of(context, parent_id, event.stream_id)


async def effects_of(context: ReadContext, event: LoggedEvent) -> list[LoggedEvent]:
    """Those that say so; the next of its stream, if that says nothing; and the first of the child
    that it started.
    """
    found = await _followers(context, event)
    child_id = _id_in(event, CHILD_STARTED, "child_id")
    if child_id is not None:
        found.append(await event_at(context, child_id, 1))
    return [one for one in found if one is not None]


async def _followers(context: ReadContext, event: LoggedEvent) -> list[LoggedEvent | None]:
    """Of its own stream, among the next LOOKED_MAX. An event that says nothing of its cause follows
    from the one before it.
    """
    tenant_id, person = context.caller.tenant_id, context.caller.reads_as
    if tenant_id is None:
        return []
    later = await read_stream_as(
        context.sources.database,
        tenant_id,
        person,
        event.stream_id,
        after_version=event.version,
        limit=LOOKED_MAX,
    )
    found = [
        one
        for one in later
        if one.causation_id == event.event_id
        or (one.causation_id is None and one.version == event.version + 1)
    ]
    return [*await context.sources.open_events(found[:FOLLOWERS_MAX])]


async def _stored_cause(
    context: ReadContext, event: LoggedEvent, cause_id: UUID
) -> LoggedEvent | None:
    """In its own stream, mostly just before it; or in that of a run above or below."""
    tenant_id = context.caller.tenant_id
    if tenant_id is None:
        return None
    parent_id = _id_in(event, EXECUTION_CREATED, "parent_id")
    child_id = _id_in(event, CHILD_ENDED, "child_id")
    for stream_id in (event.stream_id, parent_id, child_id):
        if stream_id is None or await event_at(context, stream_id, 1) is None:
            continue  # Who does not see a run is not told that it did anything.
        wanted, before = EventFilter(stream_id=stream_id), event.position
        for _ in range(LOOKED_MAX // PAGE):
            page = await context.sources.event_search.page(
                tenant_id, wanted, before=before, limit=PAGE
            )
            for one in page.items:
                if one.event_id == cause_id:
                    return one
            if page.next_before is None:
                break
            before = page.next_before
    return None


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
