"""Rules of Prometheus: what a service level is, how fast its error budget burns, and what somebody
has to look at. Each alert has its entry in docs/observability.md, by its name.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from deploy.panels import Json

RUNBOOK = "docs/observability.md"
# 99.9 % of requests are answered without an error of ours, 99 % of them within two seconds.
AVAILABILITY_BUDGET = "0.001"
LATENCY_BUDGET = "0.01"
WITHIN_S = "2.0"
WINDOWS = ("5m", "30m", "1h", "6h")


@dataclass(frozen=True, slots=True)
class Recording:
    name: str
    expr: str

    def document(self) -> Json:
        return {"record": self.name, "expr": self.expr}


@dataclass(frozen=True, slots=True)
class Alert:
    """severity: page wakes somebody, ticket waits for the morning."""

    name: str
    expr: str
    since: str
    severity: Literal["page", "ticket"]
    summary: str

    def document(self) -> Json:
        return {
            "alert": self.name,
            "expr": self.expr,
            "for": self.since,
            "labels": {"severity": self.severity, "service": "agentledger"},
            "annotations": {"summary": self.summary, "runbook": f"{RUNBOOK}, {self.name}"},
        }


def _ratios() -> list[Recording]:
    rules: list[Recording] = []
    for window in WINDOWS:
        rules.append(
            Recording(
                f"agentledger:http_errors:ratio_rate{window}",
                f'sum(rate(http_requests_total{{status=~"5.."}}[{window}]))'
                f" / sum(rate(http_requests_total[{window}]))",
            )
        )
        rules.append(
            Recording(
                f"agentledger:http_slow:ratio_rate{window}",
                "1 - sum(rate(http_request_duration_seconds_bucket"
                f'{{le="{WITHIN_S}"}}[{window}]))'
                f" / sum(rate(http_request_duration_seconds_count[{window}]))",
            )
        )
    return rules


def _burns(ratio: str, budget: str, factor: str, windows: tuple[str, str]) -> str:
    """Over both windows: the long one says that it matters, the short one that it goes on."""
    parts = [f"agentledger:{ratio}:ratio_rate{window} > {factor} * {budget}" for window in windows]
    return " and ".join(parts)


RECORDINGS = _ratios()

ALERTS: dict[str, Sequence[Alert]] = {
    "service-levels": [
        Alert(
            "AgentLedgerDown",
            'up{job="agentledger"} == 0',
            "2m",
            "page",
            "{{ $labels.instance }} does not answer.",
        ),
        Alert(
            "ErrorBudgetBurnsFast",
            _burns("http_errors", AVAILABILITY_BUDGET, "14.4", ("1h", "5m")),
            "2m",
            "page",
            "Errors use up a month's error budget in two days.",
        ),
        Alert(
            "ErrorBudgetBurns",
            _burns("http_errors", AVAILABILITY_BUDGET, "6", ("6h", "30m")),
            "15m",
            "ticket",
            "Errors use up a month's error budget in five days.",
        ),
        Alert(
            "LatencyBudgetBurnsFast",
            _burns("http_slow", LATENCY_BUDGET, "14.4", ("1h", "5m")),
            "2m",
            "page",
            "Too many requests take longer than two seconds.",
        ),
        Alert(
            "LatencyBudgetBurns",
            _burns("http_slow", LATENCY_BUDGET, "6", ("6h", "30m")),
            "15m",
            "ticket",
            "More requests than agreed take longer than two seconds.",
        ),
    ],
    "log": [
        Alert(
            "ProjectionBehind",
            "max by (projection) (projection_lag_seconds) > 60",
            "5m",
            "page",
            "The read model {{ $labels.projection }} is {{ $value }} s behind.",
        ),
        Alert(
            "DeadLetters",
            "max by (projection) (dlq_depth) > 0",
            "5m",
            "ticket",
            "{{ $labels.projection }} has parked {{ $value }} streams.",
        ),
        Alert(
            "ConsumerStalled",
            "max by (group, instance) (consumer_stalled) == 1",
            "2m",
            "page",
            "The group {{ $labels.group }} of {{ $labels.instance }} stands still.",
        ),
        Alert(
            "RelayBehind",
            "max(relay_oldest_unpublished_seconds) > 30",
            "5m",
            "page",
            "Events wait {{ $value }} s to be published to Kafka.",
        ),
        Alert(
            "ReadersHeldBack",
            "max(es_unreadable_seconds) > 5",
            "2m",
            "page",
            "An old write transaction hides {{ $value }} s of the log from its readers.",
        ),
        Alert(
            "AppendsFail",
            'sum(rate(es_append_total{result="failed"}[5m])) > 0',
            "2m",
            "page",
            "Appends fail: the database refuses, or does not answer.",
        ),
        Alert(
            "AppendsWait",
            "max by (instance) (es_append_queue_depth) > 5000",
            "2m",
            "page",
            "{{ $value }} appends wait in {{ $labels.instance }}.",
        ),
        Alert(
            "SealsBehind",
            "max(seal_lag_seconds) > 300",
            "10m",
            "ticket",
            "The log is not sealed for {{ $value }} s.",
        ),
        Alert(
            "AuditEntriesLost",
            "increase(agentledger_audit_entries_lost_total[15m]) > 0",
            "0m",
            "page",
            "Entries of the audit trail were lost.",
        ),
    ],
    "engine": [
        Alert(
            "ExecutionsWait",
            "max(agentledger_open_executions_lag_seconds) > 10",
            "5m",
            "page",
            "Executions wait {{ $value }} s to begin: workers are short.",
        ),
        Alert(
            "TriggersLate",
            "max(trigger_lag_seconds) > 30",
            "2m",
            "page",
            "A trigger is due for {{ $value }} s, and no worker looks at it.",
        ),
        Alert(
            "ExecutionsNeedAttention",
            "max(agentledger_executions_needing_attention) > 0",
            "15m",
            "ticket",
            "{{ $value }} executions wait for somebody to decide.",
        ),
        Alert(
            "StepsFail",
            "sum by (node_type) (rate(saga_step_failures_total[15m]))"
            " / sum by (node_type) (rate(saga_steps_total[15m])) > 0.2",
            "15m",
            "ticket",
            "A fifth of the attempts of {{ $labels.node_type }} fails.",
        ),
        Alert(
            "CompensationsFail",
            'sum(increase(saga_compensations_total{result="failed"}[30m])) > 0',
            "0m",
            "ticket",
            "Something could not be undone.",
        ),
        Alert(
            "ModelsFail",
            "sum by (gen_ai_provider_name)"
            ' (rate(gen_ai_client_operation_duration_seconds_count{error_type!=""}[15m]))'
            " / sum by (gen_ai_provider_name)"
            " (rate(gen_ai_client_operation_duration_seconds_count[15m])) > 0.2",
            "15m",
            "ticket",
            "A fifth of the calls to {{ $labels.gen_ai_provider_name }} fails.",
        ),
        Alert(
            "PartBeginsAgain",
            "sum by (part, instance) (increase(part_restarts_total[15m])) > 3",
            "0m",
            "ticket",
            "{{ $labels.part }} of {{ $labels.instance }} keeps failing.",
        ),
    ],
    "money": [
        Alert(
            "BudgetsRefuse",
            'sum(increase(budget_refusals_total{code="budget_exceeded"}[1h])) > 10',
            "0m",
            "ticket",
            "Budgets refused {{ $value }} calls within an hour.",
        ),
        Alert(
            "PaymentsFail",
            'sum(increase(agentledger_payments_total{result=~"failed|abandoned"}[1h])) > 0',
            "0m",
            "ticket",
            "{{ $value }} payments failed within an hour.",
        ),
        Alert(
            "InvoicesUnpaid",
            'sum(increase(domain_events_total{topic=~"invoice.(past_due|uncollectible)_marked"}[1h]))'
            " > 0",
            "0m",
            "ticket",
            "Invoices were not paid.",
        ),
        Alert(
            "UsageUnpriced",
            "max(agentledger_usage_unpriced) > 0",
            "15m",
            "ticket",
            "{{ $value }} calls of the last day have no price.",
        ),
        Alert(
            "UsageUnresolved",
            "max(agentledger_usage_unresolved) > 0",
            "6h",
            "ticket",
            "Nobody knows what {{ $value }} calls of the last day used.",
        ),
    ],
    "resources": [
        Alert(
            "DiskFills",
            "disk_free_bytes / disk_size_bytes < 0.1",
            "10m",
            "page",
            "{{ $labels.instance }} has less than a tenth of its disk left.",
        ),
        Alert(
            "PoolExhausted",
            'max by (instance, role) (db_pool_connections{state="awaited"}) > 0',
            "5m",
            "ticket",
            "Callers of {{ $labels.instance }} wait for connections of {{ $labels.role }}.",
        ),
        Alert(
            "EventLoopLate",
            "max by (instance) (event_loop_lag_seconds) > 1",
            "5m",
            "page",
            "{{ $labels.instance }} does not get round: its event loop is {{ $value }} s late.",
        ),
        Alert(
            "ClockWrong",
            "max by (instance) (abs(clock_offset_seconds)) > 1",
            "5m",
            "ticket",
            "The clock of {{ $labels.instance }} differs by {{ $value }} s from PostgreSQL's.",
        ),
        Alert(
            "ProcessorBusy",
            "rate(process_cpu_seconds_total[15m]) > 0.95",
            "15m",
            "ticket",
            "{{ $labels.instance }} uses a whole processor.",
        ),
        Alert(
            "FilesRunOut",
            "process_open_fds / process_max_fds > 0.8",
            "5m",
            "page",
            "{{ $labels.instance }} has few file descriptors left.",
        ),
        Alert(
            "RateLimitsAlone",
            "max by (instance) (agentledger_rate_limits_alone) == 1",
            "5m",
            "ticket",
            "{{ $labels.instance }} holds rate limits without the others.",
        ),
        Alert(
            "TracesLost",
            'sum(rate(trace_spans_total{result="lost"}[15m])) > 0',
            "30m",
            "ticket",
            "The collector of traces does not answer.",
        ),
    ],
}


def recording_rules() -> Json:
    rules: list[Json] = [rule.document() for rule in RECORDINGS]
    return {"groups": [{"name": "agentledger-ratios", "interval": "30s", "rules": rules}]}


def alerting_rules() -> Json:
    groups: list[Json] = []
    for name, alerts in ALERTS.items():
        rules: list[Json] = [alert.document() for alert in alerts]
        groups.append({"name": f"agentledger-{name}", "rules": rules})
    return {"groups": groups}
