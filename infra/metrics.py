"""What this process tells Prometheus: one registry, every metric a named field."""

from collections.abc import Callable, Mapping

from prometheus_client import (
    CollectorRegistry,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from infra.metric_declarations import (
    ConsumerMetrics,
    Declarations,
    HttpMetrics,
    ModelMetrics,
    ProcessMetrics,
    ProjectionMetrics,
    SagaMetrics,
    StoreMetrics,
)
from infra.neighbours import WorkerCounts

__all__ = ["CONTENT_TYPE_LATEST", "METRICS", "Metrics"]

# When each series began is a series more for each; nobody reads it.
disable_created_metrics()


class Metrics:
    """Counters and histograms are kept as things happen; gauges of what is elsewhere are set before
    each scrape.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._declare = declare = Declarations(self.registry)
        self.http = HttpMetrics(declare)
        self.store = StoreMetrics(declare)
        self.consumers = ConsumerMetrics(declare)
        self.projections = ProjectionMetrics(declare)
        self.sagas = SagaMetrics(declare)
        self.models = ModelMetrics(declare)
        self.process = ProcessMetrics(declare)
        self.graphql_request_seconds = declare.histogram(
            "agentledger_graphql_request_seconds",
            "From the body of a GraphQL request to its answer, without sending it.",
            "outcome",
        )
        self.subscriptions_active = declare.gauge(
            "agentledger_subscriptions_active",
            "Streams of events that are open now.",
            "transport",
        )
        self.rate_limits_alone = declare.gauge(
            "agentledger_rate_limits_alone",
            "1 while this process holds rate limits alone, for PostgreSQL does not answer.",
        )
        self.audit_entries_lost = declare.counter(
            "agentledger_audit_entries_lost",
            "Entries of the audit trail that could not be stored.",
        )
        self.breaches_unknown = declare.counter(
            "agentledger_password_breaches_unknown",
            "New passwords of which nobody could say whether they are known from breaches.",
        )
        self.cache_hits = declare.counter(
            "agentledger_cache_hits", "What a cache had.", "cache", "level"
        )
        self.cache_misses = declare.counter(
            "agentledger_cache_misses", "What a cache did not have.", "cache", "level"
        )
        self._declare_engine()

    def _declare_engine(self) -> None:
        declare = self._declare
        self.attempts_in_flight = declare.gauge(
            "agentledger_attempts_in_flight",
            "Attempts of nodes that hold a slot of this worker process.",
        )
        self.claims_waiting = declare.gauge(
            "agentledger_claims_waiting",
            "Attempts of nodes that are ready and wait for a slot of this worker process.",
        )
        self.executions_driven = declare.gauge(
            "agentledger_executions_driven",
            "Executions that this worker process drives.",
        )
        self.starts_waiting = declare.gauge(
            "agentledger_starts_waiting",
            "Executions that wait in this worker process to begin.",
        )
        self.executions_needing_attention = declare.gauge(
            "agentledger_executions_needing_attention",
            "Executions of all tenants whose status is NEEDS_ATTENTION.",
        )
        self.usage_unpriced = declare.gauge(
            "agentledger_usage_unpriced",
            "Calls of all tenants in the last day that no price book has a price for.",
        )
        self.usage_unresolved = declare.gauge(
            "agentledger_usage_unresolved",
            "Calls of all tenants in the last day that may have been billed, and nobody knows.",
        )
        self.open_executions_lag_seconds = declare.gauge(
            "agentledger_open_executions_lag_seconds",
            "The age that the oldest execution nobody has started yet has at least reached.",
        )
        self.payments = declare.counter(
            "agentledger_payments",
            "Payments that succeeded, failed, were abandoned or refunded, as this process stored.",
            "result",
        )
        self.admission_refusals = declare.counter(
            "agentledger_admission_refusals",
            "Executions that were refused with 429, by reason.",
            "code",
        )

    def pool(self, role: str, sizes: Mapping[str, int]) -> None:
        """sizes: as Database.sizes() gives them."""
        total, idle = sizes.get("pool_size", 0), sizes.get("pool_available", 0)
        connections = self.process.connections
        connections.labels(role, "idle").set(idle)
        connections.labels(role, "busy").set(total - idle)
        connections.labels(role, "awaited").set(sizes.get("requests_waiting", 0))
        self.process.connections_max.labels(role).set(sizes.get("pool_max", 0))

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


# Of this process, as Prometheus has it: for what is counted deep inside.
METRICS = Metrics()
