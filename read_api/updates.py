"""Following what happens: every event of one execution, or a notice of every event of the tenant;
in order, without gap.

The tail only says that there may be something new; what is sent was read from the log under the
reader's own tenant.
"""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import Any, LiteralString, NamedTuple
from uuid import UUID

import orjson
import strawberry

from infra.authentication import Caller
from infra.closing_topics import STATUS_OF_CLOSING_TOPIC, STATUS_OF_FINAL_TOPIC
from infra.event_log import LoggedEvent, TenantId, read_stream_as
from read_api.arguments import Id
from read_api.connections import uuid_or_none
from read_api.context import ReadInfo, Sources
from read_api.errors import RequestRefused, refuse
from read_api.events import event_data
from read_api.positions import last_place, parse_position, place_text
from read_api.scalars import Instant, Json, instant_of

# What the subject of an event is after it: the node that nodeId names, or else the execution. None:
# that depends on what came before.
STATUSES: Mapping[str, str | None] = {
    "execution.created": "PENDING",
    "execution.started": "RUNNING",
    "execution.node_started": "RUNNING",
    "execution.node_completed": "COMPLETED",
    "execution.node_failed": "FAILED",
    "execution.node_doubted": "WAITING",
    "execution.nodes_skipped": "SKIPPED",
    "execution.node_opened": "RUNNING",
    "execution.iteration_ended": "RUNNING",
    "execution.node_suspended": "WAITING",
    "execution.child_started": "RUNNING",
    "execution.child_ended": None,
    "execution.signalled": None,
    "execution.approval_decided": "WAITING",
    "execution.suspended": "WAITING",
    "execution.paused": "PAUSED",
    "execution.resumed": None,
    "execution.compensation_started": "COMPENSATING",
    "execution.resolved": "COMPLETED",
    "execution.retried": None,
    "execution.node_copied": "COMPLETED",
    "execution.upgraded": None,
    "execution.payloads_removed": None,
    "execution.erased": None,
    "execution.usage_unresolved": None,
    "execution.usage_resolved": None,
    "execution.run_metered": None,
    **STATUS_OF_CLOSING_TOPIC,
}
OF_NODE = frozenset(
    {
        "execution.node_started",
        "execution.node_completed",
        "execution.node_failed",
        "execution.node_doubted",
        "execution.node_opened",
        "execution.iteration_ended",
        "execution.node_suspended",
        "execution.child_started",
        "execution.child_ended",
        "execution.approval_decided",
        "execution.resolved",
        "execution.node_copied",
    }
)
TERMINAL = frozenset(STATUS_OF_FINAL_TOPIC)
# What may come after the end as well as before it, and changes neither.
BESIDE = frozenset(
    {
        "execution.payloads_removed",
        "execution.erased",
        "execution.usage_unresolved",
        "execution.usage_resolved",
        "execution.run_metered",
    }
)
# Of these, how many are looked past to find whether the execution has ended.
LOOKED_PAST_MAX = 10

# fmt: off
# Only what is settled: a transaction that is still running could commit before what was already
# sent.
NOTICES: LiteralString = (
    "SELECT json_agg(json_build_object('era', e.era, 'tx_id', e.tx_id::text::bigint,"
    "  'notification_id', e.notification_id, 'shard', e.shard, 'stream_id', e.originator_id,"
    "  'version', e.originator_version, 'topic', e.topic, 'recorded_at', e.recorded_at))"
    " FROM (SELECT * FROM events"
    "  WHERE (era, tx_id, notification_id)"
    "      > (($1->>'era')::smallint, ($1->>'tx_id')::xid8, ($1->>'notification_id')::bigint)"
    "  AND (era < current_era() OR tx_id < pg_snapshot_xmin(pg_current_snapshot()))"
    "  ORDER BY era, tx_id, notification_id LIMIT ($1->>'limit')::integer) AS e"
)
PRESENT_END: LiteralString = (
    "SELECT json_build_object('era', current_era(),"
    " 'tx_id', pg_snapshot_xmin(pg_current_snapshot())::text::bigint, 'notification_id', -1)"
)
# fmt: on


