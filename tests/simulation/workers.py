"""Worker and projector processes of the simulated system, and what becomes of them."""

import asyncio
from dataclasses import dataclass, field

from commands.ports import Log
from infra.consumer import keep_running
from infra.models.tenant_providers import TenantProviders
from infra.price_books import ListedPrices
from sagas.drive import DriveParts
from sagas.effects import Effects
from sagas.executions import ExecutionSaga
from sagas.fairness import ClaimLimits, FairSlots
from sagas.nodes import RUNNERS
from sagas.run_owners import RunOwners
from sagas.start_queue import StartLimits, StartQueue
from sagas.step_turns import StepLimits, StepTurns
from tests.commands.fake_parts import FakePartRights
from tests.commands.fakes import FakeIds, FakeVault
from tests.sagas.steps import WEBHOOK_KEYS, ToldHttp
from tests.simulation.effects import ModelClient, ModelServer
from tests.simulation.log import Group, Member
from tests.simulation.processes import Process
from tests.simulation.projecting import ReadModels, SimulatedProjector
from tests.simulation.store import Connection, SimulatedStore

SWEEP_S = 20.0
HANDOVER_S = 2.0
DRIVES_MAX = 50
STARTS_MAX = 1000
ATTEMPTS_MAX = 4
STEP_LIMITS = StepLimits(quiet_max=8, own_max=2, spare_max=4)
PAUSE_MAX_S = 5.0


@dataclass(eq=False)
class Worker:
    """The real execution saga in a process of its own."""

    process: Process
    store: SimulatedStore
    group: Group
    server: ModelServer
    ids: FakeIds
    saga: ExecutionSaga = field(init=False)
    member: Member = field(init=False)

    def __post_init__(self) -> None:
        self.connection = Connection(self.store, self.process)
        self.models = ModelClient(self.server, self.process)
        self.member = Member(self.group, self.process)
        log: Log = self.member  # pyright: ignore[reportAssignmentType] # the saga does not consume
        self.saga = ExecutionSaga(
            log=log,
            open_executions=self.connection,
            parts=DriveParts(
                actor=f"worker:{self.process.name}",
                events=self.connection,
                effects=Effects(
                    self.connection,
                    self.models,
                    ToldHttp(),
                    FakeVault(),
                    RunOwners(self.connection),
                    TenantProviders(FakeVault()),
                    ListedPrices(),
                    self.process,
                    FakePartRights(self.store),
                ),
                runners=RUNNERS,
                clock=self.process,
                ids=self.ids,
                attempts=FairSlots(ClaimLimits(ATTEMPTS_MAX)),
                webhook_path=WEBHOOK_KEYS.path,
                steps=StepTurns(STEP_LIMITS, lambda: self.process.environment.now_s),
            ),
            clock=self.process,
            sweep_s=SWEEP_S,
            handover_s=HANDOVER_S,
            starts=StartQueue(StartLimits(DRIVES_MAX, STARTS_MAX)),
        )
        self.member.handler = self.saga

    def start(self) -> None:
        spawn = self.process.environment.spawn
        spawn(self.member.run())
        spawn(keep_running("sweep", self.saga.sweep, pause_max_s=PAUSE_MAX_S))
        spawn(keep_running("timers", self.saga.wake_due, pause_max_s=PAUSE_MAX_S))
        self.group.rebalance()

    async def be_cut_off(self, seconds: float) -> None:
        """From everything at once: the store, the log and the world."""
        self.process.environment.tell(self.process.name, f"is cut off for {seconds:.1f} s")
        self.connection.is_cut_off = self.models.is_cut_off = True
        self.member.be_silent(seconds)
        await asyncio.sleep(seconds)
        self.connection.is_cut_off = self.models.is_cut_off = False


class ProjectorProcess:
    """The real projector, but for its tables, in a process of its own."""

    def __init__(self, process: Process, group: Group, models: ReadModels) -> None:
        self.process = process
        self.member = Member(group, process)
        count = group.topic.partitions_count
        self.member.handler = SimulatedProjector(models, process, partitions_count=count)
        self._group = group

    def start(self) -> None:
        self.process.environment.spawn(self.member.run())
        self._group.rebalance()
