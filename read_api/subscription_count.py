"""How many streams of events this process serves, over all transports; bounded."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Literal

from infra.metrics import Metrics
from read_api.errors import refuse


class SubscriptionCount:
    def __init__(self, metrics: Metrics, *, maximum: int) -> None:
        self._gauge = metrics.subscriptions_active
        self._maximum = maximum
        self._active = 0

    def require_room(self) -> None:
        """Raises RequestRefused when there are too many."""
        if self._active >= self._maximum:
            raise refuse(
                "too_many_subscriptions", "This server follows as many as it can; try again."
            )

    @contextmanager
    def one(self, transport: Literal["websocket", "sse"]) -> Generator[None]:
        """Counts as long as the block runs."""
        self._active += 1
        self._gauge.labels(transport).inc()
        try:
            yield
        finally:
            self._active -= 1
            self._gauge.labels(transport).dec()
