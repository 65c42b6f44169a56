"""Two workers on one store against what must always hold: takeovers at any moment, answers that
come late, commands in between. No attempt has two outcomes, and in the end every run ends.
"""

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass, field
from typing import TypeVar
from uuid import UUID

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from commands.execution_commands import CompensateExecution, PauseExecution, ResumeExecution
from commands.executions import CancelExecution
from commands.signals import SignalExecution
from domain.errors import DomainError, Refused
from domain.executions import Execution
from domain.identifiers import JsonObject
from infra.event_codec import mapper
from infra.history_checks import Outcomes
from tests.commands.fakes import World
from tests.domain.given import a_graph, a_node, an_llm
from tests.sagas.steps import PARTITIONS, HeldModels, Worker, an_execution, read
from tests.simulation.loop import SimulatedLoop

Answer = TypeVar("Answer")

RUNS_MAX = 3
SETTLE_S = 1.0
ROUNDS_MAX = 200
ENDED = {"COMPLETED", "FAILED", "CANCELLED", "COMPENSATED", "NEEDS_ATTENTION"}
UNDO: JsonObject = {"type": "llm", "config": {"model": "offline/echo", "prompt": "undo"}}
DEFINITIONS: list[JsonObject] = [
    a_graph(
        [
            an_llm("one", retry={"max_attempts": 3}, compensate=UNDO),
            an_llm("two", retry={"max_attempts": 2}, compensate=UNDO),
            an_llm("three"),
        ],
        ["start -> one", "start -> two", "one -> three", "two -> three", "three -> end"],
    ),
    a_graph(
        [an_llm("ask", on_unknown="fail"), a_node("signal", "told", name="go")],
        ["start -> ask", "ask -> told", "told -> end"],
    ),
    a_graph(
        [a_node("delay", "nap", duration_s=30), an_llm("woken", retry={"max_attempts": 5})],
        ["start -> nap", "nap -> woken", "woken -> end"],
    ),
]


@dataclass(eq=False)
class LoopClock:
    """The world's clock shows the time of the loop, so that a sleeper wakes when it should."""

    world: World
    begun_s: float = 0.0
    shown_s: float = field(default=0.0)

    def follow(self, now_s: float) -> None:
        self.world.clock.pass_time(seconds=now_s - self.shown_s)
        self.shown_s = now_s


