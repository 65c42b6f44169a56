"""The five dashboards."""

from deploy.panels import Dashboard, Line, chart, quantiles, stat

ERRORS = 'sum(rate(http_requests_total{status=~"5.."}[5m]))'
REQUESTS = "sum(rate(http_requests_total[5m]))"

OVERVIEW = Dashboard(
    "overview",
    "overview",
    [
        stat("Requests a second", REQUESTS, "reqps"),
        stat("Errors", f"{ERRORS} / {REQUESTS}", "percentunit", warn_at=0.001, bad_at=0.01),
        stat("Executions active", 'max(saga_active{type="execution"})'),
        stat(
            "Need attention",
            "max(agentledger_executions_needing_attention)",
            warn_at=1,
        ),
        stat("Read models behind", "max(projection_lag_seconds)", "s", warn_at=5, bad_at=60),
        stat("Dead letters", "sum(max by (projection) (dlq_depth))", bad_at=1),
        chart(
            "Executions ended",
            Line("sum by (status) (rate(saga_executions_ended_total[5m]))", "{{status}}"),
            unit="ops",
        ),
        quantiles("Time of an execution", "saga_execution_seconds"),
        quantiles("Time of a request", "http_request_duration_seconds"),
        chart(
            "Spend, USD an hour",
            Line("sum by (model) (rate(llm_cost_micro_usd_total[5m])) * 3600 / 1e6", "{{model}}"),
            unit="currencyUSD",
        ),
        chart(
            "What happened",
            Line("topk(12, sum by (topic) (rate(domain_events_total[5m])))", "{{topic}}"),
            unit="ops",
            means="Events of all tenants, by topic: logins, users, budgets, invoices, payments.",
        ),
        chart(
            "Processes",
            Line("sum by (instance) (rate(process_cpu_seconds_total[5m]))", "CPU {{instance}}"),
        ),
        chart(
            "Memory",
            Line("process_resident_memory_bytes", "{{instance}}"),
            unit="bytes",
        ),
        chart(
            "Parts that began again",
            Line("sum by (part) (increase(part_restarts_total[15m]))", "{{part}}"),
        ),
        chart(
            "Disk",
            Line("disk_free_bytes / disk_size_bytes", "free {{instance}}"),
            unit="percentunit",
        ),
    ],
)

ENGINE = Dashboard(
    "engine",
    "engine",
    [
        stat("Driven now", "sum(agentledger_executions_driven)"),
        stat("Attempts in flight", "sum(agentledger_attempts_in_flight)"),
        stat("Waiting to begin", "sum(agentledger_starts_waiting)", warn_at=1000),
        stat(
            "Oldest not begun",
            "max(agentledger_open_executions_lag_seconds)",
            "s",
            warn_at=2,
            bad_at=10,
        ),
        stat("Sleeping", 'max(saga_active{type="sleeping_execution"})'),
        stat("Triggers asleep", 'max(saga_active{type="trigger"})'),
        stat("Trigger due longest", "max(trigger_lag_seconds)", "s", warn_at=10, bad_at=30),
        stat("Appends waiting", "sum(es_append_queue_depth)", warn_at=1000, bad_at=10000),
        chart(
            "Steps",
            Line(
                "sum by (node_type, result) (rate(saga_steps_total[5m]))",
                "{{node_type}} {{result}}",
            ),
            unit="ops",
        ),
        quantiles("Time of a step (p95)", "saga_step_seconds", "node_type"),
        chart(
            "Triggers",
            Line(
                "sum by (topic) (increase("
                'domain_events_total{topic=~"trigger.(fired|missed|buffered|paused)"}[5m]))',
                "{{topic}}",
            ),
            Line("sum by (code) (increase(trigger_refusals_total[5m]))", "refused: {{code}}"),
        ),
        chart(
            "Failed steps",
            Line(
                "sum by (node_type) (rate(saga_step_failures_total[5m]))"
                " / sum by (node_type) (rate(saga_steps_total[5m]))",
                "{{node_type}}",
            ),
            unit="percentunit",
        ),
        chart(
            "Appends",
            Line("sum by (result) (rate(es_append_total[5m]))", "{{result}}"),
            Line("sum(rate(es_events_appended_total[5m]))", "events"),
            unit="ops",
        ),
        quantiles("One append transaction", "es_append_batch_seconds"),
        chart("Readers held back", Line("max(es_unreadable_seconds)", "seconds"), unit="s"),
        chart(
            "Calls of models (p95)",
            Line(
                "histogram_quantile(0.95, sum by (le, gen_ai_request_model)"
                " (rate(gen_ai_client_operation_duration_seconds_bucket[5m])))",
                "{{gen_ai_request_model}}",
            ),
            unit="s",
        ),
        chart(
            "Calls of models that failed",
            Line(
                "sum by (gen_ai_provider_name, error_type)"
                ' (rate(gen_ai_client_operation_duration_seconds_count{error_type!=""}[5m]))',
                "{{gen_ai_provider_name}} {{error_type}}",
            ),
            unit="ops",
        ),
        chart(
            "Tools",
            Line(
                "sum by (tool_kind, result) (rate(tool_executions_total[5m]))",
                "{{tool_kind}} {{result}}",
            ),
            unit="ops",
        ),
        chart(
            "Compensations",
            Line("sum by (result) (rate(saga_compensations_total[5m]))", "{{result}}"),
            unit="ops",
        ),
        chart(
            "Refused at admission",
            Line("sum by (code) (rate(agentledger_admission_refusals_total[5m]))", "{{code}}"),
            unit="ops",
        ),
        chart(
            "Begun and not ended",
            Line("max by (type) (saga_active)", "{{type}}"),
        ),
    ],
)

