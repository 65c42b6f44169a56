"""The places where a process may be told to die: before and after every commit, produce,
acknowledgement and effect. Only tests do, by AGENTLEDGER_CRASH_AT=`name`, or `name:n` for the n-th
time.

Death is SIGKILL: no `finally`, no flush, no goodbye.
"""

import os
import signal
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

CrashPoint: TypeAlias = Literal[
    # The event store (infra/group_commit.py).
    "append.before_statement",
    "append.in_transaction",
    "append.after_commit",
    "append.after_answer",
    # From PostgreSQL to Kafka (infra/relay.py).
    "relay.after_lock",
    "relay.before_send",
    "relay.after_send",
    "relay.after_acknowledgement",
    "relay.after_position",
    # Reading Kafka (infra/kafka.py).
    "kafka_log.after_assignment",
    "kafka_log.before_handling",
    "kafka_log.after_handling",
    "kafka_log.before_acknowledgement",
    "kafka_log.after_acknowledgement",
    # Reading PostgreSQL, and owning partitions there (infra/postgres_log.py).
    "lease.before_claim",
    "lease.after_claim",
    "lease.before_release",
    "lease.after_release",
    "lease.before_leave",
    "lease.after_leave",
    "postgres_log.after_assignment",
    "postgres_log.before_handling",
    "postgres_log.after_handling",
    # Read models (projections/).
    "projector.after_assignment",
    "projector.before_commit",
    "projector.after_commit",
    "rebuild.after_create",
    "rebuild.before_page",
    "rebuild.after_page",
    "rebuild.before_swap",
    "rebuild.after_swap",
    "replay.before_commit",
    "replay.after_commit",
    # Runs (sagas/drive.py, sagas/executions.py) and what they do outside (infra/http_client.py).
    "saga.after_assignment",
    "saga.before_append",
    "saga.after_append",
    "saga.before_effect",
    "http.after_request",
    "saga.after_effect",
    "saga.before_outcome",
    "saga.after_outcome",
    "saga.after_end",
    "saga.after_let_go",
    "timers.before_wake",
    "timers.after_wake",
    # Bulk operations (sagas/bulk_operations.py).
    "bulk.after_claim",
    "bulk.after_command",
    "bulk.before_progress",
    "bulk.after_progress",
    "bulk.after_release",
    # Fires of triggers (sagas/triggers.py).
    "triggers.after_claim",
    "triggers.after_fire",
    "triggers.after_miss",
    # What is told of budgets (sagas/budget_alerts.py), and paying for calls (sagas/reserving.py).
    "budgets.before_alert",
    "budgets.after_alert",
    "budgets.before_reserve",
    "budgets.after_reserve",
    "budgets.before_settle",
    "budgets.after_settle",
    # Texts that are embedded by a model that is paid for (sagas/embeddings.py,
    # sagas/workflow_templates.py).
    "embeddings.before_call",
    "embeddings.after_call",
    "embeddings.after_outcome",
    # Places under the limits of calls (sagas/call_slots.py).
    "limits.before_take",
    "limits.after_take",
    "limits.before_settle",
    "limits.after_settle",
    # Invoices (sagas/billing.py).
    "billing.after_claim",
    "billing.before_append",
    "billing.after_append",
    # Tenants that leave (sagas/offboarding.py).
    "offboarding.after_claim",
    "offboarding.after_cancel",
    "offboarding.before_end",
    "offboarding.after_end",
    # What its time has come for (sagas/deadlines.py), and what a provider was asked to take
    # (infra/payments/stripe_provider.py).
    "deadlines.after_claim",
    "deadlines.before_release",
    "payments.after_charge",
    # What is left of erased tenants (infra/erasure.py).
    "erasure.before_page",
    "erasure.after_page",
    # Another master key (infra/master_key_rotation.py).
    "rotation.before_commit",
    "rotation.after_commit",
    # The schema (infra/migrations, projections/schema.py).
    "migration.before_commit",
    "migration.after_commit",
    "schema.before_commit",
    "schema.after_commit",
]
CRASH_POINTS: tuple[CrashPoint, ...] = get_args(CrashPoint)


@dataclass(eq=False)
class _Ordered:
    """times_left: how often the point is passed before the process dies at it."""

    point: str
    times_left: int


def _ordered(text: str | None) -> _Ordered | None:
    if not text:
        return None
    point, _, times = text.partition(":")
    assert point in CRASH_POINTS, f"AGENTLEDGER_CRASH_AT: there is no crash point {point!r}"
    return _Ordered(point, int(times or 1))


# Read once, so that a point costs one comparison where nobody asked for a crash.
_order = _ordered(os.environ.get("AGENTLEDGER_CRASH_AT"))


def order(text: str | None) -> None:
    """As the environment variable does, for a process that is running already."""
    global _order  # noqa: PLW0603 # one order for a process, which ends by it
    _order = _ordered(text)


def reach(point: CrashPoint) -> None:
    """The process is at this point; it goes on unless it was told to die here."""
    if _order is not None and _order.point == point:
        _order.times_left -= 1
        if _order.times_left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