class SagaMachine(RuleBasedStateMachine):
    """owner: the place of the worker that has the partitions. A worker that lost them may not know
    it yet.
    """

    def __init__(self) -> None:
        super().__init__()
        self.loop = SimulatedLoop()

    @initialize()
    def begin(self) -> None:
        self.world = World()
        self.clock = LoopClock(self.world)
        self.runs: list[UUID] = []
        self.workers = [Worker(self.world, name) for name in ("one", "two")]
        self.timers: list[asyncio.Task[None]] = []
        self.owner = 0
        self._do(self.workers[0].own_everything())
        self._wake_sleepers()

    @precondition(lambda self: len(self.runs) < RUNS_MAX)
    @rule(definition=st.sampled_from(DEFINITIONS))
    def begin_a_run(self, definition: JsonObject) -> None:
        self.runs.append(self._do(an_execution(self.world, definition)))

    @rule(worker=st.integers(0, 1))
    def deliver(self, worker: int) -> None:
        if self.workers[worker].saga._partitions:
            self._do(self.workers[worker].deliver())

    @rule(
        worker=st.integers(0, 1),
        place=st.integers(0, 9),
        ending=st.sampled_from(["yes", "no", "never"]),
    )
    def answer(self, worker: int, place: int, ending: str) -> None:
        models = self.workers[worker].models
        waiting = [n for n, (_, answer) in enumerate(models.calls) if not answer.done()]
        if not waiting:
            return
        chosen = waiting[place % len(waiting)]
        match ending:
            case "yes":
                models.answer(chosen, "ok")
            case _:
                models.fail(chosen, retryable=ending == "no")
        self._settle()

    @rule(is_told=st.booleans())
    def take_over(self, *, is_told: bool) -> None:
        """The other worker gets the partitions. is_told: the one that had them gives them up; else
        it goes on with what it has in hand, as a process does that stood still.
        """
        former, self.owner = self.workers[self.owner], 1 - self.owner
        if is_told:
            self._do(former.stop())
        self._do(self.workers[self.owner].own_everything())

    @rule()
    def die(self) -> None:
        """The owner is killed, and a new process takes its place."""
        dead = self.workers[self.owner]
        for driven in dead.saga._driven.values():
            driven.task.cancel()
        fresh = Worker(self.world, f"after {len(self.timers)}", HeldModels())
        self.workers[self.owner] = fresh
        self._do(fresh.own_everything())
        self._wake_sleepers()

    @rule(seconds=st.floats(0.1, 40))
    def pass_time(self, seconds: float) -> None:
        self._settle(seconds)

    @precondition(lambda self: self.runs)
    @rule(
        run=st.integers(0, RUNS_MAX),
        command=st.sampled_from(["cancel", "undo", "pause", "resume", "signal", "compensate"]),
    )
    def command(self, run: int, command: str) -> None:
        execution_id = self.runs[run % len(self.runs)]
        chosen = {
            "cancel": CancelExecution(execution_id=execution_id),
            "undo": CancelExecution(execution_id=execution_id, must_undo=True),
            "pause": PauseExecution(execution_id),
            "resume": ResumeExecution(execution_id),
            "signal": SignalExecution(execution_id, "go", None),
            "compensate": CompensateExecution(execution_id),
        }[command]
        try:
            self._do(self.world.given(chosen))
        except DomainError as refusal:
            if not isinstance(refusal, Refused):
                raise

    @invariant()
    def no_attempt_has_two_outcomes(self) -> None:
        outcomes: dict[object, Outcomes] = {}
        for stored in self.world.store.events:
            if stored.topic not in {"execution.node_completed", "execution.node_failed"}:
                continue
            fact = mapper.to_domain_event(stored)
            assert isinstance(fact, Execution.NodeCompleted | Execution.NodeFailed)
            of_run = outcomes.setdefault(stored.originator_id, Outcomes())
            second = of_run.second(fact)
            assert second is None, second

    def teardown(self) -> None:
        """One worker has everything, whoever is asked answers, and whoever is waited for comes."""
        try:
            self._end_everything()
            statuses = [self._do(read(self.world, run)).status for run in self.runs]
            assert set(statuses) <= ENDED, statuses
        finally:
            left = asyncio.all_tasks(self.loop)
            for task in left:
                task.cancel()
            if left:
                self.loop.run_until_complete(asyncio.wait(left))
            self.loop.close()

    def _end_everything(self) -> None:
        self._do(self.workers[1 - self.owner].stop())
        worker = self.workers[self.owner]
        for _ in range(ROUNDS_MAX):
            self._do(worker.saga._adopt_ready(list(range(PARTITIONS))))
            self._do(worker.deliver())
            for number, (_, answer) in enumerate(worker.models.calls):
                if not answer.done():
                    worker.models.answer(number, "ok")
            self._settle(40.0)
            statuses = [self._do(read(self.world, run)).status for run in self.runs]
            if set(statuses) <= ENDED:
                return
            for number in range(len(self.runs)):
                self.command(number, "resume")
                self.command(number, "signal")

    def _wake_sleepers(self) -> None:
        saga = self.workers[self.owner].saga
        self.timers.append(self.loop.create_task(saga.wake_due()))

    def _settle(self, seconds: float = SETTLE_S) -> None:
        async def some_time() -> None:
            # In steps, so that no sleeper wakes while the clock is behind the loop.
            for _ in range(10):
                await asyncio.sleep(seconds / 10)
                self.clock.follow(self.loop.time())

        self.loop.run_until_complete(some_time())

    def _do(self, work: Awaitable[Answer]) -> Answer:
        async def done() -> Answer:
            return await work

        answer = self.loop.run_until_complete(done())
        self._settle()
        return answer


TestSaga = SagaMachine.TestCase
TestSaga.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
