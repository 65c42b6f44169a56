"""What Prometheus is told of requests: by route, never by what somebody wrote into the path."""

import logging

import pytest

from infra import tracing
from infra.metrics import METRICS
from infra.otlp import exported
from infra.settings import Settings
from tests.write_api.api import Api

REQUESTS = "http_requests_total"


def count(method: str, route: str, status: str) -> float:
    labels = {"method": method, "route": route, "status": status}
    return METRICS.registry.get_sample_value(REQUESTS, labels) or 0.0


async def test_a_request_is_counted_under_the_route_and_the_status_it_got(api: Api) -> None:
    before = count("POST", "/api/v1/agents", "422")
    await api.send("POST", "/agents", {"no": "agent"})
    assert count("POST", "/api/v1/agents", "422") == before + 1
    assert METRICS.registry.get_sample_value("http_server_active_requests") == 0


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/no-such-thing-9f3a"), ("BREW", "/agents"), ("GET", "/agents/%0a")],
)
async def test_a_stranger_makes_no_label_of_his_own(api: Api, method: str, path: str) -> None:
    await api.send(method, path)
    told = METRICS.exposition().decode()
    assert "9f3a" not in told
    assert "BREW" not in told
    assert "%0a" not in told


async def test_a_line_of_the_access_log_is_told_in_the_trace_of_its_request(
    api: Api, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[str, str] | None] = []
    log = logging.getLogger("access")
    caplog.set_level(logging.INFO, "access")
    monkeypatch.setattr(log, "filters", [lambda _: told.append(tracing.current_ids()) or False])
    monkeypatch.setattr("infra.otlp.LAST_EXPORT_S", 0.01)
    settings = Settings().model_copy(update={"otlp_endpoint": "http://127.0.0.1:9"})
    with exported(settings, {}) as traces:
        tracing.export_to(traces)
        try:
            await api.send("POST", "/agents", {"no": "agent"})
        finally:
            tracing.export_to(None)
    assert len(told) == 1
    assert told[0] is not None