PROJECTIONS = Dashboard(
    "projections",
    "projections and the log",
    [
        stat("Events behind", "max(projection_lag_events)", warn_at=1000, bad_at=5000),
        stat("Not published", "max(relay_lag_events)", warn_at=1000, bad_at=10000),
        stat("Not sealed", "max(seal_lag_seconds)", "s", warn_at=60, bad_at=300),
        stat("Dead letters", "sum(max by (projection) (dlq_depth))", bad_at=1),
        stat("Events of the log", "max(es_event_store_size_events)"),
        stat("Size of the log", "max(es_event_store_size_bytes)", "bytes"),
        chart(
            "Behind, by read model",
            Line("max by (projection) (projection_lag_seconds)", "{{projection}}"),
            unit="s",
        ),
        chart(
            "Rebuilds",
            Line("min by (projection) (projection_rebuild_progress_ratio)", "{{projection}}"),
            unit="percentunit",
        ),
        chart(
            "Handled",
            Line("sum by (group) (rate(consumer_events_total[5m]))", "{{group}}"),
            unit="ops",
        ),
        quantiles("One batch (p95)", "consumer_batch_seconds", "group"),
        chart(
            "Behind in Kafka, records",
            Line("sum by (group) (consumer_lag_events)", "{{group}}"),
        ),
        chart(
            "How old events are when they are handled",
            Line("max by (group) (consumer_lag_seconds)", "{{group}}"),
            unit="s",
        ),
        chart(
            "Stalled",
            Line("max by (group, instance) (consumer_stalled)", "{{group}} {{instance}}"),
        ),
        chart(
            "Relay",
            Line("max(relay_oldest_unpublished_seconds)", "oldest, seconds"),
            Line("sum(rate(relay_published_total[5m]))", "published a second"),
            Line("sum(relay_active)", "active"),
        ),
        chart(
            "Seals",
            Line("sum(rate(sealed_events_total[5m]))", "sealed a second"),
            Line("max(seal_lag_events)", "not sealed"),
        ),
    ],
)

