"""Paying for attempts before they are made: what each may cost at most, held of every budget that
it counts in, in the append of its intent.

    held back ──► admitted: its intent, with what is held ──► the append ──► the call
        ▲  │                                                     │
        │  └──► refused: the node fails                          └──► refused: loaded again
        └────── others hold what is left: tried again ◄───────────────┘

What is known of budgets here may be old: the append says so, and it is asked anew.
"""

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from commands.budget_port import (
    NO_BUDGETS,
    BudgetExceeded,
    BudgetsChanged,
    KnownBudgets,
    TenantBudgets,
)
from commands.model_port import ModelFailed
from commands.plan_port import TenantPlan
from domain.attempts import Attempt, Failure, Reserved
from domain.budget_rules import BudgetRule, Counter, Spender, plan_run_budget
from domain.errors import Unavailable
from domain.execution_outcomes import fail_node
from domain.execution_steps import begin_reserved, is_held_back
from domain.execution_usage import METERED_TYPES
from domain.identifiers import Json
from domain.money import usd_pico, usd_text
from domain.reservations import (
    Admitted,
    Exhausted,
    Held,
    Standing,
    decide,
    reservation,
    reserve,
)
from infra.metrics import METRICS
from sagas.budget_payers import Payer, payer
from sagas.call_estimates import Driven, Estimate, estimated
from sagas.drive_parts import DriveParts, Moment
from sagas.effects import AttemptFailed, Run
from sagas.limiting import Limiting, limited_types
from sagas.nodes.llm import Asked
from sagas.run_owners import uuid_or_none
from sagas.runs_above import Ancestor, runs_above

EXCEEDED = "budget_exceeded"
PLAN_EXCEEDED = "plan_run_cost"
RESERVED = "budget_reserved"
UNPRICED = "budget_unpriced"
# How long a call waits for others to give back what they hold, and how often the first in line
# looks. The others look too after a while, if nobody calls them.
WAIT_S_MAX = 60.0
LOOK_MIN_S, LOOK_MAX_S = 0.05, 1.0
LOOK_BEHIND_S = 5.0
# An error of the database is no answer.
AGAIN_S = 1.0

Key = tuple[str, int]


@dataclass(slots=True)
class _Wait:
    """since: when it was first held up. looks: how often it was looked. next_at: when it is to be
    looked at, which may be past: at once.
    """

    since: datetime
    next_at: datetime
    looks: int = 0


