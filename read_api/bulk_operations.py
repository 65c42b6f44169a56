"""Bulk operations: what was asked for, and how far it has come."""

from enum import Enum

import strawberry

from read_api.arguments import Id, MinPosition
from read_api.columns import column
from read_api.connections import Connection, Listing, read_one, read_page
from read_api.context import ReadInfo
from read_api.limits import PAGE_SIZE_DEFAULT
from read_api.scalars import Instant, Json

BULK_OPERATIONS = Listing("BulkOperation", "b", "bulk_operations_v1 AS b", "bulk_operation_id")


@strawberry.enum
class BulkOperationStatus(Enum):
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    CANCELLED = "CANCELLED"


@strawberry.type(description="One decision about many executions, worked off page by page.")
class BulkOperation:
    id: strawberry.ID = column("b.bulk_operation_id")
    action: str = column("b.action", "cancel, retry, fork or upgrade")
    filter: Json = column("b.filter", "Which executions.")
    parameters: Json = column("b.parameters", "Of the action.")
    status: BulkOperationStatus = column("b.status")
    executions_max: int = column("b.executions_max", "How many it looks at.")
    done_count: int = column("b.done_count")
    refused_count: int = column("b.refused_count", "What a rule refused; the rest goes on.")
    refusals: Json = column("b.refusals", "The first 20: {execution_id, code, detail}")
    created_by: str = column("b.created_by")
    created_at: Instant = column("b.created_at")
    completed_at: Instant | None = column("b.completed_at", "Or when it was cancelled.")


async def bulk_operation(
    info: ReadInfo, id_: Id, _min_position: MinPosition = None
) -> BulkOperation | None:
    return await read_one(info, BULK_OPERATIONS, id_, BulkOperation)


async def bulk_operations(
    info: ReadInfo,
    first: int | None = PAGE_SIZE_DEFAULT,
    after: str | None = None,
    _min_position: MinPosition = None,
) -> Connection[BulkOperation]:
    return await read_page(info, BULK_OPERATIONS, BulkOperation, first=first, after=after)
