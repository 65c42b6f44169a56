"""Driving one execution: the loop of advance, append, perform, record, for as long as this worker
owns it and there is something to do.

    advance ──► append ──► perform ──► record outcomes ──► advance ...
                  │                                 └──► nothing to do for a while: let go
                  └──► Stale: somebody else wrote; load again
"""

import asyncio
from datetime import datetime
from typing import Literal, TypeAlias
from uuid import UUID

from commands.budget_port import BudgetExceeded, BudgetsChanged
from commands.execution_families import close_begun, family_of
from commands.ports import NEVER, ClosedExecution, OpenedExecution, SideRow
from commands.run_metering import meter_ended
from domain.attempts import Attempt, Failure
from domain.definitions import Definition
from domain.envelope import Envelope
from domain.errors import Stale, Unavailable
from domain.execution_outcomes import complete_node, fail_node, interrupt
from domain.execution_steps import (
    SUSPENDED_FROM_S,
    advance,
    has_more,
    is_at_rest,
    next_wake_at,
)
from domain.executions import Execution
from domain.identifiers import TenantId
from domain.quotas import ExecutionQuotaReached
from infra.crash_points import reach
from infra.logs import begin_execution
from sagas.attempts import perform
from sagas.call_estimates import Driven
from sagas.child_runs import ChildRuns
from sagas.drive_parts import DriveEnded, DriveParts, begun_task, run_of
from sagas.effects import ChildWanted, Outcome, Run
from sagas.fairness import Claim
from sagas.reserving import Reserving

Saved: TypeAlias = Literal["stored", "stale", "unknown"]
Ended: TypeAlias = tuple[Attempt, Outcome | ChildWanted | Failure]


