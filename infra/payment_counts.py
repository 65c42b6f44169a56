"""What became of payments, counted as it is stored: money that cannot be collected is somebody's to
look at, and alerts are made of counters.
"""

from collections.abc import Sequence

from domain.aggregates import Aggregate
from domain.payments import Payment
from infra.append_statement import EventRow
from infra.metrics import METRICS

RESULTS = {
    "payment.succeeded": "succeeded",
    "payment.failed": "failed",
    "payment.abandoned": "abandoned",
    "payment.refunded": "refunded",
}


def count_payments(aggregates: Sequence[Aggregate], rows: Sequence[EventRow]) -> None:
    """rows: the events of these, as they were stored."""
    for aggregate in aggregates:
        if isinstance(aggregate, Payment):
            results = [RESULTS.get(row[2]) for row in rows if row[0] == aggregate.id]
            for result in results:
                if result is not None:
                    METRICS.payments.labels(result).inc()
