"""Time travel: what the read model had said of an execution after any of its events."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, LiteralString, cast

import orjson

from infra.event_log import LoggedEvent, read_stream_as
from projections.executions import EXECUTIONS
from projections.fold import Row, rows_after
from projections.node_runs import NODE_RUNS
from projections.table import AnyProjection
from read_api.connections import uuid_or_none
from read_api.context import ReadContext
from read_api.errors import refuse
from read_api.limits import ReadLimits

PAGE_EVENTS = 1000


@dataclass(frozen=True, slots=True)
class PastExecution:
    """Rows of executions (one) and of node_runs, as JSON text for past_rows."""

    executions: str
    nodes: str


async def past_execution(context: ReadContext, id_text: str, version: int) -> PastExecution | None:
    """None when there is no such execution, or it has no such version."""
    pasts = await past_executions(context, id_text, (version,))
    return None if pasts is None else pasts[0]


async def past_executions(
    context: ReadContext, id_text: str, versions: Sequence[int]
) -> list[PastExecution] | None:
    """One for each version; None when there is no such execution, or it lacks one of them."""
    events = await events_up_to(context, id_text, max(versions))
    if not events or min(versions) < 1:
        return None
    pasts: list[PastExecution] = []
    for version in versions:
        executions = rows_after(EXECUTIONS, events[:version])
        if len(executions) != 1:
            return None  # The stream is something else.
        nodes = rows_after(NODE_RUNS, events[:version])
        pasts.append(PastExecution(_json_text(executions), _json_text(nodes)))
    return pasts


def past_rows(
    projection: AnyProjection, parameter: LiteralString, alias: LiteralString
) -> LiteralString:
    """Rows of a projection that come as JSON in a member of $1 and not from its table; follows
    FROM.

    Columns of JSON are text in it, as in rows everywhere: PostgreSQL would read into them
    otherwise, and refuse an escaped NUL.
    """
    columns = projection.columns
    record = ", ".join(
        f"{c.name} {'text' if c.sql_type == 'json' else c.sql_type}" for c in columns
    )
    values = ", ".join(f"r.{c.name}::{c.sql_type}" for c in columns)
    names = cast(
        "tuple[LiteralString, LiteralString]", (values, record)
    )  # Declared in projections/.
    return (
        "(SELECT " + names[0] + " FROM json_to_recordset(($1->>'" + parameter + "')::json)"
        " AS r(" + names[1] + ")) AS " + alias
    )  # fmt: skip


def check_version(arguments: Mapping[str, Any], limits: ReadLimits) -> None:
    """Raises RequestRefused when too many events would have to be folded."""
    if arguments["version"] > limits.past_events_max:
        raise refuse(
            "bad_version", f"Time travel goes to version {limits.past_events_max} at most."
        )


async def events_up_to(context: ReadContext, id_text: str, version: int) -> list[LoggedEvent]:
    """All up to a version, opened; none when the stream has no such version, or is not seen."""
    stream_id, tenant_id = uuid_or_none(id_text), context.caller.tenant_id
    events: list[LoggedEvent] = []
    while stream_id is not None and tenant_id is not None and len(events) < version:
        page = await read_stream_as(
            context.sources.database,
            tenant_id,
            context.caller.reads_as,
            stream_id,
            after_version=len(events),
            limit=min(PAGE_EVENTS, version - len(events)),
        )
        if not page:
            return []
        events.extend(await context.sources.open_events(page))
    return events


def _json_text(rows: Sequence[Row]) -> str:
    return orjson.dumps([dict(row) for row in rows]).decode()
