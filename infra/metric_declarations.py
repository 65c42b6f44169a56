"""The metrics of each part of the platform, by the names that operators know. Labels have few
values, all of them ours: no tenant, no path, no name that somebody may choose.
"""

from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from infra.metric_series import CheapCounter, CheapHistogram

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
# Of what may take as long as a model thinks, or a run sleeps.
LONG_BUCKETS_S = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 3600)
# Of one call; the steps of the semantic conventions for GenAI.
TOKEN_BUCKETS = (1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576)


class Declarations:
    """Makes the metrics of one registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def gauge(self, name: str, meaning: str, *labels: str) -> Gauge:
        return Gauge(name, meaning, labels, registry=self._registry)

    def counter(self, name: str, meaning: str, *labels: str) -> Counter:
        """It is told with `_total` at its end."""
        return CheapCounter(name, meaning, labels, registry=self._registry)

    def histogram(
        self, name: str, meaning: str, *labels: str, buckets: Sequence[float] = LATENCY_BUCKETS_S
    ) -> Histogram:
        return CheapHistogram(name, meaning, labels, buckets=buckets, registry=self._registry)


class HttpMetrics:
    def __init__(self, declare: Declarations) -> None:
        self.requests = declare.counter(
            "http_requests",
            "Requests that were answered. route: as the API documents it.",
            "method",
            "route",
            "status",
        )
        self.seconds = declare.histogram(
            "http_request_duration_seconds",
            "From the head of a request to the end of its answer; streams are not in it.",
            "method",
            "route",
        )
        self.active = declare.gauge(
            "http_server_active_requests", "Requests that are being answered now."
        )
        self.websockets = declare.gauge(
            "websocket_active_connections", "WebSockets that are open now."
        )
        self.rate_limited = declare.counter(
            "rate_limited", "Requests that were over a rate limit, by its name.", "class"
        )
        self.webhook_deliveries = declare.counter(
            "webhook_deliveries", "Requests to webhooks: accepted or refused.", "result"
        )


class StoreMetrics:
    def __init__(self, declare: Declarations) -> None:
        self.appends = declare.counter(
            "es_append", "Appends by how they ended: stored, conflict, duplicate, failed.", "result"
        )
        # To find a series by its labels costs more than to count in it.
        self.appends_stored = self.appends.labels("stored")
        self.conflicts = declare.counter(
            "es_append_conflicts", "Appends that found that somebody else had written first."
        )
        self.events = declare.counter("es_events_appended", "Events that were stored.")
        self.batch_seconds = declare.histogram(
            "es_append_batch_seconds", "The one transaction that stores appends of many callers."
        )
        self.queue_depth = declare.gauge(
            "es_append_queue_depth", "Appends that wait for a transaction in this process."
        )
        self.size_events = declare.gauge(
            "es_event_store_size_events", "Events of the log, as PostgreSQL estimates."
        )
        self.size_bytes = declare.gauge(
            "es_event_store_size_bytes", "What the log takes on disk, with its indexes."
        )
        self.unreadable_seconds = declare.gauge(
            "es_unreadable_seconds",
            "The age of the oldest stored event that no reader sees yet, for an older write"
            " transaction is still open.",
        )
        self.relay_lag_events = declare.gauge(
            "relay_lag_events", "Events that are stored and not published; at least so many."
        )
        self.relay_oldest_seconds = declare.gauge(
            "relay_oldest_unpublished_seconds",
            "The age of the oldest event that is not published to Kafka.",
        )
        self.relay_published = declare.counter(
            "relay_published", "Events that this process published to Kafka."
        )
        self.relay_active = declare.gauge(
            "relay_active", "1 while this process is the relay that publishes."
        )
        self.seal_lag_events = declare.gauge(
            "seal_lag_events", "Events that are stored and not sealed; at least so many."
        )
        self.seal_lag_seconds = declare.gauge(
            "seal_lag_seconds", "The age of the oldest event that is not sealed."
        )
        self.sealed = declare.counter("sealed_events", "Events that this process sealed.")


class ConsumerMetrics:
    def __init__(self, declare: Declarations) -> None:
        place = ("group", "topic", "partition")
        self.lag_events = declare.gauge(
            "consumer_lag_events", "Records of a partition that were not handled yet.", *place
        )
        self.lag_seconds = declare.gauge(
            "consumer_lag_seconds",
            "How old the newest event of the last batch was when it was handled.",
            *place,
        )
        self.stalled = declare.gauge(
            "consumer_stalled",
            "1 while a group of this process is not connected, or holds one batch for a minute.",
            "group",
        )
        self.events = declare.counter(
            "consumer_events", "Events that a group of this process handled.", "group"
        )
        self.batch_seconds = declare.histogram(
            "consumer_batch_seconds", "Handling one batch of the log.", "group"
        )
        self.domain_events = declare.counter(
            "domain_events",
            "What happened, by topic, as the projectors saw it: logins, runs, invoices, payments."
            " One that is delivered twice counts twice.",
            "topic",
        )
        self.part_restarts = declare.counter(
            "part_restarts", "How often a part of this process failed and began again.", "part"
        )


class ProjectionMetrics:
    def __init__(self, declare: Declarations) -> None:
        self.lag_events = declare.gauge(
            "projection_lag_events",
            "Events stored but not applied by a projection, of any tenant; at least so many.",
            "projection",
        )
        self.lag_seconds = declare.gauge(
            "projection_lag_seconds",
            "The age of the oldest event that a projection has not applied.",
            "projection",
        )
        self.rebuild_progress = declare.gauge(
            "projection_rebuild_progress_ratio",
            "How far the rebuild of a projection is; 1 while none is running.",
            "projection",
        )
        self.parked = declare.gauge(
            "dlq_depth",
            "Streams that a projection has set aside after an event that it could not apply.",
            "projection",
        )


class SagaMetrics:
    def __init__(self, declare: Declarations) -> None:
        self.active = declare.gauge(
            "saga_active",
            "What is begun and not ended, of all tenants: executions, those of them that sleep,"
            " bulk operations, mails, triggers that wait for their time. At most 100,000 are"
            " counted.",
            "type",
        )
        self.trigger_lag_seconds = declare.gauge(
            "trigger_lag_seconds",
            "How long the trigger that has waited longest could have been looked at by a worker.",
        )
        self.trigger_refusals = declare.counter(
            "trigger_refusals",
            "Fires that were refused, for good or for a while, by the code of what refused them.",
            "code",
        )
        self.steps = declare.counter(
            "saga_steps", "Attempts of nodes, by how they ended.", "node_type", "result"
        )
        self.step_failures = declare.counter(
            "saga_step_failures", "Attempts of nodes that failed.", "node_type"
        )
        self.step_seconds = declare.histogram(
            "saga_step_seconds",
            "One attempt of a node, from its slot to its outcome.",
            "node_type",
            buckets=LONG_BUCKETS_S,
        )
        self.budget_refusals = declare.counter(
            "budget_refusals", "Calls that were not made, for a budget did not pay.", "code"
        )
        self.calls_waiting = declare.gauge(
            "calls_waiting", "Calls of this process that wait for a limit."
        )
        self.call_limit_refusals = declare.counter(
            "call_limit_refusals", "Calls that waited too long for a limit and failed.", "limit"
        )
        self.compensations = declare.counter(
            "saga_compensations", "Attempts to undo a node, by how they ended.", "result"
        )
        self.executions_ended = declare.counter(
            "saga_executions_ended", "Executions that this process drove to their end.", "status"
        )
        self.execution_seconds = declare.histogram(
            "saga_execution_seconds",
            "From the beginning of an execution to its end, with what it slept.",
            "status",
            buckets=LONG_BUCKETS_S,
        )


class ModelMetrics:
    """provider, model: of the price list; of a tenant's own it is `other`."""

    def __init__(self, declare: Declarations) -> None:
        who = ("provider", "model")
        self.tokens = declare.counter(
            "llm_tokens", "Tokens that calls of models used. kind: the meter.", *who, "kind"
        )
        self.cost_micro_usd = declare.counter(
            "llm_cost_micro_usd", "What priced calls of models cost, in millionths of a USD.", *who
        )
        semantic = ("gen_ai_operation_name", "gen_ai_provider_name", "gen_ai_request_model")
        self.seconds = declare.histogram(
            "gen_ai_client_operation_duration_seconds",
            "gen_ai.client.operation.duration of the semantic conventions.",
            *semantic,
            "error_type",
            buckets=LONG_BUCKETS_S,
        )
        self.token_usage = declare.histogram(
            "gen_ai_client_token_usage",
            "gen_ai.client.token.usage of the semantic conventions, of one call.",
            *semantic,
            "gen_ai_token_type",
            buckets=TOKEN_BUCKETS,
        )
        self.tools = declare.counter(
            "tool_executions",
            "What runs did outside of models, by its kind and how it ended.",
            "tool_kind",
            "result",
        )


class ProcessMetrics:
    def __init__(self, declare: Declarations) -> None:
        self.connections = declare.gauge(
            "db_pool_connections",
            "Connections of this process's pools, by role and state; awaited: callers that wait"
            " for one.",
            "role",
            "state",
        )
        self.connections_max = declare.gauge(
            "db_pool_connections_max", "How many a pool may have.", "role"
        )
        self.loop_lag_seconds = declare.gauge(
            "event_loop_lag_seconds",
            "How late the event loop of this process was, at worst since the last scrape.",
        )
        self.clock_offset_seconds = declare.gauge(
            "clock_offset_seconds",
            "How far the clock of this worker is ahead of PostgreSQL's; below 0: behind it.",
        )
        self.disk_free_bytes = declare.gauge(
            "disk_free_bytes", "Free space of the file system with the data directory."
        )
        self.disk_size_bytes = declare.gauge(
            "disk_size_bytes", "The size of the file system with the data directory."
        )
        self.trace_spans = declare.counter(
            "trace_spans", "Spans by what became of them: exported or lost.", "result"
        )