MONEY = Dashboard(
    "money",
    "money",
    [
        stat(
            "Spend, USD a day",
            "sum(rate(llm_cost_micro_usd_total[1h])) * 86400 / 1e6",
            "currencyUSD",
        ),
        stat("Without a price", "max(agentledger_usage_unpriced)", bad_at=1),
        stat("Unresolved", "max(agentledger_usage_unresolved)", warn_at=1),
        stat("Refused by budgets", "sum(increase(budget_refusals_total[1h]))", warn_at=1),
        stat(
            "Past due",
            'sum(increase(domain_events_total{topic="invoice.past_due_marked"}[1d]))',
            warn_at=1,
        ),
        stat("Paid", 'sum(increase(domain_events_total{topic="invoice.paid"}[1d]))'),
        chart(
            "Tokens",
            Line("sum by (kind) (rate(llm_tokens_total[5m]))", "{{kind}}"),
            unit="ops",
        ),
        chart(
            "Spend by model, USD an hour",
            Line("sum by (model) (rate(llm_cost_micro_usd_total[5m])) * 3600 / 1e6", "{{model}}"),
            unit="currencyUSD",
        ),
        chart(
            "Tokens of one call (p95)",
            Line(
                "histogram_quantile(0.95, sum by (le, gen_ai_token_type)"
                " (rate(gen_ai_client_token_usage_bucket[15m])))",
                "{{gen_ai_token_type}}",
            ),
        ),
        chart(
            "Budgets",
            Line("sum by (code) (rate(budget_refusals_total[5m]))", "refused: {{code}}"),
            Line(
                'sum by (topic) (rate(domain_events_total{topic=~"budget[.].*"}[5m]))', "{{topic}}"
            ),
            unit="ops",
        ),
        chart(
            "Invoices",
            Line(
                'sum by (topic) (increase(domain_events_total{topic=~"invoice[.].*"}[1h]))',
                "{{topic}}",
            ),
        ),
        chart(
            "Payments",
            Line("sum by (result) (increase(agentledger_payments_total[1h]))", "{{result}}"),
        ),
    ],
)

API = Dashboard(
    "api",
    "API",
    [
        stat("Requests a second", REQUESTS, "reqps"),
        stat("Errors", f"{ERRORS} / {REQUESTS}", "percentunit", warn_at=0.001, bad_at=0.01),
        stat("In hand", "sum(http_server_active_requests)"),
        stat("WebSockets", "sum(websocket_active_connections)"),
        stat("Streams", "sum(agentledger_subscriptions_active)"),
        stat("Event loop late", "max(event_loop_lag_seconds)", "s", warn_at=0.25, bad_at=1),
        chart(
            "Requests by route",
            Line(
                "topk(12, sum by (method, route) (rate(http_requests_total[5m])))",
                "{{method}} {{route}}",
            ),
            unit="reqps",
        ),
        chart(
            "By status",
            Line("sum by (status) (rate(http_requests_total[5m]))", "{{status}}"),
            unit="reqps",
        ),
        quantiles("Time of a request", "http_request_duration_seconds"),
        quantiles("GraphQL (p95)", "agentledger_graphql_request_seconds", "outcome"),
        chart(
            "Over a rate limit",
            Line("sum by (class) (rate(rate_limited_total[5m]))", "{{class}}"),
            unit="reqps",
        ),
        chart(
            "Webhooks of runs",
            Line("sum by (result) (rate(webhook_deliveries_total[5m]))", "{{result}}"),
            unit="reqps",
        ),
        chart(
            "Connections to PostgreSQL",
            Line("sum by (role, state) (db_pool_connections)", "{{role}} {{state}}"),
        ),
        chart(
            "What caches had",
            Line(
                "sum by (cache, level) (rate(agentledger_cache_hits_total[5m]))"
                " / (sum by (cache, level) (rate(agentledger_cache_hits_total[5m]))"
                " + sum by (cache, level) (rate(agentledger_cache_misses_total[5m])))",
                "{{cache}} {{level}}",
            ),
            unit="percentunit",
        ),
        chart(
            "Traces",
            Line("sum by (result) (rate(trace_spans_total[5m]))", "{{result}}"),
            unit="ops",
        ),
    ],
)

DASHBOARDS = (OVERVIEW, ENGINE, PROJECTIONS, MONEY, API)
