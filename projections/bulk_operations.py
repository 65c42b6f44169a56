"""bulk_operations: how far each decision about many executions has come."""

import orjson
from typing_extensions import TypedDict

from domain.bulk_operations import BulkOperation
from projections.table import (
    BEGUN_BY_PERSON,
    BigInt,
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


class BulkOperationRow(TypedDict):
    """executions_max: how many it looks at. refusals: the first of them, {execution_id, code,
    detail}. completed_at: when it completed or was cancelled.
    """

    tenant_id: Uuid
    bulk_operation_id: Uuid
    action: Text
    filter: JsonText
    parameters: JsonText
    status: Text
    executions_max: Integer
    done_count: Integer
    refused_count: Integer
    refusals: JsonText
    created_by: Text
    created_at: Instant
    completed_at: Instant | None
    version: BigInt


def evolve(row: BulkOperationRow | None, event: Decoded, _key: Key) -> BulkOperationRow:
    logged = event.logged
    match event.fact:
        case BulkOperation.Created() as fact:
            return {
                "tenant_id": logged.tenant_id,
                "bulk_operation_id": logged.stream_id,
                "action": fact.action,
                "filter": json_text(fact.filter),
                "parameters": json_text(fact.parameters),
                "status": "RUNNING",
                "executions_max": fact.executions_max,
                "done_count": 0,
                "refused_count": 0,
                "refusals": "[]",
                "created_by": fact.created_by,
                "created_at": logged.recorded_at,
                "completed_at": None,
                "version": logged.version,
            }
        case BulkOperation.Progressed() as fact:
            before = present(row)
            return {
                **before,
                "done_count": before["done_count"] + fact.done_count,
                "refused_count": before["refused_count"] + fact.refused_count,
                "refusals": json_text([*orjson.loads(before["refusals"]), *fact.refusals]),
                "version": logged.version,
            }
        case BulkOperation.Completed() | BulkOperation.Cancelled() as fact:
            is_cancelled = isinstance(fact, BulkOperation.Cancelled)
            return {
                **present(row),
                "status": "CANCELLED" if is_cancelled else "COMPLETED",
                "completed_at": logged.recorded_at,
                "version": logged.version,
            }
        case _:
            raise UnexpectedEvent(logged.topic)


BULK_OPERATIONS = Projection(
    name="bulk_operations",
    version=1,
    row=BulkOperationRow,
    key=("tenant_id", "bulk_operation_id"),
    stream_column="bulk_operation_id",
    aggregate=BulkOperation,
    events=(
        BulkOperation.Created,
        BulkOperation.Progressed,
        BulkOperation.Completed,
        BulkOperation.Cancelled,
    ),
    keys=stream_key,
    evolve=evolve,
    own=BEGUN_BY_PERSON,
)
