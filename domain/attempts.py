"""Attempts: the effects a worker performs for a node, what they are asked, and how they end.

Whatever is to be recorded is made fit for it here: rendered, small enough, or a failure with a
reason.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from domain.definitions import Node
from domain.expressions import ExpressionFailed
from domain.identifiers import JsonObject
from domain.node_types import EffectfulNode, PureNode, Result, Scope
from domain.payloads import PayloadRefused, require_inline

RETRY_AFTER_S_MAX = 3600.0
# A node that takes its worker down each time must not do so for ever.
UNKNOWN_OUTCOMES_MAX = 20

UNKNOWN_OUTCOME = "unknown_outcome"


@dataclass(frozen=True, slots=True)
class Attempt:
    """An effect to perform once its intent (NodeStarted) is stored. number: 1-based."""

    path: str
    node_type: str
    number: int
    request: JsonObject
    timeout_s: float
    idempotency_key: str


@dataclass(frozen=True, slots=True)
class Usage:
    """What an attempt was billed. cost_usd_pico: None when nobody knows."""

    model: str | None = None
    tokens_in: int = 0
    tokens_out: int = 0
    cost_usd_pico: int | None = 0

    def facts(self) -> JsonObject:
        """As the events of a node have it."""
        return {
            "model": self.model,
            "tokens_in": self.tokens_in,
            "tokens_out": self.tokens_out,
            "cost_usd_pico": self.cost_usd_pico,
        }


FREE = Usage()
UNBILLED = Usage(cost_usd_pico=None)


@dataclass(frozen=True, slots=True)
class Failure:
    """How an attempt ended without an outcome. retry_after_s: what the other side asked for."""

    code: str
    message: str
    is_retryable: bool
    retry_after_s: float | None = None
    usage: Usage = FREE


INTERRUPTED = Failure(
    UNKNOWN_OUTCOME,
    "the worker went away before it recorded an outcome",
    is_retryable=True,
    usage=UNBILLED,
)
ABANDONED_RUNNING = Failure(
    "abandoned", "the execution completed without it", is_retryable=False, usage=UNBILLED
)
ABANDONED_WAITING = Failure("abandoned", "the execution completed without it", is_retryable=False)


def result_of(config: PureNode, scope: Scope) -> Result | Failure:
    """What a pure node answers."""
    try:
        return inline_result(config.run(scope), FREE)
    except ExpressionFailed as failed:
        return Failure("expression_failed", str(failed), is_retryable=False)


def request_of(config: EffectfulNode, scope: Scope) -> JsonObject | Failure:
    """What an effectful node asks for."""
    try:
        request = config.request(scope)
        require_inline(request, "rendered config")
    except ExpressionFailed as failed:
        return Failure("expression_failed", str(failed), is_retryable=False)
    except PayloadRefused as refusal:
        return Failure(refusal.code, refusal.message, is_retryable=False)
    return request


def inline_result(result: Result, usage: Usage) -> Result | Failure:
    """usage: is owed also for an output that is refused."""
    try:
        require_inline(result.output, "output")
    except PayloadRefused as refusal:
        return Failure(refusal.code, refusal.message, is_retryable=False, usage=usage)
    return result


def retry_at(node: Node, attempt: int, failure: Failure, now: datetime) -> datetime | None:
    """When to try again; None when this failure is final."""
    if not failure.is_retryable or attempt >= node.retry.max_attempts:
        return None
    asked_s = min(failure.retry_after_s or 0.0, RETRY_AFTER_S_MAX)
    return now + timedelta(seconds=max(node.retry.backoff_s(attempt), asked_s))
