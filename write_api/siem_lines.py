"""What exports for a SIEM share: the parameters of their queries, and the parts of a line of CEF
(ArcSight's Common Event Format, version 0).
"""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing
from datetime import datetime
from typing import Any, Generic, NamedTuple, TypeVar
from urllib.parse import parse_qs
from uuid import UUID

import orjson
from starlette.responses import Response, StreamingResponse

from domain.errors import FieldError, Invalid
from infra.export_pages import Page
from write_api.edge import Call

JSONL = "application/x-ndjson"
CEF = "text/plain"
INSTANT = {"type": "string", "format": "date-time"}
UUID_SCHEMA = {"type": "string", "format": "uuid"}

Told = TypeVar("Told")
Place = TypeVar("Place")


class Format(NamedTuple, Generic[Told]):
    """line: of one item. continued: the last line of an export that did not end, of the name of
    its operation and of where the next one begins.
    """

    media_type: str
    line: Callable[[Told], str]
    continued: Callable[[str, str], str]


def optional(name: str, schema: Mapping[str, Any], description: str) -> Mapping[str, Any]:
    """A parameter of the query, for the OpenAPI document."""
    return {
        "name": name,
        "in": "query",
        "required": False,
        "description": description,
        "schema": schema,
    }


def range_parameters(what: str) -> Sequence[Mapping[str, Any]]:
    return (
        {
            "name": "format",
            "in": "query",
            "required": False,
            "schema": {"type": "string", "enum": ["cef", "jsonl"], "default": "jsonl"},
        },
        optional("from", INSTANT, f"Inclusive; without it from the first {what} on."),
        optional("to", INSTANT, "Exclusive; without it up to now."),
    )


class ExportQuery(Generic[Told]):
    """The query of a request; everything raises Invalid."""

    def __init__(self, call: Call, formats: Mapping[str, Format[Told]]) -> None:
        self._formats = formats
        text = call.scope["query_string"].decode("latin-1")
        self._values = parse_qs(text, keep_blank_values=True, max_num_fields=100)

    @property
    def format(self) -> Format[Told]:
        name = self.text("format") or "jsonl"
        if name not in self._formats:
            raise mistake("format", f"one of {', '.join(sorted(self._formats))} is expected")
        return self._formats[name]

    def uuid(self, name: str) -> UUID | None:
        text = self.text(name)
        try:
            return None if text is None else UUID(text)
        except ValueError:
            raise mistake(name, "a UUID is expected") from None

    def instant(self, name: str) -> datetime | None:
        text = self.text(name)
        if text is None:
            return None
        try:
            instant = datetime.fromisoformat(text)
        except ValueError:
            instant = None
        if instant is None or instant.tzinfo is None:
            raise mistake(name, "an RFC 3339 instant with its offset is expected")
        return instant

    def text(self, name: str) -> str | None:
        return self._values.get(name, [None])[-1]

    def texts(self, name: str, *, count_max: int) -> list[str] | None:
        """Of a parameter that may be repeated."""
        found = self._values.get(name)
        if found is not None and len(found) > count_max:
            raise mistake(name, f"at most {count_max} are taken")
        return found


def mistake(name: str, reason: str) -> Invalid:
    return Invalid(errors=[FieldError(f"query:{name}", "invalid_parameter", reason)])


def in_head(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ").replace("\r", " ")


def in_extension(value: object) -> str:
    """A line break would begin an entry that nobody stored."""
    text = str(value).replace("\\", "\\\\").replace("=", "\\=")
    return text.replace("\r", "\\r").replace("\n", "\\n")


def cef_line(name: str, text: str, severity: int, told: Mapping[str, object]) -> str:
    """told: what is None is left out."""
    pairs = " ".join(
        f"{key}={in_extension(value)}" for key, value in told.items() if value is not None
    )
    head = f"{in_head(name)}|{in_head(text)}|{severity}"
    return f"CEF:0|AgentLedger|AgentLedger|1|{head}|{pairs}"


def formats(
    json_line: Callable[[Told], str], cef_of: Callable[[Told], str]
) -> Mapping[str, Format[Told]]:
    return {
        "jsonl": Format(JSONL, json_line, _json_continued),
        "cef": Format(CEF, cef_of, _cef_continued),
    }


async def exported(
    operation: str,
    pages: AsyncGenerator[Page[Told, Place]],
    chosen: Format[Told],
    told_place: Callable[[Place], str] = str,
) -> Response:
    """told_place: as a later export is asked to go on from there."""

    async def lines() -> AsyncIterator[str]:
        page = first
        async with aclosing(pages):
            yield _lines(first, chosen)
            async for page in pages:
                yield _lines(page, chosen)
        if page.next_before is not None:
            yield chosen.continued(operation, told_place(page.next_before)) + "\n"

    # The first one now, so that a refusal is still an answer of its own.
    first = await anext(pages)
    return StreamingResponse(lines(), media_type=chosen.media_type)


def _lines(page: Page[Told, Place], chosen: Format[Told]) -> str:
    return "".join(chosen.line(item) + "\n" for item in page.items)


def _json_continued(operation: str, place: str) -> str:
    del operation
    return orjson.dumps({"next_before": place}).decode()


def _cef_continued(operation: str, place: str) -> str:
    return cef_line(operation, "more follows", 1, {"cs1Label": "next_before", "cs1": place})
