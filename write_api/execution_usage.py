"""What a provider's report says of attempts that were cut off: POST
/tenants/{id}/executions/{id}/usage/resolve of one, and /tenants/{id}/usage-reports of many, by the
key that each call carried.
"""

import csv
from collections.abc import Iterable
from http import HTTPStatus
from io import StringIO
from typing import Annotated, Any

from pydantic import BaseModel, Field, StringConstraints, TypeAdapter
from starlette.responses import Response

from commands.execution_usage import ImportUsageReport, ReportedUsage, ResolveUsage
from domain.errors import FieldError, Invalid
from domain.executions import ExecutionNotFound
from domain.usage import METERS, QUANTITY_MAX, UsageNotUnresolved
from write_api.edge import Call
from write_api.openapi import Answered, documented
from write_api.requests import validated
from write_api.routes import route
from write_api.shapes import STRICT, NodePath

REASON_CHARACTERS_MAX = 500
REPORT_ENTRIES_MAX = 200
REPORT_CHARACTERS_MAX = 200_000
REQUEST_ID_CHARACTERS_MAX = 1100
DIGITS_MAX = len(str(QUANTITY_MAX))
ModelName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:@+/-]{0,199}$")]
Reason = Annotated[str, StringConstraints(min_length=1, max_length=REASON_CHARACTERS_MAX)]
Quantities = dict[str, Annotated[int, Field(ge=1, le=QUANTITY_MAX)]]
# What a call may have used. That it was one is known; time and storage are measured.
OF_CALLS = tuple(meter for meter, unit in METERS.items() if unit in {"tokens", "calls"})


class ResolveUsageBody(BaseModel):
    """usage: quantities by meter, without `requests`; none say that nothing was billed. model: as
    prices name it.
    """

    model_config = STRICT

    path: NodePath
    attempt: Annotated[int, Field(ge=1, le=2**31 - 1)]
    model: ModelName
    usage: Quantities = {}
    reason: Reason


class UsageReportEntry(BaseModel):
    """request_id: the `Idempotency-Key` of the call, `<execution>:<path>:<attempt>`; of a text that
    was embedded `<streamId>:<purpose>:1`. usage, model: as for one attempt.
    """

    model_config = STRICT

    request_id: Annotated[
        str, StringConstraints(min_length=1, max_length=REQUEST_ID_CHARACTERS_MAX)
    ]
    model: ModelName
    usage: Quantities = {}


class UsageReportBody(BaseModel):
    """One of both: `entries`; or `csv`, whose first line names its columns: `request_id`, `model`,
    and meters. An empty cell, and 0, count nothing. In mistakes the rows of a CSV are entries.
    """

    model_config = STRICT

    reason: Reason
    entries: (
        Annotated[list[UsageReportEntry], Field(min_length=1, max_length=REPORT_ENTRIES_MAX)] | None
    ) = None
    csv: Annotated[str, StringConstraints(max_length=REPORT_CHARACTERS_MAX)] | None = None


class NotMatched(BaseModel):
    """code: not_found, usage_not_unresolved (it is known, or was never made) or bad_request_id."""

    request_id: str
    code: str


class UsageReportImported(BaseModel):
    resolved: int
    not_matched: list[NotMatched]


class UsageResolved(BaseModel):
    execution_id: str
    path: str
    attempt: int
    is_priced: bool


RESOLVE_USAGE_BODY = TypeAdapter(ResolveUsageBody)
USAGE_REPORT_BODY = TypeAdapter(UsageReportBody)


