"""A collector that really speaks OTLP over HTTP: it decodes what comes and keeps the spans."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

WAIT_S = 60


@dataclass(frozen=True)
class ReceivedSpan:
    """links: (trace id, span id)."""

    name: str
    kind: int
    trace_id: str
    span_id: str
    parent_id: str
    links: list[tuple[str, str]]
    attributes: dict[str, Any]
    resource: dict[str, Any]
    is_error: bool

    @property
    def place(self) -> tuple[str, str]:
        return self.trace_id, self.span_id


@dataclass
class OtlpReceiver:
    url: str
    spans: list[ReceivedSpan] = field(default_factory=list)
    paths: set[str] = field(default_factory=set)

    def named(self, name: str) -> list[ReceivedSpan]:
        return [span for span in list(self.spans) if span.name == name]

    def with_attribute(self, name: str, value: object) -> list[ReceivedSpan]:
        return [span for span in list(self.spans) if span.attributes.get(name) == value]

    def wait_for(
        self, *names: str, where: Mapping[str, object] | None = None
    ) -> list[ReceivedSpan]:
        """One span of each name, with those attributes, once all have come."""
        deadline = time.monotonic() + WAIT_S
        while True:
            found = [
                next((one for one in self.named(name) if _has(one, where or {})), None)
                for name in names
            ]
            if all(found):
                return [span for span in found if span is not None]
            assert time.monotonic() < deadline, (names, sorted({s.name for s in self.spans}))
            time.sleep(0.02)

    def wait_until(self, is_wanted: Callable[[ReceivedSpan], bool]) -> ReceivedSpan:
        """The first such span, once it has come: processes send theirs when each likes."""
        deadline = time.monotonic() + WAIT_S
        while True:
            for span in list(self.spans):
                if is_wanted(span):
                    return span
            assert time.monotonic() < deadline, sorted({span.name for span in self.spans})
            time.sleep(0.02)


def _has(span: ReceivedSpan, where: Mapping[str, object]) -> bool:
    return all(span.attributes.get(name) == value for name, value in where.items())


def _value(value: Any) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(one) for one in value.array_value.values]
    return getattr(value, kind)


def _values(attributes: Any) -> dict[str, Any]:
    return {one.key: _value(one.value) for one in attributes}


def _spans(request: ExportTraceServiceRequest) -> Iterator[ReceivedSpan]:
    for of_resource in request.resource_spans:
        resource = _values(of_resource.resource.attributes)
        for of_scope in of_resource.scope_spans:
            for span in of_scope.spans:
                yield ReceivedSpan(
                    span.name,
                    span.kind,
                    span.trace_id.hex(),
                    span.span_id.hex(),
                    span.parent_span_id.hex(),
                    [(link.trace_id.hex(), link.span_id.hex()) for link in span.links],
                    _values(span.attributes),
                    resource,
                    span.status.code == 2,
                )


@contextmanager
def otlp_receiver() -> Iterator[OtlpReceiver]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            receiver.paths.add(self.path)
            receiver.spans.extend(_spans(ExportTraceServiceRequest.FromString(body)))
            answer = ExportTraceServiceResponse().SerializeToString()
            self.send_response(200)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    receiver = OtlpReceiver(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