@strawberry.type(description="One event of an execution.")
class ExecutionUpdate:
    execution_id: strawberry.ID
    version: int
    topic: str
    node_id: strawberry.ID | None = strawberry.field(
        description="The path of the node it is about."
    )
    status: str | None = strawberry.field(
        description="Of that node after this event, or of the execution; null where the event does"
        " not say it."
    )
    recorded_at: Instant
    data: Json


@strawberry.type(
    description="That something was recorded; the audit list and the read models say what."
)
class EventNotice:
    position: str
    stream_id: strawberry.ID
    version: int
    topic: str
    recorded_at: Instant


async def first_events(
    sources: Sources, caller: Caller, id_text: str, *, after: int
) -> Sequence[LoggedEvent]:
    """Where following begins: events from shortly before version `after` on, itself included, which
    proves that it is there.

    Raises RequestRefused when the execution is unknown or has not come that far.
    """
    execution_id, tenant_id = uuid_or_none(id_text), caller.tenant_id
    if execution_id is None or tenant_id is None or after < 0:
        raise _unknown_execution()
    reader = _Reader(tenant_id, caller.reads_as)
    earlier = max(after - LOOKED_PAST_MAX, 1) - 1
    limit = max(_page_size(sources), LOOKED_PAST_MAX + 1)
    page = await sources.open_events(
        await _read(sources, reader, execution_id, after=earlier, limit=limit)
    )
    known = page or (await _page(sources, reader, execution_id, after=0) if after > 1 else page)
    if not known or known[0].topic not in STATUSES:
        raise _unknown_execution()
    if not page or page[-1].version < after:
        raise refuse("bad_version", f"The execution has no version {after} yet.")
    return page


def has_ended(page: Sequence[LoggedEvent]) -> bool:
    """Whether the execution is at its end after these events."""
    is_ended = False
    for event in page:
        is_ended = _is_ended(event, is_ended)
    return is_ended


async def follow_execution(
    sources: Sources, caller: Caller, beginning: Sequence[LoggedEvent], *, after: int
) -> AsyncGenerator[LoggedEvent]:
    """The events after a version, as they are recorded, up to one that ends the execution and is
    the last: an execution that had ended may have gone on.

    beginning: of first_events. Reads on only as fast as the caller takes them. Raises
    RequestRefused, as first_events would, once the caller does not see the execution any more.
    """
    tenant_id, execution_id = beginning[0].tenant_id, beginning[0].stream_id
    reader = _Reader(tenant_id, caller.reads_as)
    limits = sources.limits
    page: Sequence[LoggedEvent] = beginning
    version, is_ended = 0, False
    with sources.tail.subscribe(tenant_id=tenant_id, stream_id=execution_id) as news:
        while True:
            for event in page:
                if event.version > after:
                    yield event
                version, is_ended = event.version, _is_ended(event, is_ended)
            if is_ended and len(page) < limits.stream_page_events:
                return
            # What came before the subscription is read before anything is waited for.
            if page is not beginning and len(page) < limits.stream_page_events:
                await news.wait(limits.poll_s)
            page = await _next_page(sources, reader, execution_id, after=version)


async def execution_updates(
    info: ReadInfo, id_: Id, after: int | None = 0
) -> AsyncGenerator[ExecutionUpdate]:
    sources = info.context.sources
    caller = info.context.caller
    beginning = await first_events(sources, caller, id_, after=after or 0)
    async with aclosing(follow_execution(sources, caller, beginning, after=after or 0)) as events:
        async for event in events:
            yield update_of(event)


