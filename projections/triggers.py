"""triggers: what begins runs by itself, with what it did last. When it is looked at next is known
beside the log itself.
"""

from datetime import datetime
from uuid import UUID

import orjson
from typing_extensions import TypedDict

from domain.identifiers import Json
from domain.triggers import Trigger
from projections.table import (
    BEGUN_BY_PERSON,
    BigInt,
    Boolean,
    Decoded,
    Instant,
    Integer,
    JsonText,
    Key,
    Projection,
    Text,
    UnexpectedEvent,
    Uuid,
    json_text,
    present,
    stream_key,
)

# What a trigger did last, newest first; all of it is in its events.
LAST_MAX = 20


class TriggerRow(TypedDict):
    """last: {at, kind, nominal_at, execution_id} of fires, {at, kind, from_at, to_at, count,
    reason} of what was missed. pause_reason, note: of the last pause or resumption.
    """

    tenant_id: Uuid
    trigger_id: Uuid
    workflow_id: Uuid
    workflow_version: Integer | None
    name: Text
    kind: Text
    schedule: JsonText | None
    webhook: JsonText | None
    input: JsonText
    policy: JsonText
    is_paused: Boolean
    pause_reason: Text | None
    note: Text | None
    is_deleted: Boolean
    fired_count: BigInt
    missed_count: BigInt
    last_fired_at: Instant | None
    last_execution_id: Uuid | None
    failures_in_a_row: Integer
    last: JsonText
    created_by: Text
    created_at: Instant
    updated_at: Instant
    version: BigInt


def evolve(row: TriggerRow | None, event: Decoded, _key: Key) -> TriggerRow:
    logged, fact = event.logged, event.fact
    match fact:
        case Trigger.Created():
            return _created(event, fact)
        case Trigger.Changed():
            changed: TriggerRow = {
                **present(row),
                "workflow_version": fact.workflow_version,
                "name": fact.name,
                "schedule": _document(fact.schedule),
                "webhook": _document(fact.webhook),
                "input": json_text(fact.input),
                "policy": json_text(fact.policy),
                "updated_at": logged.recorded_at,
            }
        case Trigger.Paused():
            changed = {
                **present(row),
                "is_paused": True,
                "pause_reason": fact.reason,
                "note": fact.note,
            }
        case Trigger.Resumed():
            changed = {
                **present(row),
                "is_paused": False,
                "pause_reason": None,
                "note": fact.note,
                "failures_in_a_row": 0,
            }
        case Trigger.Settled():
            changed = {**present(row), "failures_in_a_row": _failures(present(row), fact.status)}
        case Trigger.Fired():
            changed = _fired(present(row), fact, logged.recorded_at)
        case Trigger.Missed():
            changed = _missed(present(row), fact, logged.recorded_at)
        case Trigger.Deleted():
            changed = {**present(row), "is_deleted": True, "updated_at": logged.recorded_at}
        case Trigger.Buffered() | Trigger.Backfilled() | Trigger.Rotated():
            changed = present(row)
        case _:
            raise UnexpectedEvent(logged.topic)
    return {**changed, "version": logged.version}


def _created(event: Decoded, fact: Trigger.Created) -> TriggerRow:
    logged = event.logged
    return {
        "tenant_id": logged.tenant_id,
        "trigger_id": logged.stream_id,
        "workflow_id": UUID(fact.workflow_id),
        "workflow_version": fact.workflow_version,
        "name": fact.name,
        "kind": "webhook" if fact.schedule is None else "schedule",
        "schedule": _document(fact.schedule),
        "webhook": _document(fact.webhook),
        "input": json_text(fact.input),
        "policy": json_text(fact.policy),
        "is_paused": False,
        "pause_reason": None,
        "note": None,
        "is_deleted": False,
        "fired_count": 0,
        "missed_count": 0,
        "last_fired_at": None,
        "last_execution_id": None,
        "failures_in_a_row": 0,
        "last": "[]",
        "created_by": fact.created_by,
        "created_at": logged.recorded_at,
        "updated_at": logged.recorded_at,
        "version": logged.version,
    }


def _fired(row: TriggerRow, fact: Trigger.Fired, at: datetime) -> TriggerRow:
    told: dict[str, Json] = {
        "at": at.isoformat(),
        "kind": fact.kind,
        "nominal_at": fact.nominal_at,
        "execution_id": fact.execution_id,
    }
    return {
        **row,
        "fired_count": row["fired_count"] + 1,
        "last_fired_at": at,
        "last_execution_id": UUID(fact.execution_id),
        "last": _with(row["last"], told),
    }


def _missed(row: TriggerRow, fact: Trigger.Missed, at: datetime) -> TriggerRow:
    told: dict[str, Json] = {
        "at": at.isoformat(),
        "kind": fact.kind,
        "from_at": fact.from_at,
        "to_at": fact.to_at,
        "count": fact.count,
        "reason": fact.reason,
    }
    return {
        **row,
        "missed_count": row["missed_count"] + fact.count,
        "last": _with(row["last"], told),
    }


def _failures(row: TriggerRow, status: str) -> int:
    """One that was cancelled says nothing."""
    if status == "CANCELLED":
        return row["failures_in_a_row"]
    return 0 if status == "COMPLETED" else row["failures_in_a_row"] + 1


def _with(last: str, told: dict[str, Json]) -> str:
    return json_text([told, *orjson.loads(last)][:LAST_MAX])


def _document(value: Json) -> str | None:
    return None if value is None else json_text(value)


TRIGGERS = Projection(
    name="triggers",
    version=2,
    row=TriggerRow,
    key=("tenant_id", "trigger_id"),
    stream_column="trigger_id",
    aggregate=Trigger,
    events=(
        *(Trigger.Created, Trigger.Changed, Trigger.Paused, Trigger.Resumed, Trigger.Fired),
        *(Trigger.Missed, Trigger.Buffered, Trigger.Settled, Trigger.Backfilled),
        *(Trigger.Rotated, Trigger.Deleted),
    ),
    keys=stream_key,
    evolve=evolve,
    own=BEGUN_BY_PERSON,
    indexes=(("tenant_id", "workflow_id", "trigger_id"),),
)
