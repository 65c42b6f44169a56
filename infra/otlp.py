"""Exports traces with OpenTelemetry's SDK, over OTLP with HTTP, from a thread of its own and a
queue with an end: a collector that is slow or away loses spans, and nobody waits for it.

Imported only where traces are wanted.
"""

import hashlib
import threading
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import (
    Decision,
    Sampler,
    SamplingResult,
    TraceIdRatioBased,
)
from opentelemetry.trace import SpanContext, SpanKind, TraceState
from opentelemetry.trace.span import Span as OtelSpan
from opentelemetry.trace.status import Status, StatusCode
from opentelemetry.util.types import Attributes as OtelAttributes
from typing_extensions import override

from infra.metrics import METRICS
from infra.settings import Settings
from infra.tracing import ERROR_TYPE, EXECUTION_ID, LINKS_MAX, SAMPLED, Attributes, Kind, SpanBlock

# How long a process that ends waits for its last spans to leave.
LAST_EXPORT_S = 3.0
EXPORT_TIMEOUT_S = 5.0
EXPORT_EVERY_MS = 1000.0
BATCH_MAX = 512
ATTRIBUTES_MAX = 48
ATTRIBUTE_CHARACTERS_MAX = 512
# Of what models are asked and answer, where that is wanted.
CONTENT_CHARACTERS_MAX = 16_384
LOW_BITS = (1 << 64) - 1

KINDS: Mapping[Kind, SpanKind] = {
    "internal": SpanKind.INTERNAL,
    "server": SpanKind.SERVER,
    "client": SpanKind.CLIENT,
    "producer": SpanKind.PRODUCER,
    "consumer": SpanKind.CONSUMER,
}


