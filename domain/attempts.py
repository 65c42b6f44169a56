"""Attempts: the effects a worker performs for a node, what they are asked, and how they end.

Whatever is to be recorded is made fit for it here: rendered, small enough, or a failure with a
reason.
"""

import zlib
from datetime import datetime, timedelta
from typing import NamedTuple

from domain.definition_fields import RetryPolicy
from domain.expressions import ExpressionFailed
from domain.identifiers import JsonObject
from domain.node_types import (
    FREE,
    UNBILLED,
    EffectfulNode,
    Failure,
    PureNode,
    Result,
    Scope,
    Usage,
)
from domain.payloads import PayloadRefused, require_payload
from domain.records import record
from domain.secret_references import SecretReference

RETRY_AFTER_S_MAX = 3600.0
# A node that takes its worker down each time must not do so for ever.
UNKNOWN_OUTCOMES_MAX = 20

UNKNOWN_OUTCOME = "unknown_outcome"
# The execution went on, or came to its end, without what this node would have brought.
ABANDONED = "abandoned"


class Reserved(NamedTuple):
    """What budgets hold for a call. model: as prices name it. tokens_max: of the answer; the call
    is told. agent_version: the one whose call it is.
    """

    usd_pico: int
    tokens_max: int | None
    model: str
    agent_version: int | None = None


@record
class Attempt:
    """An effect to perform, once its intent (NodeStarted) is stored if it has one. number: 1-based.

    heartbeat_s: how long it may give no sign of life; None is as long as it takes. secrets: where
    the request has a reference in place of a value.
    """

    path: str
    node_type: str
    number: int
    request: JsonObject
    timeout_s: float
    idempotency_key: str
    has_intent: bool = True
    heartbeat_s: float | None = None
    secrets: tuple[SecretReference, ...] = ()
    reserved: Reserved | None = None

    def paid_for(self, reserved: Reserved) -> "Attempt":
        """As `replace`, in a tenth of the time: done for each call under a budget."""
        return Attempt(
            self.path,
            self.node_type,
            self.number,
            self.request,
            self.timeout_s,
            self.idempotency_key,
            self.has_intent,
            self.heartbeat_s,
            self.secrets,
            reserved,
        )


INTERRUPTED = Failure(
    UNKNOWN_OUTCOME,
    "the worker went away before it recorded an outcome",
    is_retryable=True,
    usage=UNBILLED,
)
ABANDONED_RUNNING = Failure(ABANDONED, "the execution went on without it", usage=UNBILLED)
ABANDONED_WAITING = Failure(ABANDONED, "the execution went on without it")


def result_of(config: PureNode, scope: Scope) -> Result | Failure:
    """What a pure node answers."""
    try:
        return payload_result(config.run(scope), FREE)
    except ExpressionFailed as failed:
        return expression_failure(failed)


def request_of(config: EffectfulNode, scope: Scope) -> JsonObject | Failure:
    """What an effectful node asks for."""
    try:
        request = config.request(scope)
        require_payload(request, "rendered config")
    except ExpressionFailed as failed:
        return expression_failure(failed)
    except PayloadRefused as refusal:
        return Failure(refusal.code, refusal.message)
    return request


def expression_failure(failed: ExpressionFailed) -> Failure:
    return Failure("expression_failed", str(failed))


def payload_result(result: Result, usage: Usage) -> Result | Failure:
    """usage: is owed also for an output that is refused."""
    try:
        require_payload(result.output, "output")
    except PayloadRefused as refusal:
        return Failure(refusal.code, refusal.message, usage=usage)
    return result


def retry_at(
    policy: RetryPolicy, number: int, failure: Failure, now: datetime, *, key: str
) -> datetime | None:
    """When to try again; None when this failure is final. number: of the attempt, from 1 since the
    last time that somebody asked for a retry. key: chance is drawn from it, the same every time.
    """
    if not failure.is_retryable or failure.code in policy.non_retryable:
        return None
    if number >= policy.max_attempts:
        return None
    chance = zlib.crc32(key.encode()) / 2**32
    asked_s = min(failure.retry_after_s or 0.0, RETRY_AFTER_S_MAX)
    return now + timedelta(seconds=max(policy.backoff_s(number, chance), asked_s))
