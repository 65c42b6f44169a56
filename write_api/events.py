"""GET /events/export: what the caller's tenant recorded, newest first, as lines for a SIEM."""

import orjson
from starlette.responses import Response

from commands.authorization import require
from commands.ports import LoggedEvent, Position
from domain.errors import OverLimit
from domain.tenants import TenantNotFound
from infra.event_sealing import is_erased
from infra.event_search import EventFilter
from write_api.edge import Call
from write_api.openapi import documented_query, streamed
from write_api.routes import route
from write_api.shapes import AnyJson
from write_api.siem_lines import (
    CEF,
    JSONL,
    UUID_SCHEMA,
    ExportQuery,
    cef_line,
    exported,
    formats,
    mistake,
    optional,
    range_parameters,
)

# It tells everything that was ever stored.
SCOPE = "tenant:export"
# Of one request; the last line of a longer export says where the next one begins.
EXPORT_EVENTS_MAX = 100_000
TOPICS_MAX = 50
SEVERITY = 1
NUMBER_MAX = (1 << 63) - 1
ERA_MAX = (1 << 15) - 1
TEXT = {"type": "string"}
PARAMETERS = (
    *range_parameters("event"),
    optional("actor", TEXT, "Who caused it."),
    optional(
        "topic",
        {"type": "array", "items": TEXT, "maxItems": TOPICS_MAX},
        "Any of these; may be repeated.",
    ),
    optional("stream_id", UUID_SCHEMA, "Of one stream."),
    optional("correlation_id", UUID_SCHEMA, "The request that it came from, or the execution."),
    optional("before", TEXT, "`next_before` of the last line of an export that did not end."),
)


def event_json_line(event: LoggedEvent) -> str:
    return orjson.dumps(
        {
            "position": _place_text(event.position),
            "stream_id": event.stream_id,
            "version": event.version,
            "topic": event.topic,
            "recorded_at": event.recorded_at,
            "tenant_id": event.tenant_id,
            "actor": event.actor,
            "event_id": event.event_id,
            "command_id": event.command_id,
            "causation_id": event.causation_id,
            "correlation_id": event.correlation_id,
            "data": None if is_erased(event) else orjson.Fragment(event.state),
        },
        option=orjson.OPT_UTC_Z,
    ).decode()


def event_cef_line(event: LoggedEvent) -> str:
    """Who did what, when and to what; not what it says, which is for the JSON lines."""
    told = {
        "rt": int(event.recorded_at.timestamp() * 1000),
        "externalId": event.event_id,
        "suser": event.actor,
        "act": event.topic,
        "cn1Label": "version",
        "cn1": event.version,
        "cs1Label": "stream_id",
        "cs1": event.stream_id,
        "cs2Label": "tenant_id",
        "cs2": event.tenant_id,
        "cs3Label": None if event.correlation_id is None else "correlation_id",
        "cs3": event.correlation_id,
        "cs4Label": "position",
        "cs4": _place_text(event.position),
    }
    return cef_line(event.topic, event.topic, SEVERITY, told)


FORMATS = formats(event_json_line, event_cef_line)


@route(
    "GET",
    "/api/v1/events/export",
    streamed(
        documented_query(
            "exportEvents",
            "The events of the tenant as JSON lines or CEF, newest first",
            requires=SCOPE,
            answers=AnyJson,
            refusals=[TenantNotFound, OverLimit],
            query_parameters=PARAMETERS,
        ),
        JSONL,
        CEF,
    ),
)
async def export(call: Call) -> Response:
    require(call.caller, SCOPE)
    tenant_id = call.caller.tenant_id
    if tenant_id is None:
        raise TenantNotFound
    query = ExportQuery(call, FORMATS)
    wanted = EventFilter(
        stream_id=query.uuid("stream_id"),
        actor=query.text("actor"),
        topics=query.texts("topic", count_max=TOPICS_MAX),
        correlation_id=query.uuid("correlation_id"),
        begin=query.instant("from"),
        end=query.instant("to"),
    )
    pages = call.edge.event_search.pages(
        tenant_id, wanted, before=_place(query.text("before")), events_max=EXPORT_EVENTS_MAX
    )
    return await exported("exportEvents", pages, query.format, _place_text)


def _place_text(place: Position) -> str:
    return f"{place.era}-{place.tx_id}-{place.notification_id}"


def _place(text: str | None) -> Position | None:
    """Raises Invalid."""
    if text is None:
        return None
    try:
        era, tx_id, notification_id = (int(number) for number in text.split("-"))
    except ValueError:
        era = -1
        tx_id = notification_id = 0
    if not 0 <= era <= ERA_MAX or not 0 <= max(tx_id, notification_id) <= NUMBER_MAX:
        raise mistake("before", "the place that an earlier export told is expected")
    return Position(era, tx_id, notification_id)


ROUTES = (export,)
