"""What this process tells Prometheus: one registry, built with the runtime, every metric a named
field.
"""

from collections.abc import Callable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from infra.neighbours import WorkerCounts

__all__ = ["CONTENT_TYPE_LATEST", "Metrics"]

LATENCY_BUCKETS_S = (
    0.001,
    0.002,
    0.004,
    0.008,
    0.016,
    0.032,
    0.064,
    0.128,
    0.256,
    0.512,
    1,
    2,
    5,
    10,
)


class Metrics:
    """Counters and histograms are kept as things happen; gauges of what is elsewhere are set before
    each scrape.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.graphql_request_seconds = Histogram(
            "agentledger_graphql_request_seconds",
            "From the body of a GraphQL request to its answer, without sending it.",
            ["outcome"],
            buckets=LATENCY_BUCKETS_S,
            registry=self.registry,
        )
        self.subscriptions_active = self._gauge(
            "agentledger_subscriptions_active",
            "Streams of events that are open now.",
            "transport",
        )
        self.projection_events_behind = self._gauge(
            "agentledger_projection_events_behind",
            "Events stored but not applied by a projection, of any tenant; at least so many.",
            "projection",
        )
        self.projection_seconds_behind = self._gauge(
            "agentledger_projection_seconds_behind",
            "The age of the oldest event that a projection has not applied.",
            "projection",
        )
        self.projection_parked_streams = self._gauge(
            "agentledger_projection_parked_streams",
            "Streams that a projection has set aside after an event that it could not apply.",
            "projection",
        )
        self.database_connections = self._gauge(
            "agentledger_database_connections",
            "Connections of this process's pool of the role api, by state.",
            "state",
        )
        self.rate_limits_alone = self._gauge(
            "agentledger_rate_limits_alone",
            "1 while this process holds rate limits alone, for PostgreSQL does not answer.",
        )
        self.audit_entries_lost = self._counter(
            "agentledger_audit_entries_lost",
            "Entries of the audit trail that could not be stored.",
        )
        self.breaches_unknown = self._counter(
            "agentledger_password_breaches_unknown",
            "New passwords of which nobody could say whether they are known from breaches.",
        )
        self.cache_hits = self._counter(
            "agentledger_cache_hits", "What a cache had.", "cache", "level"
        )
        self.cache_misses = self._counter(
            "agentledger_cache_misses", "What a cache did not have.", "cache", "level"
        )
        self._declare_engine()

    def _declare_engine(self) -> None:
        self.attempts_in_flight = self._gauge(
            "agentledger_attempts_in_flight",
            "Attempts of nodes that hold a slot of this worker process.",
        )
        self.claims_waiting = self._gauge(
            "agentledger_claims_waiting",
            "Attempts of nodes that are ready and wait for a slot of this worker process.",
        )
        self.executions_driven = self._gauge(
            "agentledger_executions_driven",
            "Executions that this worker process drives.",
        )
        self.starts_waiting = self._gauge(
            "agentledger_starts_waiting",
            "Executions that wait in this worker process to begin.",
        )
        self.executions_needing_attention = self._gauge(
            "agentledger_executions_needing_attention",
            "Executions of all tenants whose status is NEEDS_ATTENTION.",
        )
        self.usage_unpriced = self._gauge(
            "agentledger_usage_unpriced",
            "Calls of all tenants in the last day that no price book has a price for.",
        )
        self.usage_unresolved = self._gauge(
            "agentledger_usage_unresolved",
            "Calls of all tenants in the last day that may have been billed, and nobody knows.",
        )
        self.open_executions_lag_seconds = self._gauge(
            "agentledger_open_executions_lag_seconds",
            "The age that the oldest execution nobody has started yet has at least reached.",
        )
        self.admission_refusals = self._counter(
            "agentledger_admission_refusals",
            "Executions that were refused with 429, by reason.",
            "code",
        )

    def _gauge(self, name: str, meaning: str, *labels: str) -> Gauge:
        return Gauge(name, meaning, labels, registry=self.registry)

    def _counter(self, name: str, meaning: str, *labels: str) -> Counter:
        return Counter(name, meaning, labels, registry=self.registry)

    def pool(self, sizes: Mapping[str, int]) -> None:
        """sizes: as Database.sizes() gives them."""
        total, idle = sizes.get("pool_size", 0), sizes.get("pool_available", 0)
        self.database_connections.labels("idle").set(idle)
        self.database_connections.labels("busy").set(total - idle)
        self.database_connections.labels("awaited").set(sizes.get("requests_waiting", 0))

    def cache_asked(self, name: str, level: str, had_it: bool) -> None:  # noqa: FBT001 # Neighbours'
        (self.cache_hits if had_it else self.cache_misses).labels(name, level).inc()

    def worker_began(self, counts: Callable[[], WorkerCounts]) -> None:
        """A worker of this process is asked at each scrape; without one its gauges say 0."""
        self.attempts_in_flight.set_function(lambda: counts().attempts_in_flight)
        self.claims_waiting.set_function(lambda: counts().claims_waiting)
        self.executions_driven.set_function(lambda: counts().executions_driven)
        self.starts_waiting.set_function(lambda: counts().starts_waiting)

    def exposition(self) -> bytes:
        return generate_latest(self.registry)
