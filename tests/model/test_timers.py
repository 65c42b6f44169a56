"""Timers against a model of them: whatever is stored, held and moved, each wakes once for each time
that it was due, never early, and what is far away takes no memory.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

import sagas.timers
from commands.open_executions_port import OpenExecution
from domain.identifiers import TenantId
from sagas.timers import Timers
from tests.commands.fakes import NOON
from tests.effort import EFFORT
from tests.simulation.loop import SimulatedLoop

TENANT = TenantId(UUID(int=1))
POLL_S = 5.0
HELD_MAX = 7
SLEEPERS_MAX = 40
# A poll may be under way when the time comes.
LATE_S = 0.01


@dataclass(eq=False)
class Rows:
    """open_executions: the newest time of each sleeper. A woken one is taken out, as its drive does
    when it goes on.
    """

    wake_at: dict[UUID, datetime] = field(default_factory=dict)
    is_away: bool = False

    async def ready(
        self, shards: Sequence[int], *, after: UUID | None, limit: int
    ) -> list[OpenExecution]:
        raise AssertionError((shards, after, limit))

    async def due(
        self, shards: Sequence[int], *, until: datetime, limit: int
    ) -> list[OpenExecution]:
        assert list(shards) == [0]
        found = sorted((at, id_) for id_, at in self.wake_at.items() if at <= until)
        return [OpenExecution(TENANT, id_, at) for at, id_ in found[:limit]]


class LoopClock:
    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def now(self) -> datetime:
        return NOON + timedelta(seconds=self._loop.time())


class TimersMachine(RuleBasedStateMachine):
    """woken, stored: how often for which time. due: the times that were not moved away from before
    they came.
    """

    def __init__(self) -> None:
        super().__init__()
        self.loop = SimulatedLoop()
        self.clock = LoopClock(self.loop)
        self.rows = Rows()
        self.woken: Counter[tuple[UUID, datetime]] = Counter()
        self.stored: Counter[tuple[UUID, datetime]] = Counter()
        self.due: set[tuple[UUID, datetime]] = set()
        self.count = 0

    @initialize()
    def begin(self) -> None:
        self.held_max, sagas.timers.HELD_MAX = sagas.timers.HELD_MAX, HELD_MAX
        self.timers = Timers(self.rows, self.clock, self._wake, poll_s=POLL_S)
        self.task = self.loop.create_task(self.timers.run(lambda: [0]))
        self._pass(0.0)

    def teardown(self) -> None:
        sagas.timers.HELD_MAX = self.held_max
        self.task.cancel()
        self.loop.run_until_complete(asyncio.wait([self.task]))
        self.loop.close()

    @precondition(lambda self: len(self.rows.wake_at) < SLEEPERS_MAX)
    @rule(after_s=st.floats(0, 30), is_told=st.booleans())
    def sleep(self, after_s: float, *, is_told: bool) -> None:
        """A run goes to sleep; is_told: its own worker let go of it, so that it hears at once."""
        self.count += 1
        self._store(UUID(int=self.count), after_s, is_told=is_told)

    @precondition(lambda self: self.rows.wake_at)
    @rule(data=st.data(), after_s=st.floats(0, 30))
    def move(self, data: st.DataObject, after_s: float) -> None:
        """It went on for another reason, and sleeps again until another time."""
        sleeper = data.draw(st.sampled_from(sorted(self.rows.wake_at)))
        self.due.discard((sleeper, self.rows.wake_at[sleeper]))
        self._store(sleeper, after_s, is_told=True)

    @rule(seconds=st.floats(0.001, 20))
    def pass_time(self, seconds: float) -> None:
        self._pass(seconds)

    @invariant()
    def nobody_overslept(self) -> None:
        """Of those whose time was not moved; a poll later at the latest when nobody told."""
        late = self.clock.now() - timedelta(seconds=POLL_S + LATE_S)
        overslept = [one for one in self.due if one[1] < late and not self.woken[one]]
        assert overslept == []

    @invariant()
    def each_woke_once_for_each_time(self) -> None:
        """It may be moved away from a time, and back to it."""
        assert [one for one, times in self.woken.items() if times > self.stored[one]] == []

    def _store(self, sleeper: UUID, after_s: float, *, is_told: bool) -> None:
        wake_at = self.clock.now() + timedelta(seconds=after_s)
        self.rows.wake_at[sleeper] = wake_at
        self.due.add((sleeper, wake_at))
        self.stored[sleeper, wake_at] += 1
        if is_told:
            self.timers.hold(OpenExecution(TENANT, sleeper, wake_at))
            self._pass(0.0)

    def _wake(self, sleeping: OpenExecution) -> None:
        assert sleeping.wake_at is not None
        assert sleeping.wake_at <= self.clock.now(), "woke early"
        self.woken[sleeping.execution_id, sleeping.wake_at] += 1
        if self.rows.wake_at.get(sleeping.execution_id) == sleeping.wake_at:
            del self.rows.wake_at[sleeping.execution_id]

    def _pass(self, seconds: float) -> None:
        self.loop.run_until_complete(asyncio.sleep(seconds))
        assert not self.task.done(), self.task


TestTimers = TimersMachine.TestCase
TestTimers.settings = settings(max_examples=80 * EFFORT, stateful_step_count=40, deadline=None)
