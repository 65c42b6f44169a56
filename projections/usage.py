"""usage_facts: what each paid attempt used and what it was charged. Beside it rollups by
quarters of an hour and by days, kept by the database itself with every change of the facts, so that
sums over a year need not read them.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import LiteralString, TypeAlias, cast

from typing_extensions import TypedDict

from domain.embedding_calls import EmbeddingCall
from domain.executions import Execution
from domain.identifiers import Json, JsonObject
from domain.storage_measurements import StorageMeasurement
from domain.usage import INPUT_METERS, METERS, OUTPUT_METERS
from domain.usage_events import UsageEvent
from projections.table import (
    BEGUN_BY_PERSON,
    BigInt,
    Decoded,
    Instant,
    Integer,
    JsonText,
    Key,
    Projection,
    Rollup,
    Text,
    UnexpectedEvent,
    Uuid,
    json_text,
)

__all__ = ["INPUT_METERS", "METERS", "OUTPUT_METERS", "QUARTERS", "USAGE_FACTS"]


class UsageColumns(TypedDict):
    provider: Text
    agent_id: Text
    workflow_id: Text
    created_by: Text
    source: Text
    prices: Text
    lines: JsonText


class UsageFactRow(UsageColumns):
    """stream_id: of a run, or of a text that was embedded, whose path is what for. Or of an event
    that a tenant sent, of what it kept on a day, or of a text that was embedded before there were
    intents, which have no path and attempt 0. Of the time of a run, path is empty,
    and attempt says which of its ends it is.
    lines: [meter, quantity, cost in pico-USD or null], and the price where that is over a period:
    the cost is then provisional. model, agent_id, workflow_id, node_type:
    empty where there is none. source: unknown as long as nobody knows what the attempt used.
    prices: the versions of price books that priced it; empty where none did. happened_at: when its
    outcome was stored, or as its sender says. version: of the event that says so.
    """

    tenant_id: Uuid
    stream_id: Uuid
    path: Text
    attempt: Integer
    happened_at: Instant
    version: BigInt
    node_type: Text
    model: Text


OfNode: TypeAlias = (
    Execution.NodeCompleted
    | Execution.NodeFailed
    | Execution.UsageUnresolved
    | Execution.UsageResolved
)
OfEmbedding: TypeAlias = (
    EmbeddingCall.Completed
    | EmbeddingCall.Failed
    | EmbeddingCall.UsageUnresolved
    | EmbeddingCall.UsageResolved
)


def keys(event: Decoded) -> Sequence[Key]:
    """No row for an attempt that nobody paid for."""
    match event.fact:
        case (
            Execution.NodeCompleted()
            | Execution.NodeFailed()
            | EmbeddingCall.Created()
            | EmbeddingCall.Failed()
        ) as fact if fact.usage is None:
            return ()
        case (
            Execution.NodeCompleted()
            | Execution.NodeFailed()
            | Execution.UsageUnresolved()
            | Execution.UsageResolved()
            | EmbeddingCall.Completed()
            | EmbeddingCall.Failed()
            | EmbeddingCall.UsageUnresolved()
            | EmbeddingCall.UsageResolved()
        ) as fact:
            logged = event.logged
            return ((logged.tenant_id, logged.stream_id, fact.path, fact.attempt),)
        case Execution.RunMetered() as fact:
            return ((event.logged.tenant_id, event.logged.stream_id, "", fact.attempt),)
        case UsageEvent.Created() | StorageMeasurement.Created() | EmbeddingCall.Created():
            return ((event.logged.tenant_id, event.logged.stream_id, "", 0),)
        case _:
            raise UnexpectedEvent(event.logged.topic)


def evolve(row: UsageFactRow | None, event: Decoded, _key: Key) -> UsageFactRow:
    match event.fact:
        case Execution.UsageUnresolved() | EmbeddingCall.UsageUnresolved() as fact:
            return _row(event, fact, _unknown(fact))
        case Execution.UsageResolved() | EmbeddingCall.UsageResolved() as fact:
            # When it was used, not when that was found out.
            happened_at = event.logged.recorded_at if row is None else row["happened_at"]
            return {**_row(event, fact, fact.usage), "happened_at": happened_at}
        case (
            Execution.NodeCompleted()
            | Execution.NodeFailed()
            | EmbeddingCall.Completed()
            | EmbeddingCall.Failed()
        ) as fact if fact.usage is not None:
            return _row(event, fact, fact.usage)
        case Execution.RunMetered() as fact:
            at = event.logged.recorded_at
            return _of_no_model(event, fact.usage, attempt=fact.attempt, happened_at=at)
        case UsageEvent.Created() | StorageMeasurement.Created() as fact:
            at = datetime.fromisoformat(fact.happened_at)
            return _of_no_model(event, fact.usage, attempt=0, happened_at=at)
        case EmbeddingCall.Created() as fact if fact.usage is not None:
            at = datetime.fromisoformat(fact.happened_at)
            row = _of_no_model(event, fact.usage, attempt=0, happened_at=at)
            return {**row, "model": fact.model}
        case _:
            raise UnexpectedEvent(event.logged.topic)


def _unknown(fact: Execution.UsageUnresolved | EmbeddingCall.UsageUnresolved) -> JsonObject:
    """The call was made, whatever it used."""
    lines: list[Json] = [["requests", 1, None]]
    return {
        "provider": (fact.model or "").partition("/")[0],
        "agent_id": None,
        "workflow_id": fact.workflow_id if isinstance(fact, Execution.UsageUnresolved) else None,
        "created_by": fact.created_by,
        "source": "unknown",
        "prices": "",
        "lines": lines,
    }


def _row(
    event: Decoded,
    fact: OfNode | OfEmbedding,
    usage: JsonObject,
) -> UsageFactRow:
    return {
        "tenant_id": event.logged.tenant_id,
        "stream_id": event.logged.stream_id,
        "path": fact.path,
        "attempt": fact.attempt,
        "happened_at": event.logged.recorded_at,
        "version": event.logged.version,
        "node_type": fact.node_type if isinstance(fact, OfNode) else "",
        "model": fact.model or "",
        **_of_usage(usage),
    }


def _of_usage(usage: JsonObject) -> UsageColumns:
    return {
        "provider": str(usage["provider"]),
        "agent_id": _text(usage["agent_id"]),
        "workflow_id": _text(usage["workflow_id"]),
        "created_by": str(usage["created_by"]),
        "source": str(usage["source"]),
        "prices": str(usage["prices"]),
        "lines": json_text(usage["lines"]),
    }


def _of_no_model(
    event: Decoded, usage: JsonObject, *, attempt: int, happened_at: datetime
) -> UsageFactRow:
    return {
        "tenant_id": event.logged.tenant_id,
        "stream_id": event.logged.stream_id,
        "path": "",
        "attempt": attempt,
        "happened_at": happened_at,
        "version": event.logged.version,
        "node_type": "",
        "model": "",
        **_of_usage(usage),
    }


def _text(value: Json) -> str:
    return "" if value is None else str(value)


def _quoted(names: frozenset[str]) -> LiteralString:
    """Of meters; they stand in the source of the domain."""
    return cast("LiteralString", ", ".join(f"'{name}'" for name in sorted(names)))


WHOSE: tuple[LiteralString, ...] = (
    *("model text", "provider text", "agent_id text", "workflow_id text"),
    *("node_type text", "created_by text"),
)
COSTS: tuple[LiteralString, ...] = (
    "cost_usd_pico",
    "provisional_usd_pico",
    "unpriced",
    "unresolved",
    "lines",
)
# fmt: off
START: LiteralString = "SELECT f.tenant_id, date_bin('{0}', f.happened_at, 'epoch'::timestamptz)"
BY_WHOM: LiteralString = (
    " f.model, f.provider, f.agent_id, f.workflow_id, f.node_type, f.created_by,"
)
AND_COSTS: LiteralString = (
    " coalesce(sum(f.sign * (l.line->>2)::numeric), 0) AS cost_usd_pico,"
    " coalesce(sum(f.sign * (l.line->>2)::numeric) FILTER (WHERE l.line->3 IS NOT NULL), 0)"
    "   AS provisional_usd_pico,"
    " coalesce(sum(f.sign) FILTER (WHERE l.line->>2 IS NULL AND f.source <> 'unknown'), 0)"
    "   AS unpriced,"
    " coalesce(sum(f.sign) FILTER (WHERE f.source = 'unknown'), 0) AS unresolved,"
    " sum(f.sign) AS lines"
    " FROM {facts} AS f CROSS JOIN LATERAL json_array_elements("
    "   CASE json_typeof(f.lines) WHEN 'array' THEN f.lines ELSE '[]' END) AS l(line)"
    " GROUP BY 1, 2, 3, 4, 5, 6, 7, 8"
)
BY_METER: LiteralString = (
    START + " AS start, l.line->>0 AS meter," + BY_WHOM
    + " sum(f.sign * (l.line->>1)::numeric) AS quantity," + AND_COSTS + ", 9"
)
OF_METERS: LiteralString = (
    " coalesce(sum(f.sign * (l.line->>1)::numeric) FILTER (WHERE l.line->>0 IN ({0})), 0)"
)
ALL_METERS: LiteralString = (
    START + " AS start," + BY_WHOM
    + OF_METERS.replace("{0}", _quoted(INPUT_METERS)) + " AS tokens_in,"
    + OF_METERS.replace("{0}", _quoted(OUTPUT_METERS)) + " AS tokens_out,"
    + OF_METERS.replace("{0}", "'requests'") + " AS calls," + AND_COSTS
)
# fmt: on


def _by_meter(suffix: LiteralString, length: LiteralString) -> Rollup:
    return Rollup(
        suffix=suffix,
        key=("tenant_id uuid", "start timestamptz", "meter text", *WHOSE),
        sums=("quantity", *COSTS),
        count="lines",
        select=BY_METER.replace("{0}", length),
    )


QUARTERS = _by_meter("quarters", "15 minutes")
# Of UTC.
DAYS = _by_meter("days", "1 day")
# Of all meters together: a twelfth of the rows of quarters, for charts of days of other time zones.
HOURS = Rollup(
    suffix="hours",
    key=("tenant_id uuid", "start timestamptz", *WHOSE),
    sums=("tokens_in", "tokens_out", "calls", *COSTS),
    count="lines",
    select=ALL_METERS.replace("{0}", "1 hour"),
)

USAGE_FACTS = Projection(
    name="usage_facts",
    version=2,
    row=UsageFactRow,
    key=("tenant_id", "stream_id", "path", "attempt"),
    stream_column="stream_id",
    aggregate=Execution,
    events=(
        Execution.NodeCompleted,
        Execution.NodeFailed,
        Execution.UsageUnresolved,
        Execution.UsageResolved,
        Execution.RunMetered,
        UsageEvent.Created,
        StorageMeasurement.Created,
        EmbeddingCall.Created,
        EmbeddingCall.Completed,
        EmbeddingCall.Failed,
        EmbeddingCall.UsageUnresolved,
        EmbeddingCall.UsageResolved,
    ),
    overwrites=(
        Execution.NodeCompleted,
        Execution.NodeFailed,
        Execution.UsageUnresolved,
        Execution.RunMetered,
        UsageEvent.Created,
        StorageMeasurement.Created,
        EmbeddingCall.Created,
        EmbeddingCall.Completed,
        EmbeddingCall.Failed,
        EmbeddingCall.UsageUnresolved,
    ),
    also=(UsageEvent, StorageMeasurement, EmbeddingCall),
    keys=keys,
    evolve=evolve,
    own=BEGUN_BY_PERSON,
    indexes=(("tenant_id", "happened_at"),),
    rollups=(QUARTERS, HOURS, DAYS),
)