class Drive:
    """One execution in the hands of this worker. version: how far it is known here. wake_at: when
    it is due again, once `run` has let go of it.
    """

    def __init__(
        self,
        parts: DriveParts,
        tenant_id: TenantId,
        execution_id: UUID,
        *,
        begun: Execution | None = None,
        wake_at: datetime | None = None,
    ) -> None:
        """begun: a run as its first event left it, so that it is not read. wake_at: as stored."""
        self._parts = parts
        self._run = Run(tenant_id, execution_id)
        self._envelope = Envelope(tenant_id, parts.actor, None, None, execution_id)
        self._begun = begun
        self._tasks: dict[tuple[str, int], asyncio.Task[None]] = {}
        self._claims: dict[str, Claim] = {}  # By the type of node.
        self._ended: list[Ended] = []
        self._heard_version = 0
        self._waiter: asyncio.Future[None] | None = None
        self._is_to_look = False
        self._is_finishing = False
        self._children = ChildRuns(parts)
        self._stored_wake_at = wake_at
        self._reserving = Reserving(parts, self._wake)
        self._execution: Execution
        self._definition: Definition
        self.version = 0
        self.wake_at: datetime | None = None

    def hear(self, version: int) -> None:
        """Somebody else appended to this execution."""
        if version > self.version:
            self._heard_version = version
            self._wake()

    def look_again(self) -> None:
        """Something that is no event may have changed what it is to do, also while it is busy."""
        self._is_to_look = True
        self._wake()

    def finish(self) -> bool:
        """Begin nothing more, and return when what is under way has ended. False: nothing is."""
        self._is_finishing = True
        self.look_again()
        return bool(self._tasks)

    @property
    def has_news(self) -> bool:
        """Somebody else appended. What we hear of while it is on its way to us may be our own, and
        is no news once it has arrived.
        """
        return self._heard_version > self.version

    async def run(self) -> None:
        """Returns when the execution is ended, or has nothing to do for a while. Raises DriveEnded
        when another worker turns out to drive it.
        """
        steps, tenant_id = self._parts.steps, self._run.tenant_id
        begin_execution(tenant_id, self._run.execution_id)
        unsaved: list[Ended] = []
        try:
            while True:
                if not steps.try_take(tenant_id):
                    await steps.wait(tenant_id)
                try:
                    if not self.version and not await self._take_up():
                        return
                    unsaved, attempts = self._advance_to_effects(unsaved)
                    if self._execution.live.counted_types and not self._is_finishing:
                        driven = Driven(self._execution, self._definition, self._run)
                        attempts = await self._reserving.admitted(driven, attempts)
                    stored = await self._save(attempts)
                finally:
                    steps.give_back(tenant_id)
                if stored != "stored":
                    await self._take_again(stored)
                elif not self._goes_on(unsaved, attempts):
                    return
                else:
                    unsaved = [] if has_more(self._execution) else await self._wait()
        finally:
            self._reserving.close()
            if self._tasks:
                await self._cut_off()

    async def _cut_off(self) -> None:
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def _take_up(self) -> bool:
        """False: there is nothing to do."""
        parts, tenant_id = self._parts, self._run.tenant_id
        if parts.is_held(tenant_id):
            return False
        execution = self._begun or await parts.load(tenant_id, self._run.execution_id)
        if execution is None or execution.is_ended or not execution.has_payloads:
            return False
        await self._hold(execution)
        if self._begun is None:
            # Whatever was running belonged to an owner that is gone: its outcome is unknown.
            interrupt(execution, self._definition, now=parts.clock.now())
        return True

    async def _take_again(self, why: Literal["stale", "unknown"]) -> None:
        """Load it anew. stale: somebody else wrote. unknown: nobody knows what was stored."""
        await self._hold(await self._parts.reload(self._run.tenant_id, self._run.execution_id))
        if why == "stale":
            self._require_sole_driver()
        else:
            now = self._parts.clock.now()
            in_hand = self._tasks.keys()
            interrupt(self._execution, self._definition, now=now, except_for=in_hand)

    async def _hold(self, execution: Execution) -> None:
        tenant_id = self._run.tenant_id
        self._execution = execution
        self._definition = await self._parts.definition(tenant_id, execution.definition_hash)
        await self._parts.ask_limits(tenant_id)
        if self._definition.flow.reads_execution:
            execution.webhook_path = self._parts.webhook_path(tenant_id, execution.id)
        self._run = run_of(tenant_id, execution, self._definition)
        self.version = execution.version
        self._reserving.look_again()

    def _advance_to_effects(self, unsaved: list[Ended]) -> tuple[list[Ended], list[Attempt]]:
        """What ended and is recorded now, and the attempts to make once that is stored.

        Effects that are free and safe to repeat may begin before what led to them is stored; what
        those bring that need no time is stored with it. Never two outcomes in a row: the next step
        begins when this one is stored.
        """
        self._look_around()
        attempts = self._advance(unsaved)
        if unsaved or any(attempt.has_intent for attempt in attempts):
            return unsaved, attempts
        for attempt in attempts:
            self._start(attempt)
        ended, self._ended = self._ended, []
        return ended, self._advance(ended) if ended else attempts

    def _look_around(self) -> None:
        """What holds for the run at this moment, which no event of its own says."""
        self._is_to_look = False
        moment, live = self._parts.moment(self._run.tenant_id), self._execution.live
        live.has_room = moment.has_room
        live.is_held = self._is_finishing or self._parts.is_held(self._run.tenant_id)
        live.seconds_max = moment.plan.run_duration_s
        live.counted_types = self._reserving.counted_types(self._run, moment)

    def _advance(self, unsaved: list[Ended]) -> list[Attempt]:
        """Record what ended, and go on. Of a run that was loaded again, the attempts in hand that
        have no intent are not known before it was advanced, and may turn out to be of no use.
        """
        execution, definition = self._execution, self._definition
        now = self._parts.clock.now()
        if self._children.begun:
            self._children.forget()
        again: list[Attempt] = []
        if unsaved and not execution.live.frames:
            again = self._begun_again(unsaved, now)
        for attempt, result in unsaved:
            self._record(attempt, result, now)
        attempts = advance(execution, definition, now=now)
        return [*again, *attempts] if again else attempts

    def _begun_again(self, unsaved: list[Ended], now: datetime) -> list[Attempt]:
        """Those beside the ones in hand, where one of these has no intent."""
        if all(attempt.has_intent for attempt, _ in unsaved):
            return []
        in_hand = {(attempt.path, attempt.number) for attempt, _ in unsaved}
        attempts = advance(self._execution, self._definition, now=now)
        return [one for one in attempts if (one.path, one.number) not in in_hand]

    async def _save(self, attempts: list[Attempt]) -> Saved:
        """attempts: those that begin with it."""
        execution = self._execution
        self.wake_at = self._due_at_rest()
        if not execution.pending_events:
            return "stored"
        tenant_id, others = self._run.tenant_id, [*self._children.begun]
        side_rows: list[SideRow] = []
        if others:
            close_begun(execution, others)
            side_rows += self._children.rows(tenant_id)
        try:
            if execution.is_ended:
                await self._close(others, side_rows)
            elif self.wake_at != self._stored_wake_at:
                side_rows.append(OpenedExecution(execution.id, self.wake_at))
            if known := self._reserving.known(attempts):
                side_rows.append(known)
            reach("saga.before_append")
            await self._parts.events.append(
                [execution, *others], self._envelope, side_rows=side_rows
            )
        except (BudgetExceeded, BudgetsChanged, ExecutionQuotaReached) as refusal:
            self._refused(refusal)
            return "stale"
        except Stale:
            return "stale"
        except Unavailable:
            return "unknown"
        reach("saga.after_append")
        self.version = execution.version
        self._children.refusal = None
        self._stored_wake_at = self.wake_at
        for other in others:
            self._parts.offer(tenant_id, other)
        return "stored"

    async def _close(self, others: list[Execution], side_rows: list[SideRow]) -> None:
        """What is stored with the end of the run."""
        parts, execution, tenant_id = self._parts, self._execution, self._run.tenant_id
        side_rows.append(ClosedExecution(execution.id))
        if execution.children or execution.parent_id is not None:
            family = await family_of(execution, tenant_id, parts.events)
            others += family.executions
            side_rows += family.side_rows
        await meter_ended([execution, *others], tenant_id, parts.effects.prices, parts.clock.now())

    def _refused(self, refusal: BudgetExceeded | BudgetsChanged | ExecutionQuotaReached) -> None:
        """What was decided is decided again without what there is no money or no room for."""
        if isinstance(refusal, ExecutionQuotaReached):
            self._children.refused(refusal)
        else:
            self._reserving.refused(self._run, refusal)

    def _due_at_rest(self) -> datetime | None:
        """When to look at it again; None while it is in hand."""
        if not is_at_rest(self._execution) or self._execution.is_ended:
            return None
        if self._execution.live.is_held:
            return None  # As soon as its tenant is not suspended any more.
        wake_at = next_wake_at(self._execution, self._definition)
        if wake_at is None:
            return NEVER
        is_far = (wake_at - self._parts.clock.now()).total_seconds() > SUSPENDED_FROM_S
        return wake_at if is_far else None

    def _goes_on(self, saved: list[Ended], attempts: list[Attempt]) -> bool:
        """After what ended is stored, and what is to begin. False: let go of it."""
        for attempt, _ in saved:
            self._tasks.pop((attempt.path, attempt.number), None)
            reach("saga.after_outcome")
        if self._execution.is_ended:
            reach("saga.after_end")
            self._parts.on_ended(self._execution)
            return False
        for attempt in attempts:
            self._start(attempt)
        return not self._may_let_go()

    def _may_let_go(self) -> bool:
        if self._is_finishing:
            return not self._tasks and not self._ended
        is_held = self._execution.live.is_held and not self._tasks
        return (
            (self.wake_at is not None or is_held)
            and is_at_rest(self._execution)
            and not self.has_news
            and not self._ended
            and not self._is_to_look
        )

    def _record(
        self, attempt: Attempt, result: Outcome | ChildWanted | Failure, now: datetime
    ) -> None:
        reach("saga.before_outcome")
        execution, path, number = self._execution, attempt.path, attempt.number
        if isinstance(result, Outcome):
            complete_node(execution, path, number, result.output, usage=result.usage)
            return
        if isinstance(result, ChildWanted):
            failure = self._children.begin(self._run, execution, attempt, result)
            if failure is None:
                return
            result = failure
        fail_node(execution, self._definition, path, number, failure=result, now=now)

    def _require_sole_driver(self) -> None:
        """An attempt in flight that we did not start was started by another worker: let go of the
        run.
        """
        foreign = set(self._execution.running_attempts()) - self._tasks.keys()
        if foreign and not self._execution.is_ended:
            message = f"another worker started {sorted(foreign)}"
            raise DriveEnded(message)

    async def _wait(self) -> list[Ended]:
        """Until something ended, somebody else wrote, or something is due: what ended."""
        if not self._ended and not self.has_news and not self._is_to_look:
            await self._until_woken()
        ended, self._ended = self._ended, []
        if self.has_news:
            await self._take_again("stale")
        return ended

    async def _until_woken(self) -> None:
        loop = asyncio.get_running_loop()
        self._waiter = loop.create_future()
        own, paid = next_wake_at(self._execution, self._definition), self._reserving.due_at
        wake_at = min((due for due in (own, paid) if due is not None), default=None)
        timer: asyncio.TimerHandle | None = None
        if wake_at is not None:
            due_s = (wake_at - self._parts.clock.now()).total_seconds()
            timer = loop.call_later(max(0.0, due_s), self._wake)
        try:
            await self._waiter
        finally:
            self._waiter = None
            if timer is not None:
                timer.cancel()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _start(self, attempt: Attempt) -> None:
        key = (attempt.path, attempt.number)
        if key not in self._tasks:
            self._tasks[key] = begun_task(self._perform(attempt, key))

    async def _perform(self, attempt: Attempt, key: tuple[str, int]) -> None:
        slots, limiting = self._parts.attempts, self._reserving.limiting
        place = limiting.places.pop(key, None) if limiting.places else None
        claim = self._claims.get(attempt.node_type)
        if claim is None:
            claim = Claim(self._run.tenant_id, self._execution.workflow_id, attempt.node_type)
            self._claims[attempt.node_type] = claim
        result = None
        try:
            if not slots.try_take(claim):
                await slots.wait(claim)
            try:
                reach("saga.before_effect")
                result = await perform(attempt, self._run, self._parts.effects, self._parts.runners)
                reach("saga.after_effect")
            finally:
                slots.give_back(claim)
        finally:
            if place is not None:
                limiting.made(place[1], result)
        assert result is not None
        self._ended.append((attempt, result))
        if self._waiter is not None:
            self._wake()
