"""What this process writes to standard error: sentences for people, or one JSON object a line for
whoever collects them. Never a payload, and nothing of a row: what PostgreSQL tells of one is cut.
"""

import logging
import re
import sys
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID

import orjson

from infra.settings import Settings
from infra.tracing import current_ids

TEXT_FORMAT = "%(asctime)s %(levelname)s %(name)s %(message)s"
MESSAGE_CHARACTERS_MAX = 8192
# What psycopg's errors quote of rows and statements, which are tenants'.
_QUOTED = re.compile(r"^(DETAIL|CONTEXT|QUERY|STATEMENT|LINE \d+): .*(\n\s*\^)?$", re.MULTILINE)
FIELDS = "agentledger_fields"


@dataclass(slots=True)
class Slow:
    """What takes longer is told; 0: nothing is."""

    query_s: float = 0.0
    step_s: float = 0.0


# Of this process; begin_logging sets it.
SLOW = Slow()


class Place(NamedTuple):
    """What the task at hand is about."""

    request_id: UUID | None = None
    tenant_id: UUID | None = None
    execution_id: UUID | None = None


NOWHERE = Place()
_place: ContextVar[Place] = ContextVar("agentledger_log_place", default=NOWHERE)


def current_place() -> Place:
    return _place.get()


def begin_request(request_id: UUID) -> None:
    """Of this task, and of those that it begins."""
    _place.set(Place(request_id))


def note_tenant(tenant_id: UUID | None) -> None:
    _place.set(_place.get()._replace(tenant_id=tenant_id))


def begin_execution(tenant_id: UUID, execution_id: UUID) -> None:
    """Whoever began this task, it is about a run from now on."""
    _place.set(Place(None, tenant_id, execution_id))


def told(event: str, **fields: str | float | None) -> dict[str, Mapping[str, object]]:
    """`extra` of a log call: what happened by a name that stays, and its numbers. In text the
    message says them.
    """
    return {FIELDS: {"event": event, **fields}}


def without_rows(text: str) -> str:
    return _QUOTED.sub(r"\1: (left out)", text)[:MESSAGE_CHARACTERS_MAX]


class TextFormatter(logging.Formatter):
    def __init__(self) -> None:
        super().__init__(TEXT_FORMAT)

    def format(self, record: logging.LogRecord) -> str:
        return without_rows(super().format(record))


class JsonFormatter(logging.Formatter):
    """role: of the process."""

    def __init__(self, role: str) -> None:
        super().__init__()
        self._role = role

    def format(self, record: logging.LogRecord) -> str:
        place = _place.get()
        ids = current_ids()
        fields: Mapping[str, object] = getattr(record, FIELDS, {})
        document: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "role": self._role,
            "logger": record.name,
            "event": fields.get("event", record.name),
            "message": without_rows(record.getMessage()),
            **{name: value for name, value in fields.items() if name != "event"},
        }
        if ids is not None:
            document["trace_id"], document["span_id"] = ids
        document |= {name: value for name, value in place._asdict().items() if value is not None}
        if record.exc_info:
            document["error"] = without_rows(self.formatException(record.exc_info))
        return orjson.dumps(document, default=str).decode()


def begin_logging(settings: Settings, role: str) -> None:
    """Of the whole process, from now on."""
    handler = logging.StreamHandler(sys.stderr)
    is_json = settings.log_format == "json"
    handler.setFormatter(JsonFormatter(role) if is_json else TextFormatter())
    root = logging.getLogger()
    for present in list(root.handlers):
        root.removeHandler(present)
    root.addHandler(handler)
    root.setLevel(settings.log_level)
    SLOW.query_s, SLOW.step_s = settings.slow_query_s, settings.slow_step_s
    # Its lines are told by us, or are somebody's payload.
    logging.getLogger("access").setLevel("INFO" if settings.is_access_logged else "CRITICAL")