class KeptTogether(Sampler):
    """share: of what begins by itself. What has a parent is kept as that is; what is linked is kept
    with any that it is linked to; and all drives of one run are, or none.
    """

    def __init__(self, share: float) -> None:
        self._share = TraceIdRatioBased(share)

    @override
    def should_sample(  # as the SDK has it
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: OtelAttributes = None,
        links: Sequence[trace.Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        parent = trace.get_current_span(parent_context).get_span_context()
        if parent.is_valid:
            is_kept = parent.trace_flags.sampled
        elif links:
            is_kept = any(link.context.trace_flags.sampled for link in links)
        else:
            run = (attributes or {}).get(EXECUTION_ID)
            chosen = _spread(str(run)) if run else trace_id
            is_kept = chosen & LOW_BITS < self._share.bound
        # The attributes of the span are those of this answer.
        decision = Decision.RECORD_AND_SAMPLE if is_kept else Decision.DROP
        return SamplingResult(decision, attributes)

    def get_description(self) -> str:
        return f"KeptTogether({self._share.get_description()})"


def _spread(text: str) -> int:
    """Ids of one moment have most of their bits in common; these have none."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest())


class Counted(SpanExporter):
    """Tells Prometheus what became of the spans."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter
        self._exported = METRICS.process.trace_spans.labels("exported")
        self._lost = METRICS.process.trace_spans.labels("lost")

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = self._exporter.export(spans)
        counter = self._exported if result is SpanExportResult.SUCCESS else self._lost
        counter.inc(len(spans))
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()


class OtelTraces:
    """Implements infra.tracing.Traces."""

    def __init__(self, provider: TracerProvider, *, captures_content: bool) -> None:
        self._tracer = provider.get_tracer("agentledger")
        self.captures_content = captures_content

    def child(self, name: str, kind: Kind, attributes: Attributes) -> SpanBlock:
        return _current(self._tracer.start_span(name, None, KINDS[kind], attributes))

    def root(
        self,
        name: str,
        kind: Kind,
        attributes: Attributes,
        *,
        parent: str | None,
        links: Iterable[str],
        mentioned: str | None,
    ) -> SpanBlock:
        context, remote = Context(), parsed(parent)
        if remote is not None:
            context = trace.set_span_in_context(trace.NonRecordingSpan(remote), context)
        linked = [trace.Link(found) for found in map(parsed, links) if found is not None]
        made = self._tracer.start_span(name, context, KINDS[kind], attributes, linked)
        RecordedSpan(made).link(mentioned)
        return _current(made)

    def current(self) -> "RecordedSpan":
        return RecordedSpan(trace.get_current_span())

    def ids(self) -> tuple[str, str] | None:
        context = trace.get_current_span().get_span_context()
        if not context.is_valid:
            return None
        return f"{context.trace_id:032x}", f"{context.span_id:016x}"


@contextmanager
def _current(span: OtelSpan) -> Generator["RecordedSpan"]:
    """The current one until it ends, with the block."""
    recorded = RecordedSpan(span)
    with trace.use_span(span, record_exception=False, set_status_on_exception=False):
        try:
            yield recorded
        except Exception as error:
            if not recorded.is_failed:
                recorded.fail(type(error).__name__)
            raise
        finally:
            span.end()


class RecordedSpan:
    """Implements infra.tracing.Span."""

    __slots__ = ("_span", "is_failed", "is_recording")

    def __init__(self, span: OtelSpan) -> None:
        self._span = span
        self.is_recording = span.is_recording()
        self.is_failed = False

    @property
    def traceparent(self) -> str | None:
        context = self._span.get_span_context()
        if not context.is_valid:
            return None
        flags = context.trace_flags & SAMPLED
        return f"00-{context.trace_id:032x}-{context.span_id:016x}-{flags:02x}"

    def set(self, attributes: Attributes) -> None:
        self._span.set_attributes(attributes)

    def rename(self, name: str) -> None:
        self._span.update_name(name)

    def link(self, traceparent: str | None) -> None:
        linked = parsed(traceparent)
        if linked is not None:
            self._span.add_link(linked)

    def fail(self, error_type: str, *, is_error: bool = True) -> None:
        self.is_failed = True
        self._span.set_attribute(ERROR_TYPE, error_type)
        if is_error:
            self._span.set_status(Status(StatusCode.ERROR))


def parsed(traceparent: str | None) -> SpanContext | None:
    """None for what is none. What is passed in was checked at the edge, or stored by us."""
    if traceparent is None:
        return None
    try:
        _, trace_id, span_id, flags = traceparent.split("-", 3)
        context = SpanContext(
            int(trace_id, 16), int(span_id, 16), True, trace.TraceFlags(int(flags[:2], 16))
        )
    except ValueError:
        return None
    return context if context.is_valid else None


def build_provider(
    settings: Settings, resource: Mapping[str, str], exporter: SpanExporter
) -> TracerProvider:
    characters = (
        CONTENT_CHARACTERS_MAX if settings.is_model_content_traced else ATTRIBUTE_CHARACTERS_MAX
    )
    provider = TracerProvider(
        sampler=KeptTogether(settings.trace_share),
        resource=Resource.create({"service.name": "agentledger", **resource}),
        shutdown_on_exit=False,
        span_limits=SpanLimits(
            max_span_attributes=ATTRIBUTES_MAX,
            max_links=LINKS_MAX,
            max_events=8,
            max_span_attribute_length=characters,
        ),
    )
    provider.add_span_processor(
        BatchSpanProcessor(
            Counted(exporter),
            max_queue_size=settings.trace_queue_max,
            schedule_delay_millis=EXPORT_EVERY_MS,
            max_export_batch_size=BATCH_MAX,
        )
    )
    return provider


def build_exporter(settings: Settings) -> OTLPSpanExporter:
    """Where the settings say; without them it reads OTEL_EXPORTER_OTLP_... itself."""
    if settings.otlp_endpoint is None:
        return OTLPSpanExporter()
    return OTLPSpanExporter(f"{settings.otlp_endpoint}/v1/traces", timeout=EXPORT_TIMEOUT_S)


def shut_down(provider: TracerProvider) -> None:
    """Sends what is left, for as long as that may take; a collector that is away ends nothing."""
    last = threading.Thread(target=provider.shutdown, name="last spans", daemon=True)
    last.start()
    last.join(LAST_EXPORT_S)


@contextmanager
def exported(settings: Settings, resource: Mapping[str, str]) -> Generator[OtelTraces]:
    provider = build_provider(settings, resource, build_exporter(settings))
    try:
        yield OtelTraces(provider, captures_content=settings.is_model_content_traced)
    finally:
        shut_down(provider)
