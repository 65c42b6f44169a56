"""What is counted cheaply is told as the library tells it."""

import pytest
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    disable_created_metrics,
    generate_latest,
)

from infra.metric_series import CheapCounter, CheapHistogram

BUCKETS = (0.5, 1, 2.5)
AMOUNTS = (0, 0.25, 0.5, 0.5000001, 1, 2, 2.5, 2.6, 1e9)


def told(counter: type[Counter], histogram: type[Histogram]) -> str:
    registry = CollectorRegistry()
    counts = counter("a", "A.", ["b"], registry=registry)
    counter("c", "C.", registry=registry)
    seconds = histogram("d", "D.", ["e"], buckets=BUCKETS, registry=registry)
    histogram("f", "F.", buckets=BUCKETS, registry=registry)
    counts.labels("x").inc()
    counts.labels("x").inc(2.5)
    counts.labels("y").inc(0)
    for amount in AMOUNTS:
        seconds.labels("x").observe(amount)
    seconds.labels("y").observe(1)
    return generate_latest(registry).decode()


@pytest.fixture(autouse=True)
def nobody_is_told_when_series_began() -> None:
    disable_created_metrics()  # As infra/metrics.py does for good.


def test_counts_and_buckets_are_those_of_the_library() -> None:
    ours = told(CheapCounter, CheapHistogram)
    assert 'd_bucket{e="x",le="0.5"} 3.0' in ours
    assert ours == told(Counter, Histogram)
