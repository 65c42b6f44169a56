"""What Prometheus is told of requests: by route, never by what somebody wrote into the path."""

import pytest

from infra.metrics import METRICS
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
