"""One run of the simulation: the system, its faults for a while, then a calm in which everything
must come to its end.
"""

import asyncio
from dataclasses import dataclass, field
from uuid import UUID

from domain.executions import Execution
from domain.identifiers import TenantId
from tests.commands.fakes import FakeIds
from tests.simulation.chance import Chance, drawn_faults
from tests.simulation.client import Client
from tests.simulation.effects import ModelServer
from tests.simulation.log import Group, Topic
from tests.simulation.processes import Environment, Process
from tests.simulation.projecting import ReadModels
from tests.simulation.relaying import RelayProcess
from tests.simulation.store import Connection, SimulatedStore
from tests.simulation.workers import ProjectorProcess, Worker

PARTITIONS_MAX = 3
WORKERS_MAX = 3
PROJECTORS_MAX = 2
WORKFLOWS_MAX = 3
RUNS_MAX = 4
STORM_S = 90.0
# In the calm, whatever waits from outside is given; so all ends, or something is lost. A loop in a
# loop sleeps for hours; who sleeps longer than a node ever does is lost.
CALM_ROUNDS_MAX = 1000
STILL_ROUNDS_MAX = 40
CALM_ROUND_S = 15.0
SETTLE_S = 60.0
STILL_S_MAX = 40.0
CLOCK_JUMP_S_MAX = 600.0


@dataclass(eq=False)
class World:
    """lost: executions that had not ended when the calm was over."""

    seed: int
    environment: Environment = field(init=False)
    lost: list[UUID] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.chance = Chance(f"agentledger/{self.seed}")
        self.environment = Environment(self.chance.of("ways"), drawn_faults(self.chance))
        self.ids = FakeIds()
        self.tenant_id = TenantId(self.ids.new())

    async def live(self) -> None:
        self._build()
        for one in (*self.workers, *self.projectors):
            one.start()
        self.environment.spawn(self.relay.run())
        self.environment.spawn(self._storm())
        workflows = await self.client.make_workflows(self.chance.integer(1, WORKFLOWS_MAX))
        runs = self.chance.integer(1, RUNS_MAX)
        await asyncio.gather(
            *(self.client.live(self.chance.choice(workflows), n) for n in range(runs) if workflows)
        )
        await asyncio.sleep(max(0.0, STORM_S - self.environment.now_s))
        self._calm_down()
        await self._come_to_an_end()

    def _build(self) -> None:
        environment, chance = self.environment, self.chance
        self.store = SimulatedStore(environment)
        self.topic = Topic(environment, chance.integer(1, PARTITIONS_MAX))
        self.server = ModelServer(environment, self.store)
        self.relay = RelayProcess(self.store, self.topic, environment)
        self.executions = Group("executions", self.topic, self.store)
        self.readers = Group("projections", self.topic, self.store)
        self.models = ReadModels(self.store)
        self.workers = [self._worker(n) for n in range(chance.integer(1, WORKERS_MAX))]
        self.projectors = [self._projector(n) for n in range(chance.integer(1, PROJECTORS_MAX))]
        process = Process("api", environment)
        connection = Connection(self.store, process)
        self.client = Client(process, connection, self.ids, chance.of("client"), self.tenant_id)

    def _worker(self, number: int) -> Worker:
        process = Process(f"worker-{number}", self.environment)
        return Worker(process, self.store, self.executions, self.server, self.ids)

    def _projector(self, number: int) -> ProjectorProcess:
        process = Process(f"projector-{number}", self.environment)
        return ProjectorProcess(process, self.readers, self.models)

    async def _storm(self) -> None:
        """Every second something may go wrong."""
        faults, chance = self.environment.faults, self.environment.chance
        while faults.is_on:
            await asyncio.sleep(1.0)
            if faults.happens(faults.relay_dies):
                self.relay.die()
            if faults.happens(faults.rebalances):
                group = chance.choice([self.executions, self.readers])
                self.environment.tell(group.name, "is balanced anew")
                group.rebalance(turn=1)
            self._trouble_a_worker()
            self._trouble_a_projector()

    def _trouble_a_worker(self) -> None:
        faults, chance = self.environment.faults, self.environment.chance
        number = chance.integer(0, len(self.workers) - 1)
        worker = self.workers[number]
        seconds = chance.between(1.0, STILL_S_MAX)
        if faults.happens(faults.worker_dies):
            worker.process.die()
            self.environment.spawn(self._replace_worker(number))
        elif faults.happens(faults.worker_stands_still):
            worker.member.be_silent(seconds)
            self.environment.spawn(worker.process.stand_still(seconds))
        elif faults.happens(faults.worker_is_cut_off):
            self.environment.spawn(worker.be_cut_off(seconds))
        elif faults.happens(faults.worker_clock_jumps):
            worker.process.skew_s = chance.between(-CLOCK_JUMP_S_MAX, CLOCK_JUMP_S_MAX)
            self.environment.tell(worker.process.name, f"skew {worker.process.skew_s:.0f} s")

    def _trouble_a_projector(self) -> None:
        faults, chance = self.environment.faults, self.environment.chance
        number = chance.integer(0, len(self.projectors) - 1)
        projector = self.projectors[number]
        seconds = chance.between(1.0, STILL_S_MAX)
        if faults.happens(faults.projector_dies):
            projector.process.die()
            self.environment.spawn(self._replace_projector(number))
        elif faults.happens(faults.projector_stands_still):
            projector.member.be_silent(seconds)
            self.environment.spawn(projector.process.stand_still(seconds))

    async def _replace_worker(self, number: int) -> None:
        self.workers[number] = self._worker(number)
        await self.environment.pass_by(4.0)
        self.workers[number].start()

    async def _replace_projector(self, number: int) -> None:
        self.projectors[number] = self._projector(number)
        await self.environment.pass_by(4.0)
        self.projectors[number].start()

    def _calm_down(self) -> None:
        self.environment.tell("world", "calms down")
        self.environment.faults.is_on = False
        for worker in self.workers:
            worker.process.skew_s = 0.0

    async def _come_to_an_end(self) -> None:
        done, still_rounds = 0, 0
        for _ in range(CALM_ROUNDS_MAX):
            await asyncio.sleep(CALM_ROUND_S)
            open_ones = [one for one in await self.every_execution() if not is_over(one)]
            before, done = done, self._done_by_workers()
            still_rounds = still_rounds + 1 if done == before else 0
            if not open_ones or still_rounds > STILL_ROUNDS_MAX:
                break
            for execution in open_ones:
                await self.client.help_on(execution)
        self.lost = [one.id for one in open_ones]
        await asyncio.sleep(SETTLE_S)

    def _done_by_workers(self) -> int:
        return sum((event.actor or "").startswith("worker:") for event in self.store.logged)

    async def every_execution(self) -> list[Execution]:
        ids = [e.stream_id for e in self.store.logged if e.topic == "execution.created"]
        found = [await self.store.load(Execution, one, self.tenant_id) for one in ids]
        return [one for one in found if one is not None]


def is_over(execution: Execution) -> bool:
    return execution.is_ended and execution.status != "NEEDS_ATTENTION"
