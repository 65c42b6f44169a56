"""POST /executions/bulk/cancel, /retry, /fork and /upgrade; POST /bulk-operations/{id}/cancel."""

from http import HTTPStatus
from typing import Annotated, Any, Literal, TypeAlias, cast, get_args

from pydantic import (
    BaseModel,
    Field,
    PlainValidator,
    StringConstraints,
    TypeAdapter,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError
from starlette.responses import Response

from commands.bulk_operations import SAMPLE_MAX, CancelBulkOperation, OperateInBulk
from domain.bulk_operations import (
    EXECUTIONS_MAX,
    BulkAction,
    BulkOperationCompleted,
    BulkOperationNotFound,
)
from domain.execution_status import ExecutionStatus
from domain.identifiers import Json, JsonObject
from write_api.edge import Call
from write_api.openapi import Answered, documented
from write_api.routes import route
from write_api.shapes import STRICT, AnyJson, Instant, NodePath, VersionNumber

Id = Annotated[
    str, StringConstraints(pattern=r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$")
]


STATUSES: tuple[ExecutionStatus, ...] = get_args(ExecutionStatus)
STATUS_REASON = f"one of {', '.join(STATUSES)}, or a list of these, is expected"
STATUS_SCHEMA: JsonObject = {"type": "string", "enum": [*STATUSES]}


def _statuses(told: object) -> tuple[ExecutionStatus, ...]:
    """By hand: of a union of types pydantic would tell one mistake for each."""
    each = cast("list[object]", told) if isinstance(told, list) else [told]
    if not each or any(one not in STATUSES for one in each):
        raise PydanticCustomError("status", STATUS_REASON)  # pyright: ignore[reportArgumentType]
    return tuple(status for status in STATUSES if each.count(status))


Statuses: TypeAlias = Annotated[
    tuple[ExecutionStatus, ...],
    PlainValidator(_statuses),
    WithJsonSchema(
        {"anyOf": [STATUS_SCHEMA, {"type": "array", "items": STATUS_SCHEMA, "minItems": 1}]}
    ),
]


class ExecutionFilterBody(BaseModel):
    """Of executions, as they were a moment ago; what is absent does not matter. status: one, or a
    list of which any will do.
    """

    model_config = STRICT

    status: Statuses | None = None
    workflow_id: Id | None = None
    definition_hash: Annotated[str, StringConstraints(max_length=64)] | None = None
    created_after: Instant | None = None
    created_before: Instant | None = None


class BulkBody(BaseModel):
    """dry_run: only answer how many executions it would be. limit: of executions, newest first."""

    model_config = STRICT

    filter: ExecutionFilterBody
    dry_run: bool = True
    limit: Annotated[int, Field(ge=1, le=EXECUTIONS_MAX)] = EXECUTIONS_MAX


class BulkRetryBody(BulkBody):
    pass


class BulkCancelBody(BulkBody):
    """compensate: undo what the executions did, where that can be undone."""

    reason: Annotated[str, StringConstraints(max_length=1000)] | None = None
    compensate: bool = False


class BulkForkBody(BulkBody):
    """Each execution is forked; see POST /executions/{execution_id}/fork."""

    from_node: NodePath
    input: AnyJson = None
    version: VersionNumber | None = None


class BulkUpgradeBody(BulkBody):
    """version: of the workflow of each. Those that cannot go on in it are refused, and told why."""

    version: VersionNumber


class BulkPreview(BaseModel):
    """is_capped: there are more than `limit`. sample: the ids of the first."""

    count: int
    is_capped: bool
    sample: Annotated[list[str], Field(max_length=SAMPLE_MAX)]


class BulkAccepted(BaseModel):
    """count: how many executions match now."""

    bulk_operation_id: str
    count: int


class BulkOperationCancelled(BaseModel):
    """done_count, refused_count: so far; a page of executions that is under way is still added."""

    bulk_operation_id: str
    status: Literal["CANCELLED"]
    done_count: int
    refused_count: int


BULK_CANCEL_BODY = TypeAdapter(BulkCancelBody)
BULK_RETRY_BODY = TypeAdapter(BulkRetryBody)
BULK_FORK_BODY = TypeAdapter(BulkForkBody)
BULK_UPGRADE_BODY = TypeAdapter(BulkUpgradeBody)
FILTER = {"status": "FAILED", "created_after": "2026-11-01T00:00:00Z"}


def _documented(
    operation_id: str, summary: str, body: str, example: dict[str, Any]
) -> dict[str, Any]:
    return documented(
        operation_id,
        summary,
        requires=OperateInBulk.requires,
        answers=Answered[BulkAccepted],
        status=HTTPStatus.ACCEPTED,
        preview=Answered[BulkPreview],
        body=body,
        example={"filter": FILTER, "dry_run": True, **example},
    )


@route(
    "POST",
    "/api/v1/executions/bulk/cancel",
    _documented(
        "cancelExecutions", "Cancel many executions", "BulkCancelBody", {"reason": "not needed"}
    ),
)
async def cancel(call: Call) -> Response:
    body = await call.body(BULK_CANCEL_BODY)
    parameters: JsonObject = {"reason": body.reason, "compensate": body.compensate}
    return await _operated(call, "cancel", body, parameters)


@route(
    "POST",
    "/api/v1/executions/bulk/retry",
    _documented("retryExecutions", "Retry many executions", "BulkRetryBody", {}),
)
async def retry(call: Call) -> Response:
    return await _operated(call, "retry", await call.body(BULK_RETRY_BODY), {})


@route(
    "POST",
    "/api/v1/executions/bulk/fork",
    _documented("forkExecutions", "Fork many executions", "BulkForkBody", {"from_node": "draft"}),
)
async def fork(call: Call) -> Response:
    body = await call.body(BULK_FORK_BODY)
    parameters: JsonObject = {"from_node": body.from_node, "version": body.version}
    if "input" in body.model_fields_set:
        parameters["input"] = body.input
    return await _operated(call, "fork", body, parameters)


@route(
    "POST",
    "/api/v1/executions/bulk/upgrade",
    _documented(
        "upgradeExecutions",
        "Go on in another version with many executions, those that what was done fits it",
        "BulkUpgradeBody",
        {"filter": {"status": "WAITING"}, "version": 2},
    ),
)
async def upgrade(call: Call) -> Response:
    body = await call.body(BULK_UPGRADE_BODY)
    return await _operated(call, "upgrade", body, {"version": body.version})


@route(
    "POST",
    "/api/v1/bulk-operations/{bulk_operation_id}/cancel",
    documented(
        "cancelBulkOperation",
        "Begin nothing more of a bulk operation; what it did stays",
        requires=CancelBulkOperation.requires,
        answers=Answered[BulkOperationCancelled],
        refusals=[BulkOperationNotFound, BulkOperationCompleted],
    ),
)
async def cancel_operation(call: Call) -> Response:
    return await call.answer(CancelBulkOperation(call.id("bulk_operation_id")), HTTPStatus.OK)


async def _operated(
    call: Call, action: BulkAction, body: BulkBody, parameters: JsonObject
) -> Response:
    command = OperateInBulk(
        action, _stored(body.filter), parameters, body.limit, is_dry_run=body.dry_run
    )
    return await call.answer(command, HTTPStatus.OK if body.dry_run else HTTPStatus.ACCEPTED)


def _stored(wanted: ExecutionFilterBody) -> JsonObject:
    """Without what does not matter."""
    after, before = wanted.created_after, wanted.created_before
    told: JsonObject = {
        "status": _one_or_list(wanted.status),
        "workflow_id": wanted.workflow_id,
        "definition_hash": wanted.definition_hash,
        "created_after": None if after is None else after.isoformat(),
        "created_before": None if before is None else before.isoformat(),
    }
    return {name: value for name, value in told.items() if value is not None}


def _one_or_list(statuses: tuple[ExecutionStatus, ...] | None) -> Json:
    """As it is stored."""
    if statuses is None:
        return None
    return statuses[0] if len(statuses) == 1 else [*statuses]


ROUTES = (cancel, retry, fork, upgrade, cancel_operation)
BODIES = (BULK_CANCEL_BODY, BULK_RETRY_BODY, BULK_FORK_BODY, BULK_UPGRADE_BODY)
