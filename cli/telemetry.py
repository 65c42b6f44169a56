"""Logs and traces of a process that serves: begun before it, ended after it."""

import os
import socket
from collections.abc import Generator, Mapping
from contextlib import contextmanager

from infra.logs import begin_logging
from infra.settings import Settings
from infra.tracing import export_to

ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")


def wants_traces(settings: Settings, environment: Mapping[str, str]) -> bool:
    """Where a collector is named, by us or by OpenTelemetry's variables, and nothing says no."""
    if environment.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return False
    if environment.get("OTEL_TRACES_EXPORTER", "otlp") != "otlp":
        return False
    return settings.otlp_endpoint is not None or any(environment.get(one) for one in ENDPOINTS)


@contextmanager
def telemetry(settings: Settings, role: str) -> Generator[None]:
    """role: `api`, ..., or `all` of `up`."""
    begin_logging(settings, role)
    if not wants_traces(settings, os.environ):
        yield
        return
    # The other processes start without it.
    from infra.otlp import exported

    instance = f"{socket.gethostname()}-{os.getpid()}"
    resource = {"service.instance.id": instance, "agentledger.role": role}
    with exported(settings, resource) as traces:
        export_to(traces)
        try:
            yield
        finally:
            export_to(None)
