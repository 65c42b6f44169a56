"""Driving one execution: the loop of advance, append, perform, record, for as long as this worker
owns it.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID

from commands.ports import (
    Clock,
    ClosedExecution,
    EventStore,
    LoggedEvent,
    SideRow,
)
from domain.definitions import Definition, parse_definition
from domain.envelope import Envelope
from domain.errors import Stale, Unavailable
from domain.executions import Attempt, Execution, Failure
from domain.identifiers import TenantId
from infra.event_codec import evolved
from sagas.effects import AttemptFailed, Effects, Outcome, Run, Runner

log = logging.getLogger(__name__)

DEFINITIONS_MAX = 1024
RELOAD_PAUSE_MIN_S = 0.1
RELOAD_PAUSE_MAX_S = 5.0


class DriveEnded(Exception):
    """This worker lets go of an execution that is not ended; the owner of its shard finds it."""


@dataclass(eq=False)
class DriveParts:
    """What all drives of a worker share. attempts: how many effects may be in flight in this
    process.
    """

    actor: str
    events: EventStore
    effects: Effects
    runners: Mapping[str, Runner]
    clock: Clock
    attempts: asyncio.Semaphore
    definitions: OrderedDict[tuple[TenantId, str], Definition] = field(
        default_factory=OrderedDict[tuple[TenantId, str], Definition]
    )

    async def definition(self, tenant_id: TenantId, definition_hash: str) -> Definition:
        key = (tenant_id, definition_hash)
        known = self.definitions.get(key)
        if known is not None:
            self.definitions.move_to_end(key)
            return known
        canonical = await self.events.definition(tenant_id, definition_hash)
        if canonical is None:
            message = f"definition {definition_hash} is not stored"
            raise DriveEnded(message)
        self.definitions[key] = definition = parse_definition(canonical)
        if len(self.definitions) > DEFINITIONS_MAX:
            self.definitions.popitem(last=False)
        return definition


Ended = tuple[Attempt, Outcome | Failure]


class Drive:
    """One execution in the hands of this worker."""

    def __init__(
        self,
        parts: DriveParts,
        tenant_id: TenantId,
        execution_id: UUID,
        created: LoggedEvent | None,
    ) -> None:
        self._parts = parts
        self._run = Run(tenant_id, execution_id)
        self._created = created
        self._inbox: asyncio.Queue[Ended | None] = asyncio.Queue()
        self._tasks: dict[tuple[str, int], asyncio.Task[None]] = {}
        self._version = 0

    def hear(self, version: int) -> None:
        """Somebody else appended to this execution."""
        if version > self._version:
            self._inbox.put_nowait(None)

    async def run(self) -> None:
        """Returns when the execution is ended. Raises DriveEnded when another worker turns out to
        drive it.
        """
        try:
            await self._run_to_end()
        finally:
            for task in self._tasks.values():
                task.cancel()
            await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def _run_to_end(self) -> None:
        execution = await self._first_load()
        if execution is None or execution.is_ended:
            return
        definition = await self._parts.definition(self._run.tenant_id, execution.definition_hash)
        # Whatever was running belonged to an owner that is gone: its outcome is unknown.
        execution.interrupt(definition, now=self._parts.clock.now())
        unsaved: list[Ended] = []
        while True:
            for attempt, result in unsaved:
                self._record(execution, definition, attempt, result)
            execution, is_saved = await self._advance(execution, definition, unsaved)
            if execution.is_ended:
                return
            if not is_saved:
                continue
            unsaved, is_news = await self._wait(execution)
            if is_news:
                execution = await self._reload()
                self._require_sole_driver(execution)

    async def _advance(
        self, execution: Execution, definition: Definition, unsaved: list[Ended]
    ) -> tuple[Execution, bool]:
        """Decide, store, start what was decided: (the execution to go on with, is it stored)."""
        now = self._parts.clock.now()
        attempts = execution.advance(definition, now=now)
        try:
            await self._save(execution)
        except Stale:
            execution = await self._reload()
            self._require_sole_driver(execution)
            return execution, False
        except Unavailable:
            execution = await self._reload()
            execution.interrupt(definition, now=now, except_for=self._running())
            return execution, False
        for attempt, _ in unsaved:
            self._tasks.pop((attempt.path, attempt.number), None)
        self._version = execution.version
        for attempt in attempts:
            self._start(attempt)
        return execution, True

    async def _first_load(self) -> Execution | None:
        """A run that begins is made from its Created event, which saves reading it back."""
        if self._created is None:
            return await self._load()
        execution = evolved(None, self._created)
        assert isinstance(execution, Execution)
        return execution

    async def _load(self) -> Execution | None:
        return await self._parts.events.load(Execution, self._run.execution_id, self._run.tenant_id)

    async def _reload(self) -> Execution:
        """Waits for the store as long as it takes; the run waits with it."""
        pause_s = RELOAD_PAUSE_MIN_S
        while True:
            try:
                execution = await self._load()
            except Unavailable:
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, RELOAD_PAUSE_MAX_S)
            else:
                assert execution is not None
                self._version = execution.version
                return execution

    async def _save(self, execution: Execution) -> None:
        side_rows: list[SideRow] = []
        if execution.is_ended:
            side_rows.append(ClosedExecution(execution.id))
        envelope = Envelope(
            tenant_id=self._run.tenant_id,
            actor=self._parts.actor,
            correlation_id=self._run.execution_id,
        )
        await self._parts.events.append([execution], envelope, side_rows=side_rows)

    def _record(
        self,
        execution: Execution,
        definition: Definition,
        attempt: Attempt,
        result: Outcome | Failure,
    ) -> None:
        if isinstance(result, Outcome):
            execution.complete_node(attempt.path, attempt.number, result.output, usage=result.usage)
        else:
            execution.fail_node(
                definition, attempt.path, attempt.number, result, now=self._parts.clock.now()
            )

    def _running(self) -> set[tuple[str, int]]:
        """Attempts of ours that are in flight, or ended and not stored yet."""
        return set(self._tasks)

    def _require_sole_driver(self, execution: Execution) -> None:
        """An attempt in flight that we did not start was started by another worker: let go of the
        run.
        """
        foreign = set(execution.running_attempts()) - self._running()
        if foreign and not execution.is_ended:
            message = f"another worker started {sorted(foreign)}"
            raise DriveEnded(message)

    async def _wait(self, execution: Execution) -> tuple[list[Ended], bool]:
        """Until something ended, somebody else wrote, or a retry is due: (what ended, whether
        somebody wrote).
        """
        ended: list[Ended] = []
        is_news = False
        wake_at = execution.next_wake_at()
        timeout_s = None
        if wake_at is not None:
            timeout_s = max(0.0, (wake_at - self._parts.clock.now()).total_seconds())
        try:
            async with asyncio.timeout(timeout_s):
                item = await self._inbox.get()
        except TimeoutError:
            return ended, is_news
        while True:
            if item is None:
                is_news = True
            else:
                ended.append(item)
            if self._inbox.empty():
                return ended, is_news
            item = self._inbox.get_nowait()

    def _start(self, attempt: Attempt) -> None:
        key = (attempt.path, attempt.number)
        self._tasks[key] = asyncio.create_task(self._perform(attempt))

    async def _perform(self, attempt: Attempt) -> None:
        async with self._parts.attempts:
            result = await self._result(attempt)
        self._inbox.put_nowait((attempt, result))

    async def _result(self, attempt: Attempt) -> Outcome | Failure:
        runner = self._parts.runners[attempt.node_type]
        try:
            async with asyncio.timeout(attempt.timeout_s):
                return await runner(attempt, self._run, self._parts.effects)
        except TimeoutError:
            message = f"no outcome within {attempt.timeout_s:g} s"
            return Failure("timeout", message, is_retryable=True)
        except AttemptFailed as failed:
            return Failure(
                failed.code,
                failed.message,
                is_retryable=failed.is_retryable,
                retry_after_s=failed.retry_after_s,
                usage=failed.usage,
            )
        except Exception as error:
            # The effect boundary: a defect of a runner must end its run with a reason, not leave it
            # hanging.
            log.exception("node %s of execution %s", attempt.path, self._run.execution_id)
            return Failure("internal", f"{type(error).__name__}", is_retryable=False)
