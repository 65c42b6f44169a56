"""Performing one attempt: within its time, with its signs of life, and never without an outcome."""

import asyncio
import logging
from collections.abc import Coroutine, Generator, Mapping
from dataclasses import replace
from time import perf_counter
from types import coroutine
from typing import Any, TypeAlias, TypeVar

from domain.attempts import Attempt, Failure
from domain.errors import Unavailable
from domain.node_types import UNBILLED
from infra.tracing import is_on
from sagas.attempt_watch import attempt_span, tell_attempt
from sagas.effects import AttemptFailed, ChildWanted, Effects, Outcome, Run, Runner

log = logging.getLogger(__name__)

Done = TypeVar("Done")
Ended: TypeAlias = Outcome | ChildWanted | Failure


def perform(
    attempt: Attempt, run: Run, effects: Effects, runners: Mapping[str, Runner]
) -> Coroutine[Any, Any, Ended]:
    """Whatever happens, this is how the attempt ended. Nobody knows what one that was cut off was
    billed.
    """
    runner = runners[attempt.node_type]
    how = _traced if is_on() else _performed
    return how(attempt, run, effects, runner)


async def _traced(attempt: Attempt, run: Run, effects: Effects, runner: Runner) -> Ended:
    with attempt_span(attempt, run) as span:
        ended = await _performed(attempt, run, effects, runner)
        if isinstance(ended, Failure):
            span.fail(ended.code)
        return ended


async def _performed(attempt: Attempt, run: Run, effects: Effects, runner: Runner) -> Ended:
    began_s = perf_counter()
    ended: Ended
    try:
        if attempt.heartbeat_s is not None:
            ended = await _watched(attempt, run, effects, runner)
        else:
            # Many effects need no time at all, and a timer costs more than they do: it is set when
            # this gives way to others for the first time, and until then no time goes by.
            work = runner(attempt, run, effects)
            try:
                waits_for = work.send(None)
            except StopIteration as done:
                ended = done.value
            else:
                async with asyncio.timeout(attempt.timeout_s):
                    ended = await _rest_of(work, waits_for)
    except Exception as error:  # noqa: BLE001 # the effect boundary
        ended = _failure_of(attempt, run, error)
    tell_attempt(attempt, run, ended, perf_counter() - began_s)
    return ended


@coroutine
def _rest_of(work: Coroutine[Any, Any, Done], waits_for: object) -> Generator[Any, Any, Done]:
    """As `await work` goes on, of one that has begun and waits."""
    try:
        while True:
            try:
                news = yield waits_for
            except BaseException as error:  # noqa: BLE001 # whatever it is, it is the work's
                waits_for = work.throw(error)
            else:
                waits_for = work.send(news)
    except StopIteration as done:
        return done.value


async def _watched(attempt: Attempt, run: Run, effects: Effects, runner: Runner) -> Ended:
    """Each sign of life gives it as long again, up to its whole time."""
    assert attempt.heartbeat_s is not None
    heartbeat_s = attempt.heartbeat_s
    loop = asyncio.get_running_loop()
    ends_at = loop.time() + attempt.timeout_s
    limit = asyncio.timeout_at(min(ends_at, loop.time() + heartbeat_s))

    def beat() -> None:
        limit.reschedule(min(ends_at, loop.time() + heartbeat_s))

    try:
        async with limit:
            return await runner(attempt, replace(run, beat=beat), effects)
    except TimeoutError:
        if loop.time() >= ends_at:
            raise
        message = f"no sign of life within {heartbeat_s:g} s"
        return Failure("no_heartbeat", message, is_retryable=True, usage=UNBILLED)


def _failure_of(attempt: Attempt, run: Run, error: Exception) -> Failure:
    match error:
        case TimeoutError():
            message = f"no outcome within {attempt.timeout_s:g} s"
            return Failure("timeout", message, is_retryable=True, usage=UNBILLED)
        case AttemptFailed():
            return Failure(
                error.code,
                error.message,
                is_retryable=error.is_retryable,
                retry_after_s=error.retry_after_s,
                usage=error.usage,
            )
        case Unavailable():
            return Failure("unavailable", error.detail, is_retryable=True)
        case _:
            # A defect of a runner must end its run with a reason, not leave it hanging.
            name = type(error).__name__
            log.error("node %s of execution %s", attempt.path, run.execution_id, exc_info=error)
            return Failure("internal", name, usage=UNBILLED)
