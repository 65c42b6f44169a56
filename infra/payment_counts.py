"""What became of payments, counted as it is stored: money that cannot be collected is somebody's to
look at, and alerts are made of counters.
"""

from collections.abc import Sequence

from infra.append_statement import EventRow
from infra.metrics import METRICS

RESULTS = {
    "payment.succeeded": "succeeded",
    "payment.failed": "failed",
    "payment.abandoned": "abandoned",
    "payment.refunded": "refunded",
}


def count_payments(rows: Sequence[EventRow]) -> None:
    """rows: events as they were stored, of whatever kind."""
    for row in rows:
        if row[2] in RESULTS:
            METRICS.payments.labels(RESULTS[row[2]]).inc()
