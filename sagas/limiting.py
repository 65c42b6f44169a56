"""Calls that wait for their turn under the limits of their tenant, agent, workflow and node type,
before their intent is stored, so that one that waits is none of which nobody knows what it did.

    held back ──► takes a place of every limit it counts in ──► paid for (sagas/reserving.py), made
        ▲  └────► none is free: in line, first come, first served; of one worker the first looks
        └──────── called when a call of this worker ends, or when the limit says that it is time

What waits for too long fails as `rate_limited`, which a policy may retry and an `error` port route.
"""

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from commands.call_limit_port import Full, HeldCall
from commands.model_port import ModelFailed
from commands.plan_port import TenantPlan
from domain.attempts import Attempt, Failure
from domain.call_limits import LIMITS_OF_TYPES, CallLimit
from domain.errors import Unavailable
from domain.execution_outcomes import fail_node
from domain.execution_steps import is_held_back
from domain.execution_usage import METERED_TYPES
from domain.node_runs import is_compensation
from domain.node_types import FREE
from infra.metrics import METRICS
from sagas.call_estimates import Driven, estimated
from sagas.drive_parts import DriveParts
from sagas.effects import AttemptFailed, Outcome, Run

RATE_LIMITED = "rate_limited"
CALL_TYPES = METERED_TYPES | LIMITS_OF_TYPES.keys()
# How long a call waits for its turn, if its attempt may take as long; and one that undoes
# something, which would need somebody's attention if it failed for nothing but a crowd.
WAIT_S_MAX = 60.0
UNDOING_WAIT_S_MAX = 3600.0
# How often the first in line looks whether a call of another worker has ended.
LOOK_MIN_S, LOOK_MAX_S = 0.05, 1.0
DOUBLED_MAX = 10
# Though a limit says that it takes longer: what was held and not used is given back meanwhile.
LOOK_LATEST_S = 5.0
# An error of the database is no answer.
AGAIN_S = 1.0

Key = tuple[str, int]


@dataclass(slots=True)
class _Wait:
    """since: when it was first held up. limit: which did not allow it when it was looked last.
    next_at: when it is to be looked at, which may be past: at once.
    """

    since: datetime
    next_at: datetime
    limit: str = ""
    looks: int = 0