@route(
    "POST",
    "/api/v1/tenants/{tenant_id}/executions/{execution_id}/usage/resolve",
    documented(
        "resolveUsage",
        "Say what an attempt used that was cut off after its call had left",
        requires=ResolveUsage.requires,
        answers=Answered[UsageResolved],
        body="ResolveUsageBody",
        example={
            "path": "draft",
            "attempt": 1,
            "model": "openai/gpt-4o",
            "usage": {"input_tokens": 120, "output_tokens": 30},
            "reason": "usage report of November, request 7f3a",
        },
        refusals=[ExecutionNotFound, UsageNotUnresolved],
    ),
)
async def resolve(call: Call) -> Response:
    body = await call.body(RESOLVE_USAGE_BODY)
    unknown = _unknown_meters(body.usage, "")
    if unknown:
        raise Invalid(errors=unknown)
    command = ResolveUsage(
        call.id("tenant_id"),
        call.id("execution_id"),
        body.path,
        body.attempt,
        body.model,
        body.usage,
        body.reason,
    )
    return await call.answer(command, HTTPStatus.OK)


@route(
    "POST",
    "/api/v1/tenants/{tenant_id}/usage-reports",
    documented(
        "importUsageReport",
        "Say what many attempts used that were cut off, by the keys that their calls carried",
        requires=ImportUsageReport.requires,
        answers=Answered[UsageReportImported],
        body="UsageReportBody",
        example={
            "reason": "usage report of November",
            "entries": [
                {
                    "request_id": "01890000-0000-7000-8000-0000000000e1:draft:1",
                    "model": "openai/gpt-4o",
                    "usage": {"input_tokens": 120, "output_tokens": 30},
                }
            ],
        },
        refusals=[],
    ),
)
async def import_report(call: Call) -> Response:
    body = await call.body(USAGE_REPORT_BODY)
    if (body.entries is None) == (body.csv is None):
        reason = "one of entries and csv is told, and not both"
        raise Invalid(errors=[FieldError("/entries", "ambiguous", reason)])
    if body.csv is not None:
        rows: Any = {"reason": body.reason, "entries": _rows(body.csv)}
        body = validated(USAGE_REPORT_BODY, rows)
    entries = body.entries or []
    mistakes = [
        mistake
        for place, entry in enumerate(entries)
        for mistake in _unknown_meters(entry.usage, f"/entries/{place}")
    ]
    if mistakes:
        raise Invalid(errors=mistakes)
    reported = [ReportedUsage(one.request_id, one.model, one.usage) for one in entries]
    command = ImportUsageReport(call.id("tenant_id"), reported, body.reason)
    return await call.answer(command, HTTPStatus.OK)


def _rows(text: str) -> list[Any]:
    """As entries; what is wrong with one is told by their shape. Raises Invalid."""
    try:
        reader = csv.DictReader(StringIO(text, newline=""), strict=True)
        rows, columns = list(reader), reader.fieldnames or ()
    except csv.Error as error:
        raise Invalid(errors=[FieldError("/csv", "unparsable_csv", str(error))]) from None
    if len(set(columns)) < len(columns):
        reason = "a column is there twice"
        raise Invalid(errors=[FieldError("/csv", "duplicate_column", reason)])
    return [_entry(row.items()) for row in rows]


def _entry(cells: Iterable[tuple[Any, Any]]) -> dict[str, Any]:
    """A row that is longer than the first line has a column without a name, and is refused."""
    entry: dict[str, Any] = {"usage": {}}
    for column, cell in cells:
        if column in ("request_id", "model"):
            entry[column] = cell
        elif cell and cell != "0":
            entry["usage"][str(column)] = int(cell) if _is_whole(cell) else cell
    return entry


def _is_whole(cell: object) -> bool:
    return isinstance(cell, str) and cell.isascii() and cell.isdigit() and len(cell) <= DIGITS_MAX


def _unknown_meters(usage: Quantities, place: str) -> list[FieldError]:
    return [
        FieldError(f"{place}/usage/{meter}", "unknown_meter", f"one of {', '.join(OF_CALLS)}")
        for meter in usage
        if meter not in OF_CALLS
    ]


ROUTES = (resolve, import_report)
BODIES = (RESOLVE_USAGE_BODY, USAGE_REPORT_BODY)
