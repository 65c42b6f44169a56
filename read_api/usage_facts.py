"""What sums of usage are made of: facts of paid attempts, down to the event that says each."""

import base64
import binascii
from collections.abc import Mapping
from datetime import datetime
from typing import Any, LiteralString, NamedTuple
from uuid import UUID

import orjson
import strawberry

from read_api.arguments import MinPosition
from read_api.columns import money
from read_api.connections import Connection, Edge, connection, uuid_or_nobody
from read_api.context import ReadInfo
from read_api.errors import refuse
from read_api.event_causes import event_at
from read_api.events import Event
from read_api.limits import PAGE_SIZE_DEFAULT, ReadLimits
from read_api.periods import From, To
from read_api.scalars import BigInt, Instant
from read_api.usage import check_usage, unit_of
from read_api.usage_groups import ONLY_OF_FACT, Filter, only_params

ATTEMPT_MAX = 2**31 - 1

# fmt: off
LINES: LiteralString = (
    "(SELECT json_agg(json_build_object('meter', l.line->>0, 'quantity', l.line->1,"
    "   'cost_usd', " + money("(l.line->>2)::numeric") + ","
    "   'is_provisional', l.line->3 IS NOT NULL) ORDER BY l.place)"
    "   FROM json_array_elements(u.lines) WITH ORDINALITY AS l(line, place))"
)
FACT: LiteralString = (
    "json_build_object("
    "  'stream_id', u.stream_id,"
    # A text that was embedded has a path too, and is no run.
    "  'execution_id', CASE WHEN u.node_type <> '' OR u.path = '' AND u.attempt > 0"
    "    THEN u.stream_id END,"
    "  'path', u.path, 'attempt', u.attempt,"
    "  'event_version', u.version, 'happened_at', u.happened_at, 'node_type', u.node_type,"
    "  'model', nullif(u.model, ''), 'provider', nullif(u.provider, ''),"
    "  'agent_id', nullif(u.agent_id, ''), 'workflow_id', nullif(u.workflow_id, ''),"
    "  'created_by', u.created_by, 'source', u.source, 'prices', nullif(u.prices, ''),"
    "  'lines', " + LINES + ")"
)
ORDER: LiteralString = " ORDER BY u.happened_at DESC, u.stream_id, u.path, u.attempt"
FACTS: LiteralString = (
    "SELECT json_agg(" + FACT + ORDER + ")"
    " FROM (SELECT * FROM usage_facts_v2 AS u"
    "  WHERE u.happened_at >= ($1->>'from')::timestamptz"
    "    AND u.happened_at < ($1->>'to')::timestamptz"
    "    AND ($1->>'executionId' IS NULL OR u.stream_id = ($1->>'executionId')::uuid)"
    "    AND ($1->'after' IS NULL OR u.happened_at < ($1->'after'->>0)::timestamptz"
    "      OR (u.happened_at = ($1->'after'->>0)::timestamptz"
    "        AND (u.stream_id, u.path, u.attempt)"
    "          > (($1->'after'->>1)::uuid, $1->'after'->>2, ($1->'after'->>3)::int)))"
    "    AND " + ONLY_OF_FACT +
    "    AND ($1->'only'->'meter' IS NULL OR EXISTS ("
    "      SELECT FROM json_array_elements(u.lines) AS l(line)"
    "       WHERE $1->'only'->'meter' ? (l.line->>0)))"
    + ORDER + " LIMIT ($1->>'first')::int + 1) AS u"
)
# fmt: on


@strawberry.type
class UsageLine:
    meter: str
    quantity: BigInt
    unit: str
    cost_usd: str | None = strawberry.field(description="null where no price is known.")
    is_provisional: bool = strawberry.field(
        description="The price is over a period: costUsd is at the rate of its dearest tier, and"
        " the invoice charges what the tiers come to."
    )


@strawberry.type(description="What one paid attempt used, as the event of its outcome says.")
class UsageFact:
    stream_id: strawberry.ID
    execution_id: strawberry.ID | None = strawberry.field(
        description="null of what belongs to no run: what the tenant counted itself, or a text"
        " that was embedded."
    )
    path: str
    attempt: int
    event_version: BigInt = strawberry.field(description="The event, in the stream.")
    happened_at: Instant
    node_type: str
    model: str | None
    provider: str | None
    agent_id: strawberry.ID | None
    workflow_id: strawberry.ID | None
    created_by: str
    source: str = strawberry.field(
        description="provider, estimated, resolved, sent (by the tenant), measured or unknown."
    )
    prices: str | None = strawberry.field(description="The price books' versions that priced it.")
    lines: list[UsageLine]

    @strawberry.field(
        description="The event itself, whose `lineage` leads to the request that it began with."
    )
    async def event(self, info: ReadInfo) -> Event | None:
        found = await event_at(info.context, UUID(self.stream_id), int(self.event_version))
        return None if found is None else Event(logged=found)


class Place(NamedTuple):
    """Of a fact in the order of the list."""

    happened_at: str
    stream_id: str
    path: str
    attempt: int


async def usage_facts(
    info: ReadInfo,
    from_: From,
    to: To,
    *,
    execution_id: strawberry.ID | None = None,
    filter: Filter = None,  # noqa: A002 # its name in the schema
    first: int | None = PAGE_SIZE_DEFAULT,
    after: str | None = None,
    _min_position: MinPosition = None,
) -> Connection[UsageFact]:
    size = first or PAGE_SIZE_DEFAULT
    params: dict[str, object] = {
        "from": from_,
        "to": to,
        "executionId": None if execution_id is None else uuid_or_nobody(execution_id),
        "only": only_params(filter),
        "first": size,
    }
    if after is not None:
        params["after"] = [*place_in(after)]
    rows: list[dict[str, Any]] = await info.context.loaded(FACTS, params) or []
    edges = [Edge(cursor=cursor_of_fact(row), node=fact_of(**row)) for row in rows]
    return connection(edges, size=size, is_after=after is not None)


def check_facts(arguments: Mapping[str, Any], limits: ReadLimits) -> None:
    """Raises RequestRefused."""
    check_usage(arguments, limits)
    if arguments.get("after") is not None:
        place_in(arguments["after"])


def fact_of(lines: list[dict[str, Any]] | None, **row: Any) -> UsageFact:
    """lines, row: as FACT has them."""
    return UsageFact(
        lines=[UsageLine(unit=unit_of(line["meter"]), **line) for line in lines or ()], **row
    )


def place_in(cursor: str) -> Place:
    """Raises RequestRefused."""
    try:
        parts = orjson.loads(base64.urlsafe_b64decode(cursor + "=="))
        happened_at, stream_id, path, attempt = map(str, parts)
        place = Place(
            datetime.fromisoformat(happened_at).isoformat(),
            str(UUID(stream_id)),
            path,
            int(attempt),
        )
    except (binascii.Error, ValueError, TypeError):
        place = None
    if place is None or not 0 <= place.attempt <= ATTEMPT_MAX or "\x00" in place.path:
        raise refuse("bad_cursor", "`after` is not a cursor of this list.")
    return place


def cursor_of_fact(row: Mapping[str, Any]) -> str:
    place = orjson.dumps([row["happened_at"], row["stream_id"], row["path"], row["attempt"]])
    return base64.urlsafe_b64encode(place).decode().rstrip("=")
