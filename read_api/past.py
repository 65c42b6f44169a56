"""Time travel: what the read model had said of an execution after any of its events."""

from collections.abc import Sequence
from dataclasses import dataclass

import orjson

from infra.event_log import LoggedEvent, read_stream
from projections.executions import EXECUTIONS
from projections.fold import Row, rows_after
from projections.node_runs import NODE_RUNS
from projections.table import AnyProjection
from read_api.connections import uuid_or_none
from read_api.context import ReadContext
from read_api.errors import coded

PAGE_EVENTS = 1000


@dataclass(frozen=True, slots=True)
class PastExecution:
    """execution, nodes: a row of executions and a list of rows of node_runs, as JSON text."""

    execution: str
    nodes: str


async def past_execution(context: ReadContext, id_text: str, version: int) -> PastExecution | None:
    """None when there is no such execution, or it has no such version."""
    events = await _events(context, id_text, version)
    if not events:
        return None
    executions = _rows(EXECUTIONS, events)
    if len(executions) != 1:
        return None  # The stream is something else.
    nodes = b"[" + b",".join(_rows(NODE_RUNS, events)) + b"]"
    return PastExecution(executions[0].decode(), nodes.decode())


async def _events(context: ReadContext, id_text: str, version: int) -> list[LoggedEvent]:
    stream_id, tenant_id = uuid_or_none(id_text), context.caller.tenant_id
    maximum = context.sources.limits.past_events_max
    if version > maximum:
        raise coded("too_long", f"Time travel goes to version {maximum} at most.")
    events: list[LoggedEvent] = []
    while stream_id is not None and tenant_id is not None and len(events) < version:
        page = await read_stream(
            context.sources.database,
            tenant_id,
            stream_id,
            after_version=len(events),
            limit=min(PAGE_EVENTS, version - len(events)),
        )
        if not page:
            return []
        events.extend(page)
    return events


def _rows(projection: AnyProjection, events: Sequence[LoggedEvent]) -> list[bytes]:
    """The rows that the events make, each as JSON."""
    json_columns = [column.name for column in projection.columns if column.sql_type == "json"]
    return [_row_json(row, json_columns) for row in rows_after(projection, events)]


def _row_json(row: Row, json_columns: Sequence[str]) -> bytes:
    """JSON columns hold text, which becomes part of the document as it is."""
    texts = {name: row[name] for name in json_columns}
    parts = {name: orjson.Fragment(text) for name, text in texts.items() if isinstance(text, str)}
    return orjson.dumps({**row, **parts})
