"""GET /audit/export: the audit trail of the caller's tenant, newest first, as lines for a SIEM."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing
from datetime import datetime
from typing import Any, TypeAlias
from urllib.parse import parse_qs
from uuid import UUID

import orjson
from starlette.responses import Response, StreamingResponse

from commands.authorization import require
from domain.errors import FieldError, Invalid
from infra.audit_entries import AuditFilter, AuditPage, instant_of
from infra.audit_trail import AuditEntry
from infra.data_keys import PLATFORM
from write_api.edge import Call
from write_api.openapi import documented_query, streamed
from write_api.routes import route
from write_api.shapes import AnyJson

SCOPE = "audit:read"
# Of one request; the last line of a longer export says where the next one begins.
EXPORT_ENTRIES_MAX = 100_000
JSONL = "application/x-ndjson"
CEF = "text/plain"
SEVERITY: Mapping[str, int] = {"allowed": 1, "failed": 4, "denied": 6}

Line: TypeAlias = Callable[[AuditEntry], str]


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


def cef_line(entry: AuditEntry) -> str:
    """ArcSight's Common Event Format, version 0."""
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
    pairs = " ".join(
        f"{name}={_in_extension(value)}" for name, value in told.items() if value is not None
    )
    name = f"{_in_head(entry.action)} {entry.outcome}"
    head = f"{_in_head(entry.action)}|{name}|{SEVERITY[entry.outcome]}"
    return f"CEF:0|AgentLedger|AgentLedger|1|{head}|{pairs}"


FORMATS: Mapping[str, tuple[str, Line]] = {"jsonl": (JSONL, json_line), "cef": (CEF, cef_line)}
INSTANT = {"type": "string", "format": "date-time"}
PARAMETERS: Sequence[Mapping[str, Any]] = (
    {
        "name": "format",
        "in": "query",
        "required": False,
        "schema": {"type": "string", "enum": sorted(FORMATS), "default": "jsonl"},
    },
    {
        "name": "from",
        "in": "query",
        "required": False,
        "description": "Inclusive; without it from the first entry on.",
        "schema": INSTANT,
    },
    {
        "name": "to",
        "in": "query",
        "required": False,
        "description": "Exclusive; without it up to now.",
        "schema": INSTANT,
    },
    {
        "name": "before",
        "in": "query",
        "required": False,
        "description": "`next_before` of the last line of an export that did not end.",
        "schema": {"type": "string", "format": "uuid"},
    },
)


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
    query = _Query(call)
    media_type, line = query.format
    wanted = AuditFilter(begin=query.instant("from"), end=query.instant("to"))
    tenant_id = call.caller.tenant_id or PLATFORM
    pages = call.edge.audit_log.pages(
        tenant_id, wanted, before=query.before, entries_max=EXPORT_ENTRIES_MAX
    )
    # The first one now, so that a refusal is still an answer of its own.
    first = await anext(pages)
    return StreamingResponse(_lines(first, pages, line), media_type=media_type)


async def _lines(
    first: AuditPage, pages: AsyncGenerator[AuditPage], line: Line
) -> AsyncIterator[str]:
    page = first
    async with aclosing(pages):
        yield _text(first, line)
        async for page in pages:
            yield _text(page, line)
    if page.next_before is not None:
        yield _continued(page.next_before, line)


def _text(page: AuditPage, line: Line) -> str:
    return "".join(line(entry) + "\n" for entry in page.entries)


def _continued(next_before: UUID, line: Line) -> str:
    if line is json_line:
        return orjson.dumps({"next_before": next_before}).decode() + "\n"
    head = "CEF:0|AgentLedger|AgentLedger|1|exportAudit|more follows|1"
    return f"{head}|cs1Label=next_before cs1={next_before}\n"


class _Query:
    """The query of the request; everything raises Invalid."""

    def __init__(self, call: Call) -> None:
        text = call.scope["query_string"].decode("latin-1")
        self._values = parse_qs(text, keep_blank_values=True, max_num_fields=100)

    @property
    def format(self) -> tuple[str, Line]:
        name = self._text("format") or "jsonl"
        if name not in FORMATS:
            raise _mistake("format", f"one of {', '.join(sorted(FORMATS))} is expected")
        return FORMATS[name]

    @property
    def before(self) -> UUID | None:
        text = self._text("before")
        try:
            return None if text is None else UUID(text)
        except ValueError:
            raise _mistake("before", "a UUID is expected") from None

    def instant(self, name: str) -> datetime | None:
        text = self._text(name)
        if text is None:
            return None
        try:
            instant = datetime.fromisoformat(text)
        except ValueError:
            instant = None
        if instant is None or instant.tzinfo is None:
            raise _mistake(name, "an RFC 3339 instant with its offset is expected")
        return instant

    def _text(self, name: str) -> str | None:
        return self._values.get(name, [None])[-1]


def _mistake(name: str, reason: str) -> Invalid:
    return Invalid(errors=[FieldError(f"query:{name}", "invalid_parameter", reason)])


def _in_head(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ").replace("\r", " ")


def _in_extension(value: object) -> str:
    """A line break would begin an entry that nobody stored."""
    text = str(value).replace("\\", "\\\\").replace("=", "\\=")
    return text.replace("\r", "\\r").replace("\n", "\\n")


ROUTES = (export,)
