"""GET /audit/export: the audit trail of the caller's tenant, newest first, as lines for a SIEM."""

from collections.abc import Mapping

import orjson
from starlette.responses import Response

from commands.authorization import require
from infra.audit_entries import AuditFilter, instant_of
from infra.audit_trail import AuditEntry
from infra.data_keys import PLATFORM
from write_api.edge import Call
from write_api.openapi import documented_query, streamed
from write_api.routes import route
from write_api.shapes import AnyJson
from write_api.siem_lines import (
    CEF,
    JSONL,
    UUID_SCHEMA,
    ExportQuery,
    cef_line,
    exported,
    formats,
    optional,
    range_parameters,
)

SCOPE = "audit:read"
# Of one request; the last line of a longer export says where the next one begins.
EXPORT_ENTRIES_MAX = 100_000
SEVERITY: Mapping[str, int] = {"allowed": 1, "failed": 4, "denied": 6}


def json_line(entry: AuditEntry) -> str:
    source = entry.source
    return orjson.dumps(
        {
            "entry_id": entry.entry_id,
            "at": instant_of(entry.entry_id),
            "tenant_id": entry.tenant_id,
            "actor": entry.actor,
            "user_id": entry.user_id,
            "credential": entry.credential,
            "action": entry.action,
            "target": entry.target,
            "outcome": entry.outcome,
            "code": entry.code,
            "reason": entry.reason,
            "request_id": entry.request_id,
            "position": entry.position,
            "times": entry.times,
            "address": None if source is None else source.address,
            "user_agent": None if source is None else source.user_agent,
        },
        option=orjson.OPT_UTC_Z,
    ).decode()


def audit_cef_line(entry: AuditEntry) -> str:
    source = entry.source
    told = {
        "rt": int(instant_of(entry.entry_id).timestamp() * 1000),
        "externalId": entry.entry_id,
        "suser": entry.actor,
        "suid": entry.user_id,
        "src": None if source is None else source.address or None,
        "requestClientApplication": None if source is None else source.user_agent,
        "act": entry.action,
        "outcome": entry.outcome,
        "reason": entry.code,
        "cnt": entry.times,
        "cs1Label": "request_id",
        "cs1": entry.request_id,
        "cs2Label": "tenant_id",
        "cs2": entry.tenant_id,
        "cs3Label": "target" if entry.target else None,
        "cs3": entry.target,
        "msg": entry.reason,
    }
    name = f"{entry.action} {entry.outcome}"
    return cef_line(entry.action, name, SEVERITY[entry.outcome], told)


FORMATS = formats(json_line, audit_cef_line)
BEFORE = "`next_before` of the last line of an export that did not end."
PARAMETERS = (*range_parameters("entry"), optional("before", UUID_SCHEMA, BEFORE))


@route(
    "GET",
    "/api/v1/audit/export",
    streamed(
        documented_query(
            "exportAudit",
            "The audit trail as JSON lines or CEF, newest first",
            requires=SCOPE,
            answers=AnyJson,
            query_parameters=PARAMETERS,
        ),
        JSONL,
        CEF,
    ),
)
async def export(call: Call) -> Response:
    require(call.caller, SCOPE)
    query = ExportQuery(call, FORMATS)
    wanted = AuditFilter(begin=query.instant("from"), end=query.instant("to"))
    tenant_id = call.caller.tenant_id or PLATFORM
    pages = call.edge.audit_log.pages(
        tenant_id, wanted, before=query.uuid("before"), entries_max=EXPORT_ENTRIES_MAX
    )
    return await exported("exportAudit", pages, query.format)


ROUTES = (export,)
