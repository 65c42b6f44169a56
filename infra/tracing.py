"""Spans of what happens, where somebody wants traces; next to nothing where nobody does.

    POST ──► command ──► append (its traceparent is stored with the events)
                             ┊ link                    ┊ link
                             ▼                         ▼
              drive ──► attempt ──► model, http     process (consumers of the log)

What is answered at once is a child. What reads the log is a trace of its own with a link, for hours
may lie between: a link says what led to it, and the whole of it is still one short trace. Nothing
but `traceparent` is passed on; baggage and `tracestate` of strangers end here.

infra/otlp.py exports; it alone knows OpenTelemetry, and is imported where traces are wanted.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Literal, Protocol, Self, TypeAlias
from uuid import UUID

Kind: TypeAlias = Literal["internal", "server", "client", "producer", "consumer"]
Value: TypeAlias = str | bool | int | float | Sequence[str]
Attributes: TypeAlias = Mapping[str, Value]

TENANT_ID = "agentledger.tenant.id"
EXECUTION_ID = "agentledger.execution.id"
ERROR_TYPE = "error.type"
# What the log is called where it is PostgreSQL itself.
POSTGRESQL_LOG = "postgresql"
# Of one span; more of them tell nobody more.
LINKS_MAX = 64
SAMPLED = 0x01


class Span(Protocol):
    is_recording: bool

    @property
    def traceparent(self) -> str | None: ...

    def set(self, attributes: Attributes) -> None: ...

    def rename(self, name: str) -> None: ...

    def link(self, traceparent: str | None) -> None:
        """What else led to it."""
        ...

    def fail(self, error_type: str, *, is_error: bool = True) -> None:
        """is_error: something went wrong, and was not just refused. error_type: of few values."""
        ...


SpanBlock: TypeAlias = AbstractContextManager[Span]


class Traces(Protocol):
    """What exports (infra/otlp.py)."""

    captures_content: bool

    def child(self, name: str, kind: Kind, attributes: Attributes) -> "SpanBlock": ...

    def root(
        self,
        name: str,
        kind: Kind,
        attributes: Attributes,
        *,
        parent: str | None,
        links: Iterable[str],
        mentioned: str | None,
    ) -> "SpanBlock": ...

    def current(self) -> Span: ...

    def ids(self) -> tuple[str, str] | None:
        """(trace id, span id) of the current span, in hexadecimal."""
        ...


class _NoSpan:
    """Also the block of one."""

    is_recording = False
    traceparent = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        pass

    def set(self, attributes: Attributes) -> None:
        pass

    def rename(self, name: str) -> None:
        pass

    def link(self, traceparent: str | None) -> None:
        pass

    def fail(self, error_type: str, *, is_error: bool = True) -> None:
        pass


NO_SPAN = _NoSpan()
_NOTHING: Attributes = {}
_traces: Traces | None = None


def export_to(traces: Traces | None) -> None:
    """From now on, in the whole process. None: nobody wants them any more."""
    global _traces  # noqa: PLW0603 # as there is one process
    _traces = traces


def is_on() -> bool:
    return _traces is not None


def captures_content() -> bool:
    """Whether what models are asked and answer may be in spans."""
    return _traces is not None and _traces.captures_content


def span(name: str, kind: Kind = "internal", attributes: Attributes = _NOTHING) -> SpanBlock:
    """A child of the current one, and the current one within its block. A block that raises fails
    it, by the name of the exception, and never tells its text.
    """
    if _traces is None:
        return NO_SPAN
    return _traces.child(name, kind, attributes)


def root_span(
    name: str,
    kind: Kind,
    attributes: Attributes = _NOTHING,
    *,
    parent: str | None = None,
    links: Iterable[str | None] = (),
    mentioned: str | None = None,
) -> SpanBlock:
    """One with no parent in this process. parent, links: traceparents, those that are None left
    out. It is kept as its parent is, or as one of what it links to. mentioned: a link that does not
    decide that.
    """
    if _traces is None:
        return NO_SPAN
    told = [link for link in links if link is not None][:LINKS_MAX]
    return _traces.root(name, kind, attributes, parent=parent, links=told, mentioned=mentioned)


def current_span() -> Span:
    return NO_SPAN if _traces is None else _traces.current()


def current_traceparent() -> str | None:
    return None if _traces is None else _traces.current().traceparent


def current_ids() -> tuple[str, str] | None:
    return None if _traces is None else _traces.ids()


def note_tenant(tenant_id: UUID | None) -> None:
    """Whose the current span is, once it is known."""
    if _traces is not None and tenant_id is not None:
        _traces.current().set({TENANT_ID: str(tenant_id)})


def messaging(destination: str, operation: str) -> dict[str, Value]:
    """Of the semantic conventions for messaging. operation: publish or process."""
    return {
        "messaging.system": "kafka" if destination != POSTGRESQL_LOG else "postgresql",
        "messaging.destination.name": destination,
        "messaging.operation.name": operation,
        "messaging.operation.type": "send" if operation == "publish" else "process",
    }


def sampled(traceparents: Iterable[str | None]) -> list[str]:
    """Those of traces that somebody keeps, each once, as many as one span links to."""
    found: dict[str, None] = {}
    for traceparent in traceparents:
        if traceparent is not None and int(traceparent[-2:], 16) & SAMPLED:
            found[traceparent] = None
            if len(found) == LINKS_MAX:
                break
    return list(found)
