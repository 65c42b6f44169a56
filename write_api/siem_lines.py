"""What exports for a SIEM share: the parameters of their queries, and the parts of a line of CEF
(ArcSight's Common Event Format, version 0).
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Generic, TypeVar
from urllib.parse import parse_qs
from uuid import UUID

from domain.errors import FieldError, Invalid
from write_api.edge import Call

JSONL = "application/x-ndjson"
CEF = "text/plain"
INSTANT = {"type": "string", "format": "date-time"}
UUID_SCHEMA = {"type": "string", "format": "uuid"}

Told = TypeVar("Told")


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
    """The query of a request; everything raises Invalid. formats: by name, the media type and what
    makes a line.
    """

    def __init__(
        self, call: Call, formats: Mapping[str, tuple[str, Callable[[Told], str]]]
    ) -> None:
        self._formats = formats
        text = call.scope["query_string"].decode("latin-1")
        self._values = parse_qs(text, keep_blank_values=True, max_num_fields=100)

    @property
    def format(self) -> tuple[str, Callable[[Told], str]]:
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
