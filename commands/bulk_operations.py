"""Bulk operations: one decision about many executions. Asked first what it would be about; then
begun, and worked off by the workers (sagas/bulk_operations.py), or cancelled half way.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, cast
from uuid import UUID

from commands.bulk_port import ExecutionFilter, ExecutionSearch
from commands.decisions import Command, Decided, Tenancy
from commands.execution_commands import RetryExecution
from commands.execution_forks import ForkExecution
from commands.execution_upgrades import UpgradeExecution
from commands.executions import CancelExecution, require_small
from commands.ownership import require_all
from commands.ports import ClosedBulkOperation, OpenedBulkOperation
from domain.bulk_operations import (
    EXECUTIONS_MAX,
    BulkAction,
    BulkOperation,
    BulkOperationNotFound,
)
from domain.identifiers import Json, JsonObject

SAMPLE_MAX = 10


@dataclass(frozen=True, slots=True)
class OperateInBulk(Command):
    """filter: as filter_from reads it. parameters: of the action; see command_for.

    is_dry_run: only say how many executions it would be about.
    """

    requires: ClassVar[str] = "executions:write"

    action: BulkAction
    filter: JsonObject
    parameters: JsonObject
    executions_max: int = EXECUTIONS_MAX
    is_dry_run: bool = True


async def operate_in_bulk(command: OperateInBulk, on: Tenancy) -> Decided:
    require_all(on.caller, command.requires)
    require_small(command.parameters, "input")
    search = on.ports.search
    assert search is not None, "this process has no search"
    wanted = filter_from(command.filter)
    # One more than are done at most tells whether there are more.
    found = await search.count(on.tenant_id, wanted, limit=command.executions_max + 1)
    count = min(found, command.executions_max)
    if command.is_dry_run:
        sample = await search.find(on.tenant_id, wanted, after=None, limit=SAMPLE_MAX)
        result: JsonObject = {
            "count": count,
            "is_capped": found > count,
            "sample": [str(execution_id) for execution_id in sample[:count]],
        }
        return Decided(result, aggregates=())
    return await _begun(command, on, search, count)


async def _begun(
    command: OperateInBulk, on: Tenancy, search: ExecutionSearch, count: int
) -> Decided:
    operation_id = on.ports.ids.new()
    newest = await search.find(on.tenant_id, filter_from(command.filter), after=None, limit=1)
    # What comes later is no part of it: forks of what it finds would be found again, without end.
    cursor = UUID(int=newest[0].int + 1) if newest else operation_id
    operation = on.begin(
        BulkOperation,
        operation_id,
        action=command.action,
        filter=command.filter,
        parameters=command.parameters,
        cursor=str(cursor),
        executions_max=command.executions_max,
        created_by=on.caller.actor,
    )
    return Decided(
        {"bulk_operation_id": str(operation_id), "count": count},
        aggregates=(operation,),
        side_rows=(OpenedBulkOperation(operation_id),),
    )


@dataclass(frozen=True, slots=True)
class CancelBulkOperation(Command):
    """Nothing more is begun of it. What it did stays: to cancel executions is another command."""

    requires: ClassVar[str] = "executions:write"

    bulk_operation_id: UUID


async def cancel_bulk_operation(command: CancelBulkOperation, on: Tenancy) -> Decided:
    require_all(on.caller, command.requires)
    operation = await on.load(BulkOperation, command.bulk_operation_id, BulkOperationNotFound)
    was_cancelled = operation.is_cancelled
    operation.cancel()
    result: JsonObject = {
        "bulk_operation_id": str(operation.id),
        "status": "CANCELLED",
        "done_count": operation.done_count,
        "refused_count": operation.refused_count,
    }
    closed = () if was_cancelled else (ClosedBulkOperation(operation.id),)
    return Decided(result, aggregates=(operation,), side_rows=closed)


def filter_from(stored: JsonObject) -> ExecutionFilter:
    """stored: the fields of ExecutionFilter that matter; ids and instants are text, and `status` is
    one or a list.
    """
    workflow_id = stored.get("workflow_id")
    return ExecutionFilter(
        statuses=_statuses(stored.get("status")),
        workflow_id=None if workflow_id is None else UUID(str(workflow_id)),
        definition_hash=cast("str | None", stored.get("definition_hash")),
        created_after=_instant(stored.get("created_after")),
        created_before=_instant(stored.get("created_before")),
    )


def command_for(action: str, parameters: JsonObject, execution_id: UUID) -> Command:
    """parameters: {reason, compensate} to cancel; {from_node, input?, version} to fork;
    {version} to upgrade.
    """
    match action:
        case "cancel":
            reason = cast("str | None", parameters.get("reason"))
            must_undo = bool(parameters.get("compensate"))
            return CancelExecution(execution_id, reason, must_undo=must_undo)
        case "retry":
            return RetryExecution(execution_id)
        case "fork":
            return ForkExecution(
                execution_id,
                str(parameters["from_node"]),
                parameters.get("input"),
                has_input="input" in parameters,
                workflow_version=cast("int | None", parameters.get("version")),
            )
        case "upgrade":
            return UpgradeExecution(execution_id, int(str(parameters["version"])))
        case _:
            raise AssertionError(action)


def _statuses(told: Json) -> tuple[str, ...] | None:
    match told:
        case None:
            return None
        case list():
            return tuple(map(str, told))
        case _:
            return (str(told),)


def _instant(text: Json) -> datetime | None:
    return None if text is None else datetime.fromisoformat(str(text))
