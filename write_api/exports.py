"""GET /tenant/export: everything of the caller's tenant, as an archive made as it is sent."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

from starlette.responses import Response, StreamingResponse

from commands.authorization import require
from domain.errors import OverLimit
from domain.tenants import TenantNotFound
from infra.tenant_archive import ArchiveFile, archived
from write_api.edge import Call
from write_api.openapi import documented_query, streamed
from write_api.routes import route
from write_api.shapes import AnyJson

SCOPE = "tenant:export"
TAR = "application/x-tar"
# Of one process: each reads all that a tenant has.
EXPORTS_AT_ONCE_MAX = 2
BUSY_RETRY_AFTER_S = 30.0


class ExportsBusy(OverLimit):
    """Others are exporting; try again in a while."""

    code = "exports_busy"


@route(
    "GET",
    "/api/v1/tenant/export",
    streamed(
        documented_query(
            "exportTenant",
            "Everything of one's own tenant: a tar of JSON lines with a manifest of hashes",
            requires=SCOPE,
            answers=AnyJson,
            refusals=[TenantNotFound, OverLimit],
        ),
        TAR,
    ),
)
async def export(call: Call) -> Response:
    """Also for a suspended tenant, and for one that leaves: it is reading."""
    require(call.caller, SCOPE)
    tenant_id = call.caller.tenant_id
    if tenant_id is None:
        raise TenantNotFound
    if call.edge.exports.running_count >= EXPORTS_AT_ONCE_MAX:
        raise ExportsBusy(retry_after_s=BUSY_RETRY_AFTER_S)
    told = {"tenant_id": str(tenant_id), "export_id": str(call.request_id)}
    body = _counted(call, call.edge.exports.files(tenant_id), told)
    name = f"tenant-{tenant_id}.tar"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return StreamingResponse(body, media_type=TAR, headers=headers)


async def _counted(
    call: Call, files: AsyncGenerator[ArchiveFile], told: dict[str, str]
) -> AsyncIterator[bytes]:
    call.edge.exports.running_count += 1
    try:
        async with aclosing(files):
            async for chunk in archived(files, told):
                yield chunk
    finally:
        call.edge.exports.running_count -= 1


ROUTES = (export,)
