"""What is told of runs while they are driven: spans, metrics, and a line where one step takes long.

A drive is a trace of its own, with a link to what led to it, for a run may sleep for days; what it
performs are its children.
"""

import logging
from collections.abc import Callable, Coroutine
from functools import cache
from typing import Any
from uuid import UUID

from prometheus_client import Counter, Histogram

from domain.attempts import Attempt, Failure
from domain.executions import Execution
from domain.identifiers import TenantId
from domain.money import PICO_PER_USD
from domain.node_runs import is_compensation
from infra import genai_names as genai
from infra.logs import SLOW, told
from infra.metrics import METRICS
from infra.models.known_names import OfModels
from infra.tracing import (
    EXECUTION_ID,
    NO_SPAN,
    TENANT_ID,
    Span,
    SpanBlock,
    is_on,
    root_span,
    span,
)
from sagas.effects import ChildWanted, Outcome, Run

PICO_PER_MICRO = PICO_PER_USD // 1_000_000

log = logging.getLogger(__name__)


class DriveWatch:
    """Of one drive. cause: the traceparent of what led to it."""

    def __init__(self, tenant_id: TenantId, execution_id: UUID, cause: str | None) -> None:
        self._tenant_id = tenant_id
        self._execution_id = execution_id
        self._cause = cause
        self._span: Span = NO_SPAN

    def driven(self, drive: Callable[[], Coroutine[Any, Any, None]]) -> Coroutine[Any, Any, None]:
        return self._traced(drive) if is_on() else drive()

    async def _traced(self, drive: Callable[[], Coroutine[Any, Any, None]]) -> None:
        attributes = {
            TENANT_ID: str(self._tenant_id),
            EXECUTION_ID: str(self._execution_id),
            genai.CONVERSATION_ID: str(self._execution_id),
            genai.OPERATION_NAME: genai.INVOKE_WORKFLOW,
        }
        with root_span("drive execution", "consumer", attributes, links=[self._cause]) as made:
            self._span = made
            await drive()

    def hears(self, traceparent: str | None, *, is_news: bool) -> None:
        """Somebody else's event, or one of this drive that comes back."""
        if is_news and traceparent != self._cause:
            self._span.link(traceparent)


def attempt_span(attempt: Attempt, run: Run) -> SpanBlock:
    """Where somebody wants traces."""
    attributes: dict[str, str | int] = {
        TENANT_ID: str(run.tenant_id),
        EXECUTION_ID: str(run.execution_id),
        genai.CONVERSATION_ID: str(run.execution_id),
        "agentledger.node.path": attempt.path,
        "agentledger.node.type": attempt.node_type,
        "agentledger.attempt": attempt.number,
    }
    if attempt.node_type == "agent":
        attributes[genai.OPERATION_NAME] = genai.INVOKE_AGENT
        attributes[genai.AGENT_ID] = str(attempt.request.get("agent_id", ""))
    return span(f"attempt {attempt.node_type}", attributes=attributes)


def tell_attempt(
    attempt: Attempt, run: Run, ended: Outcome | ChildWanted | Failure, seconds: float
) -> None:
    node_type = attempt.node_type
    result = "completed"
    if isinstance(ended, Failure):
        result = "failed"
        METRICS.sagas.step_failures.labels(node_type).inc()
    if not isinstance(ended, ChildWanted):
        metered, cost = ended.usage.metered, ended.usage.cost_usd_pico
        if metered is not None and cost:
            _costs[metered.model].inc(cost / PICO_PER_MICRO)
    steps, step_seconds = _of_steps(node_type, result)
    steps.inc()
    step_seconds.observe(seconds)
    if is_compensation(attempt.path):
        METRICS.sagas.compensations.labels(result).inc()
    if 0 < SLOW.step_s < seconds:
        path = attempt.path
        fields = told("slow_step", node_type=node_type, path=path, seconds=round(seconds, 3))
        log.warning(
            "step %s (%s) of %s took %.1f s",
            path,
            node_type,
            run.execution_id,
            seconds,
            extra=fields,
        )


# Finding a series takes as long as counting twice; there are as many as node types.
@cache
def _of_steps(node_type: str, result: str) -> tuple[Counter, Histogram]:
    sagas = METRICS.sagas
    return sagas.steps.labels(node_type, result), sagas.step_seconds.labels(node_type)


def _cost(label: tuple[str, str]) -> Counter:
    return METRICS.models.cost_micro_usd.labels(*label)


_costs = OfModels(_cost)


def tell_ended(execution: Execution) -> None:
    ended, took_s = _of_runs(execution.status)
    ended.inc()
    seconds = (execution.modified_on - execution.created_on).total_seconds()
    took_s.observe(max(0.0, seconds))


@cache
def _of_runs(status: str) -> tuple[Counter, Histogram]:
    sagas = METRICS.sagas
    return sagas.executions_ended.labels(status), sagas.execution_seconds.labels(status)