async def tenant_updates(info: ReadInfo, after: str | None = None) -> AsyncGenerator[EventNotice]:
    context = info.context
    limits = context.sources.limits
    tenant_id = context.caller.tenant_id
    assert tenant_id is not None  # read_api/root_fields.py
    with context.sources.tail.subscribe(tenant_id=tenant_id) as news:
        if after is None:
            place: dict[str, Any] = await context.loaded(PRESENT_END, {})
        else:
            last = last_place(parse_position(after))
            place = {
                "era": last.era,
                "tx_id": last.tx_id,
                "notification_id": last.notification_id,
            }
        while True:
            asked = {**place, "limit": limits.stream_page_events}
            page: list[dict[str, Any]] = await context.loaded(NOTICES, asked) or []
            for row in page:
                yield _notice(**row)
                place = {name: row[name] for name in place}
            if len(page) < limits.stream_page_events:
                await news.wait(limits.poll_s)


def update_of(event: LoggedEvent) -> ExecutionUpdate:
    data = event_data(event)
    return ExecutionUpdate(
        execution_id=strawberry.ID(str(event.stream_id)),
        version=event.version,
        topic=event.topic,
        node_id=data["path"] if event.topic in OF_NODE else None,
        status="WAITING" if _still_waits(event.topic, data) else STATUSES[event.topic],
        recorded_at=instant_of(event.recorded_at),
        data=Json(data),
    )


def _is_ended(event: LoggedEvent, before: bool) -> bool:  # noqa: FBT001 # as of the event before
    return before if event.topic in BESIDE else event.topic in TERMINAL


def _still_waits(topic: str, data: Mapping[str, Any]) -> bool:
    """Whether the node of an event that says so waits after it, unlike after others of its kind."""
    match topic:
        case "execution.node_failed":
            return data["retry_at"] is not None
        case "execution.child_started":
            return bool(data["is_awaited"])
        case "execution.resolved":
            return data["outcome"] == "retry"
        case _:
            return False


def update_json(event: LoggedEvent) -> bytes:
    """An update for those who do not speak GraphQL, with all its fields and the same names."""
    update = update_of(event)
    return orjson.dumps(
        {
            "executionId": update.execution_id,
            "version": update.version,
            "topic": update.topic,
            "nodeId": update.node_id,
            "status": update.status,
            "recordedAt": update.recorded_at,
            "data": update.data,
        }
    )


def _notice(*, era: int, tx_id: int, notification_id: int, shard: int, **shown: Any) -> EventNotice:
    return EventNotice(position=place_text(era, tx_id, shard, notification_id), **shown)


class _Reader(NamedTuple):
    """person: who sees only what is theirs; None sees the whole tenant."""

    tenant_id: TenantId
    person: UUID | None


async def _page(
    sources: Sources, reader: _Reader, execution_id: UUID, *, after: int
) -> Sequence[LoggedEvent]:
    return await sources.open_events(
        await _read(sources, reader, execution_id, after=after, limit=_page_size(sources))
    )


async def _next_page(
    sources: Sources, reader: _Reader, execution_id: UUID, *, after: int
) -> Sequence[LoggedEvent]:
    """after: of an event that was read before. Whoever sees only what is theirs reads it again: it
    is not there any more when a share has ended. Raises RequestRefused.
    """
    if reader.person is None:
        return await _page(sources, reader, execution_id, after=after)
    limit = _page_size(sources) + 1
    page = await _read(sources, reader, execution_id, after=after - 1, limit=limit)
    if not page:
        raise _unknown_execution()
    return await sources.open_events(page[1:])


async def _read(
    sources: Sources, reader: _Reader, execution_id: UUID, *, after: int, limit: int
) -> Sequence[LoggedEvent]:
    return await read_stream_as(
        sources.database, *reader, execution_id, after_version=after, limit=limit
    )


def _page_size(sources: Sources) -> int:
    return sources.limits.stream_page_events


def _unknown_execution() -> RequestRefused:
    return refuse("not_found", "There is no such execution.")