class Limiting:
    """Of one run in the hands of a worker. wake: tells it to look what can be done."""

    def __init__(self, parts: DriveParts, wake: Callable[[], None]) -> None:
        self.parts = parts
        self.wake = wake
        self.held_back: dict[Key, Attempt] = {}
        self._waits: dict[Key, _Wait] = {}
        # Of those that may be made and are not yet: whoever makes one takes it out, and says
        # `made`.
        self.places: dict[Key, tuple[Attempt, HeldCall]] = {}

    def counted_types(self, run: Run, plan: TenantPlan) -> frozenset[str]:
        """Of nodes whose calls may have to wait, as far as is known, or do."""
        limited = limited_types(run, plan)
        if not self.held_back:
            return limited
        return limited.union(attempt.node_type for attempt in self.held_back.values())

    def lets_pass(self, on: Driven) -> bool:
        """Whether `admitted` has nothing to say: nothing waits here, and no limit counts."""
        plan = self.parts.plans.known(on.run.tenant_id)
        is_busy = self._waits or self.places or self.counted_types(on.run, plan)
        return not is_busy and on.execution.status != "PAUSED"

    @property
    def due_at(self) -> datetime | None:
        """When one that waits is to be looked at."""
        return min((wait.next_at for wait in self._waits.values()), default=None)

    def look_again(self) -> None:
        """The run was loaded anew: what is held back is told again when it goes on."""
        self.held_back.clear()
        if self.places:
            for key in list(self.places):
                self._give_back(key)

    def close(self) -> None:
        """Nobody of this run waits any more. Who would be woken is let go of: a run that is in a
        cycle stays in memory until the collector comes.
        """
        if self._waits:
            for key in list(self._waits):
                self._forget(key)
        self.look_again()
        self.wake = _nobody

    def made(self, held: HeldCall, result: object) -> None:
        """The attempt that had this place has ended. result: how; None: it was cut off."""
        usage = result.usage if isinstance(result, Outcome | Failure) else None
        self.parts.call_slots.ended(held, usage)

    async def admitted(self, on: Driven, attempts: Sequence[Attempt]) -> list[Attempt]:
        """The attempts that can go on, those among them that waited. Of the others it is recorded
        that they failed, or they wait; while the run is paused, without a place in a line.
        """
        if self.lets_pass(on):
            return [*attempts]
        ready: list[Attempt] = []
        for attempt in attempts:
            if is_held_back(on.execution, attempt):
                self.held_back[attempt.path, attempt.number] = attempt
            else:
                ready.append(attempt)
        self._drop_abandoned(on)
        if on.execution.status == "PAUSED":
            for key in list(self._waits):
                self._leave(key)
            return ready
        now = self.parts.clock.now()
        for key, attempt in list(self.held_back.items()):
            wait = self._waits.get(key)
            if (wait is None or wait.next_at <= now) and await self._is_admitted(on, attempt, now):
                self._forget(key)
                ready.append(attempt)
        return ready

    def _drop_abandoned(self, on: Driven) -> None:
        """The run went on without them."""
        for key in self._waits.keys() - self.held_back.keys():
            self._forget(key)
        for key, attempt in list(self.held_back.items()):
            if not is_held_back(on.execution, attempt):
                self._forget(key)
        for key, (attempt, _) in list(self.places.items()):
            if not is_held_back(on.execution, attempt):
                self._give_back(key)

    async def _is_admitted(self, on: Driven, attempt: Attempt, now: datetime) -> bool:
        tenant_id, key = on.run.tenant_id, (attempt.path, attempt.number)
        limits = self._limits(on.run, attempt)
        if not limits:
            return True
        slots = self.parts.call_slots
        crowded = slots.lines.crowded(limit.scope_id for limit in limits)
        if crowded is not None and not slots.lines.is_first((id(self), key)):
            wait = self._waits.get(key)
            self._hold_up(on, attempt, Full(crowded, wait.limit if wait else "", None), now)
            return False
        try:
            tokens, usd_pico = await self._most(on, attempt, limits)
            taken = await slots.take(tenant_id, limits, tokens=tokens, usd_pico=usd_pico)
        except (AttemptFailed, ModelFailed):
            return True  # Whoever pays for it meets the same, and records it.
        except Unavailable:
            self._wait_of(key, now).next_at = now + timedelta(seconds=AGAIN_S)
            return False
        if isinstance(taken, Full):
            self._hold_up(on, attempt, taken, now)
            return False
        self.places[key] = (attempt, taken)
        return True

    def _limits(self, run: Run, attempt: Attempt) -> list[CallLimit]:
        """Those that the call counts in."""
        agent_id = UUID(str(attempt.request["agent_id"])) if attempt.node_type == "agent" else None
        plan = self.parts.plans.known(run.tenant_id)
        limits = plan.call_limits(run.tenant_id, attempt.node_type, agent_id)
        if run.calls_max is not None and run.workflow_id is not None:
            limits.append(CallLimit(run.workflow_id, run.calls_max, None, None))
        return limits

    async def _most(
        self, on: Driven, attempt: Attempt, limits: Sequence[CallLimit]
    ) -> tuple[int, int]:
        """The tokens that it uses at most, and what it costs. Raises AttemptFailed, ModelFailed,
        Unavailable.
        """
        rates = [(limit.tokens_per_min, limit.usd_pico_per_min) for limit in limits]
        if all(rate == (None, None) for rate in rates):
            return 0, 0
        call = await estimated(attempt, on.run, self.parts, self.parts.clock.now())
        return call.tokens, call.usd_pico

    def _hold_up(self, on: Driven, attempt: Attempt, full: Full, now: datetime) -> None:
        key = (attempt.path, attempt.number)
        wait = self._wait_of(key, now)
        wait.limit = full.limit
        is_undoing = is_compensation(attempt.path)
        longest_s = UNDOING_WAIT_S_MAX if is_undoing else min(WAIT_S_MAX, attempt.timeout_s)
        left_s = longest_s - (now - wait.since).total_seconds()
        if left_s <= 0:
            self._fail(on, attempt, full, longest_s)
            return
        who = (id(self), key)
        is_first = self.parts.call_slots.lines.join(who, full.scope_id, partial(self._called, key))
        pause_s = LOOK_LATEST_S
        if is_first and full.wait_s is not None:
            pause_s = min(max(full.wait_s, LOOK_MIN_S), LOOK_LATEST_S)
        elif is_first:
            # Those of several workers do not all look at once.
            chance = zlib.crc32(f"{attempt.idempotency_key}:{wait.looks}".encode()) / 2**32
            pause_s = min(LOOK_MIN_S * 2 ** min(wait.looks, DOUBLED_MAX), LOOK_MAX_S) * (
                0.5 + chance
            )
        wait.looks += 1
        wait.next_at = now + timedelta(seconds=min(pause_s, left_s))

    def _fail(self, on: Driven, attempt: Attempt, full: Full, waited_s: float) -> None:
        self._forget((attempt.path, attempt.number))
        whose, limit = _told(on.run, attempt, full)
        METRICS.sagas.call_limit_refusals.labels(limit or "others_first").inc()
        message = f"the limits of {whose} did not allow the call within {waited_s:g} s"
        fail_node(
            on.execution,
            on.definition,
            attempt.path,
            attempt.number,
            failure=Failure(
                RATE_LIMITED,
                f"{message}: {limit}" if limit else message,
                is_retryable=True,
                retry_after_s=full.wait_s,
            ),
            now=self.parts.clock.now(),
        )

    def _wait_of(self, key: Key, now: datetime) -> _Wait:
        wait = self._waits.get(key)
        if wait is None:
            wait = self._waits[key] = _Wait(now, now)
            METRICS.sagas.calls_waiting.inc()
        return wait

    def _called(self, key: Key) -> None:
        """It is first in line."""
        wait = self._waits.get(key)
        if wait is not None:
            # Not only woken: it may be storing something just now, and wait afterwards.
            wait.next_at, wait.looks = wait.since, 0
            self.wake()

    def _forget(self, key: Key) -> None:
        self.held_back.pop(key, None)
        self._leave(key)

    def _leave(self, key: Key) -> None:
        if self._waits.pop(key, None) is not None:
            METRICS.sagas.calls_waiting.dec()
            self.parts.call_slots.lines.leave((id(self), key))

    def _give_back(self, key: Key) -> None:
        """The call was not made."""
        _, held = self.places.pop(key)
        self.parts.call_slots.ended(held, FREE)


def limited_types(run: Run, plan: TenantPlan) -> frozenset[str]:
    """Of nodes of whose calls one may have to wait for another."""
    return plan.limited_types if run.calls_max is None else CALL_TYPES


def _told(run: Run, attempt: Attempt, full: Full) -> tuple[str, str]:
    """Whose limit did not allow it, and which."""
    if full.scope_id == run.workflow_id:
        return "the workflow", full.limit
    if attempt.node_type in LIMITS_OF_TYPES:
        return "the tenant", LIMITS_OF_TYPES[attempt.node_type]
    is_tenant = full.scope_id == run.tenant_id
    return "the tenant" if is_tenant else f"agent {full.scope_id}", full.limit


def _nobody() -> None:
    """There is nobody to wake any more."""