class Reserving:
    """Of one run in the hands of a worker. wake: tells it to look what can be done. limiting: what
    waits for its turn, before it is paid for.
    """

    def __init__(self, parts: DriveParts, wake: Callable[[], None]) -> None:
        self.parts = parts
        self.wake = wake
        self.limiting = Limiting(parts, wake)
        self._held_back: dict[Key, Attempt] = {}
        self._waits: dict[Key, _Wait] = {}
        # As the last append that was refused has told; good for the next one.
        self._standings: Mapping[Counter, Standing] = {}
        self._exhausted: list[Counter] = []
        # Whether something failed for what is known of budgets, which may be old.
        self._was_judged = False
        self._ancestors: tuple[Ancestor, ...] | None = None
        self._known: TenantBudgets = NO_BUDGETS
        self._plan: TenantPlan | None = None
        # Of attempts that may have to wait or to be paid for, as these two have it.
        self._counted_types: frozenset[str] = frozenset()
        # Limits that are no budget's, by the id that stands for one.
        self._caps: Mapping[str, int] = {}
        # What appends say of what is known, as long as it stays the same.
        self._told: KnownBudgets | None = None
        # By the agent whose calls they pay for, as long as what is known stays the same.
        self._payers: dict[str | None, Payer] = {}

    def counted_types(self, run: Run, moment: Moment) -> frozenset[str]:
        """Of attempts that may have to wait or to be paid for, as far as is known, or do. What is
        known now is what the next append is decided from.
        """
        known, plan = moment.budgets, moment.plan
        if known is not self._known or plan is not self._plan:
            self._find_out(run, known, plan)
        if not self._held_back and not self.limiting.held_back:
            return self._counted_types
        paid = METERED_TYPES if self._held_back else frozenset[str]()
        return self._counted_types | paid | self.limiting.counted_types(run, plan)

    def _find_out(self, run: Run, known: TenantBudgets, plan: TenantPlan) -> None:
        """What follows from what is known, for as long as it stays the same."""
        self._known, self._plan, self._caps, self._told = known, plan, {}, None
        if plan.run_cost_usd is not None:
            self._caps = {str(plan_run_budget(run.tenant_id)): usd_pico(plan.run_cost_usd)}
        self._payers.clear()
        self._counted_types = limited_types(run, plan)
        if known.rules or self._caps:
            self._counted_types |= METERED_TYPES

    def look_again(self) -> None:
        """The run was loaded anew: what is held back is told again when it goes on."""
        self._held_back.clear()
        self._payers.clear()
        self._plan = None
        self.limiting.look_again()

    def close(self) -> None:
        """Nobody of this run waits any more. Who would be woken is let go of: a run that is in a
        cycle stays in memory until the collector comes.
        """
        if self._waits:
            for key in list(self._waits):
                self._forget(key)
        self.limiting.close()
        self.wake = _nobody

    def refused(self, run: Run, refusal: BudgetExceeded | BudgetsChanged) -> None:
        """The append was refused, and nothing of it is stored."""
        if isinstance(refusal, BudgetExceeded):
            self._standings = refusal.standings
        else:
            self.parts.budgets.forget(run.tenant_id)

    @property
    def due_at(self) -> datetime | None:
        """When one that waits is to be looked at."""
        dues = [self._waits[key].next_at for key in self._held_back if key in self._waits]
        limited = self.limiting.due_at
        return min(dues if limited is None else [*dues, limited], default=None)

    def known(self, attempts: Sequence[Attempt]) -> KnownBudgets | None:
        """What the append of these intents says of what was known. None: it has nothing to say."""
        if self._exhausted or self._was_judged:
            exhausted, self._exhausted, self._was_judged = tuple(self._exhausted), [], False
            return KnownBudgets(self._known.revision, self._caps, exhausted)
        for one in attempts:
            if one.has_intent and one.node_type in METERED_TYPES:
                if self._told is None:
                    self._told = KnownBudgets(self._known.revision, self._caps)
                return self._told
        return None

    async def admitted(self, on: Driven, attempts: Sequence[Attempt]) -> list[Attempt]:
        """The attempts that can be made, those among them that were held back with what is held
        for them. Of the others it is recorded that they failed, or they wait.
        """
        if not self.limiting.lets_pass(on):
            attempts = await self.limiting.admitted(on, attempts)
        ready = self._without_held_back(on, attempts)
        if self._waits:
            for key in self._waits.keys() - self._held_back.keys():
                self._forget(key)  # The run went on without it.
        if not self._held_back:
            return ready
        now = self.parts.clock.now()
        for key, attempt in list(self._held_back.items()):
            if not is_held_back(on.execution, attempt):
                self._forget(key)  # The run went on without it.
                continue
            wait = self._waits.get(key)
            if wait is not None and wait.next_at > now:
                continue
            begun = await self._admit(on, attempt, now, must_ask=wait is not None)
            if begun is not None:
                ready.append(begun)
        self._standings = {}
        return ready

    def _without_held_back(self, on: Driven, attempts: Sequence[Attempt]) -> list[Attempt]:
        """Those that nobody has to pay for, with their intents; the others are kept."""
        others: list[Attempt] = []
        for attempt in attempts:
            if not is_held_back(on.execution, attempt):
                others.append(attempt)
            elif attempt.node_type in METERED_TYPES:
                self._held_back[attempt.path, attempt.number] = attempt
            else:
                begin_reserved(on.execution, attempt, None)
                others.append(attempt)
        return others

    async def _admit(
        self, on: Driven, attempt: Attempt, now: datetime, *, must_ask: bool
    ) -> Attempt | None:
        try:
            call = await estimated(attempt, on.run, self.parts, now)
            paying = self._payers.get(call.asked.agent_id) or await self._payer(on, call.asked)
            counters = paying.counters(now)
            crowded = self.parts.budget_lines.crowded(counters)
            if crowded is not None and not must_ask and not self._standings:
                self._hold_up(on, attempt, crowded, now)
                return None
            if must_ask and not self._standings:
                asked = (on.run.tenant_id, counters, self._caps)
                self._standings = await self.parts.budgets.standings(*asked)
        except (AttemptFailed, ModelFailed, Unavailable) as error:
            self._not_priced(on, attempt, error)
            return None
        standings = self._standings
        if standings:
            standings = {one: standings[one] for one in counters if one in standings}
        outcome = _decide(call, paying.rules, standings)
        match outcome:
            case Admitted():
                if self._standings:
                    known = self._standings
                    self._standings = reserve(known, counters, outcome.usd_pico)
                return self._begin(on, attempt, outcome, call, counters=paying.told)
            case Exhausted():
                self._exhausted.append(outcome.counter)
                self._fail(on, attempt, self._refusal(outcome))
            case Failure():
                self._was_judged = True
                self._fail(on, attempt, outcome)
            case Held():
                self._hold_up(on, attempt, outcome.counter, now)
        return None

    def _begin(
        self,
        on: Driven,
        attempt: Attempt,
        admitted: Admitted,
        call: Estimate,
        *,
        counters: list[Json],
    ) -> Attempt:
        """counters: as events have them."""
        reserved = reservation(admitted, counters) if counters else None
        begin_reserved(on.execution, attempt, reserved)
        self._forget((attempt.path, attempt.number))
        tokens_max = admitted.tokens_max if counters and call.worst is not None else None
        return attempt.paid_for(
            Reserved(admitted.usd_pico, tokens_max, call.model, call.asked.agent_version)
        )

    def _fail(self, on: Driven, attempt: Attempt, failure: Failure) -> None:
        self._forget((attempt.path, attempt.number))
        METRICS.sagas.budget_refusals.labels(failure.code).inc()
        fail_node(
            on.execution,
            on.definition,
            attempt.path,
            attempt.number,
            failure=failure,
            now=self.parts.clock.now(),
        )

    def _forget(self, key: Key) -> None:
        self._held_back.pop(key, None)
        if self._waits.pop(key, None) is not None:
            self.parts.budget_lines.leave((id(self), key))

    def _called(self, key: Key) -> None:
        """It is first in line."""
        wait = self._waits.get(key)
        if wait is not None:
            # Not only woken: it may be storing something just now, and wait afterwards.
            wait.next_at, wait.looks = wait.since, 0
            self.wake()

    def _hold_up(self, on: Driven, attempt: Attempt, counter: Counter, now: datetime) -> None:
        """Others hold what would pay for it, and may give some of it back."""
        key = (attempt.path, attempt.number)
        wait = self._waits.setdefault(key, _Wait(now, now))
        longest_s = min(WAIT_S_MAX, attempt.timeout_s)
        if (now - wait.since).total_seconds() >= longest_s:
            message = f"other calls held what is left of a budget for {longest_s:g} s"
            failure = Failure(RESERVED, message, is_retryable=True)
            self._fail(on, attempt, failure)
            return
        who = (id(self), key)
        is_first = self.parts.budget_lines.join(who, counter, partial(self._called, key))
        pause_s = min(LOOK_MIN_S * 2**wait.looks, LOOK_MAX_S) if is_first else LOOK_BEHIND_S
        # Those that wait for the same do not all look at once.
        chance = zlib.crc32(f"{attempt.idempotency_key}:{wait.looks}".encode()) / 2**32
        wait.looks += 1
        wait.next_at = now + timedelta(seconds=pause_s * (0.5 + chance))

    def _not_priced(
        self, on: Driven, attempt: Attempt, error: AttemptFailed | ModelFailed | Unavailable
    ) -> None:
        match error:
            case Unavailable():
                now = self.parts.clock.now()
                wait = self._waits.setdefault((attempt.path, attempt.number), _Wait(now, now))
                wait.next_at = now + timedelta(seconds=AGAIN_S)
            case AttemptFailed():
                failure = Failure(error.code, error.message, is_retryable=error.is_retryable)
                self._fail(on, attempt, failure)
            case ModelFailed():
                failure = Failure(error.code, error.message, is_retryable=error.retryable)
                self._fail(on, attempt, failure)

    async def _payer(self, on: Driven, asked: Asked) -> Payer:
        """Raises Unavailable."""
        found = payer(await self._spender(on, asked), self._rules())
        self._payers[asked.agent_id] = found
        return found

    def _rules(self) -> list[BudgetRule]:
        of_plan = [
            BudgetRule(
                UUID(one),
                scope_type="run",
                scope_id=None,
                period="run",
                window_s=None,
                time_zone="UTC",
                limit_usd_pico=cap,
                is_hard=True,
                allows_unpriced=False,
            )
            for one, cap in self._caps.items()
        ]
        return [*self._known.rules, *of_plan]

    async def _spender(self, on: Driven, asked: Asked) -> Spender:
        run = on.run
        kind, _, name = run.created_by.partition(":")
        if self._ancestors is None:
            self._ancestors = await runs_above(on.execution, run.tenant_id, self.parts.events)
        runs = (Ancestor(run.execution_id, run.workflow_id), *self._ancestors)
        return Spender(
            user_id=await self.parts.effects.owners.owner_of(run.tenant_id, run.created_by),
            api_key_id=uuid_or_none(name) if kind == "api_key" else None,
            agent_id=None if asked.agent_id is None else UUID(asked.agent_id),
            workflow_ids=tuple(one.workflow_id for one in runs if one.workflow_id is not None),
            run_ids=tuple(one.run_id for one in runs),
        )

    def _refusal(self, exhausted: Exhausted) -> Failure:
        limit = usd_text(exhausted.standing.limit)
        budget_id = exhausted.counter.budget_id
        if budget_id in self._caps:
            return Failure(PLAN_EXCEEDED, f"the plan lets a run cost {limit} USD")
        spent = usd_text(exhausted.standing.spent)
        message = f"of the {limit} USD of budget {budget_id} {spent} are spent"
        return Failure(EXCEEDED, f"{message}, and the rest does not pay for this call")


def _nobody() -> None:
    """There is nobody to wake any more."""


def _decide(
    call: Estimate, rules: Sequence[BudgetRule], standings: Mapping[Counter, Standing]
) -> Admitted | Held | Exhausted | Failure:
    if call.worst is not None:
        return decide(call.worst, call.tokens_wanted, standings)
    for rule in rules:
        if rule.is_hard and not rule.allows_unpriced:
            message = f"nobody knows what {call.asked.model} costs, and a hard budget has to"
            return Failure(UNPRICED, message)
    return Admitted(0, call.tokens_wanted)
