"""Roles that live in one process tell each other at once what the log tells everybody a little
later. Hints only: where the other role is not here, or a hint is lost, nothing is.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from domain.aggregates import Aggregate
from domain.credentials import ApiKey
from domain.execution_parts import text_id
from domain.executions import Execution
from domain.feature_flags import FeatureFlag
from domain.identifiers import JsonObject, TenantId
from domain.identity import User
from domain.plans import Plan
from domain.roles import Role
from domain.sessions import Session
from domain.tenants import Tenant


def _to_nobody(*_: object) -> None:
    """That role is not in this process."""


class WorkerCounts(NamedTuple):
    """What a worker has in hand at a moment; see infra/metrics.py."""

    attempts_in_flight: int
    claims_waiting: int
    executions_driven: int
    starts_waiting: int


@dataclass(slots=True)
class Neighbours:
    """execution_stored: a command has just stored events of a run, for the worker that drives it,
    with the traceparent of the append.

    execution_ended: a run has ended, and this is its result as `wait_s` answers it, for who waits.

    access_changed: what somebody may do has changed with this stream (a key, a user, a role, a
    session, the tenant, a plan or a flag), for who remembers callers.

    worker_began: what the worker has in hand may be asked from now on, by who tells Prometheus.

    cache_asked: a cache of this name and level was asked, and had it or not.
    """

    execution_stored: Callable[[TenantId, Execution, str | None], None] = _to_nobody
    execution_ended: Callable[[UUID, JsonObject], None] = _to_nobody
    access_changed: Callable[[UUID], None] = _to_nobody
    worker_began: Callable[[Callable[[], WorkerCounts]], None] = _to_nobody
    cache_asked: Callable[[str, str, bool], None] = _to_nobody

    def stored(self, tenant_id: TenantId, aggregate: Aggregate, traceparent: str | None) -> None:
        match aggregate:
            case Execution():
                self.execution_stored(tenant_id, aggregate, traceparent)
            case ApiKey() | User() | Role() | Session() | Tenant() | Plan() | FeatureFlag():
                self.access_changed(aggregate.id)
            case _:
                pass

    def ended(self, execution: Execution) -> None:
        self.execution_ended(execution.id, result_of(execution))


def result_of(execution: Execution) -> JsonObject:
    """{execution_id, status, output, error} of a run that has ended."""
    return {
        "execution_id": text_id(execution.roots),
        "status": execution.status,
        "output": execution.output,
        "error": execution.error,
    }
