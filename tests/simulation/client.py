"""Whoever uses the platform: starts runs, sends signals, changes its mind, and repeats a command
under its idempotency key until it hears an answer.
"""

import asyncio
from dataclasses import dataclass, field
from uuid import UUID

from commands.approvals import DecideApproval
from commands.authorization import EVERY_SCOPE, Caller
from commands.decisions import Command
from commands.dispatch import CommandInProgress, Dispatcher, Origin
from commands.execution_commands import (
    CompensateExecution,
    PauseExecution,
    ResolveExecution,
    ResumeExecution,
    RetryExecution,
)
from commands.executions import CancelExecution, ExecuteWorkflow
from commands.ports import Ports
from commands.signals import ReceiveWebhook, SignalExecution
from commands.workflows import CreateWorkflow
from domain.errors import DomainError, Unavailable
from domain.execution_commands import Decision, Resolution
from domain.executions import Execution
from domain.identifiers import JsonObject, TenantId
from tests.commands.fakes import FakeAdmission, FakeIds, FakeSecrets
from tests.simulation.chance import Chance
from tests.simulation.definitions import SIGNALS, random_definition
from tests.simulation.processes import Process
from tests.simulation.store import Connection

REPEATS_MAX = 60
REPEAT_S = 1.5
ACTS_MAX = 5


@dataclass(eq=False)
class Client:
    """answers: by idempotency key, what was acknowledged. refused: what was not done. unknown:
    what may have been done.
    """

    process: Process
    connection: Connection
    ids: FakeIds
    chance: Chance
    tenant_id: TenantId
    answers: dict[str, JsonObject] = field(default_factory=dict)
    refused: set[str] = field(default_factory=set)
    unknown: set[str] = field(default_factory=set)
    runs: list[UUID] = field(default_factory=list)
    signals: dict[str, str] = field(default_factory=dict)
    _count: int = 0

    def __post_init__(self) -> None:
        ports = Ports(self.connection, self.process, self.ids, FakeSecrets(), FakeAdmission())
        # Two instances of the API: a repeated command may meet another one.
        self._dispatchers = [Dispatcher(ports), Dispatcher(ports)]
        self.caller = Caller("api_key:client", self.tenant_id, frozenset(EVERY_SCOPE))

    async def send(self, command: Command, *, patience: int = REPEATS_MAX) -> JsonObject | None:
        """None when it was refused, or nobody answered in time."""
        self._count += 1
        key = f"key-{self._count}"
        self.process.environment.tell("client", f"{key} {command}"[:150])
        if isinstance(command, SignalExecution):
            self.signals[key] = str(command.payload)
        elif isinstance(command, ReceiveWebhook):
            self.signals[key] = str(command.request)
        for _ in range(patience):
            origin = Origin(self.ids.new(), idempotency_key=key)
            try:
                dispatcher = self.chance.choice(self._dispatchers)
                answer = await dispatcher.dispatch(command, self.caller, origin)
            except (Unavailable, CommandInProgress):
                self.unknown.add(key)
                await asyncio.sleep(self.chance.delay_s(REPEAT_S))
            except DomainError as refusal:
                self.process.environment.tell("client", f"{key} refused: {refusal.code}")
                self.refused.add(key)
                return None
            else:
                self.unknown.discard(key)
                self.answers[key] = answer.result
                return answer.result
        return None

    async def make_workflows(self, count: int) -> list[str]:
        """Later ones may start earlier ones."""
        made: list[str] = []
        for number in range(count):
            definition = random_definition(self.chance, made)
            command = CreateWorkflow(
                name=f"w{number}", description=None, is_public=False, definition=definition
            )
            answer = await self.send(command)
            if answer is not None:
                made.append(str(answer["workflow_id"]))
        return made

    async def live(self, workflow_id: str, number: int) -> None:
        """One run, and what comes to the client's mind while it goes on."""
        await asyncio.sleep(self.chance.between(0, 20))
        command = ExecuteWorkflow(workflow_id=UUID(workflow_id), input={"number": number})
        answer = await self.send(command)
        if answer is None:
            return
        execution_id = UUID(str(answer["execution_id"]))
        self.runs.append(execution_id)
        for _ in range(self.chance.integer(0, ACTS_MAX)):
            await asyncio.sleep(self.chance.delay_s(8.0))
            await self._act(execution_id)

    async def _act(self, execution_id: UUID) -> None:
        whim = self.chance.integer(0, 11)
        if whim <= 4:
            kind = self.chance.choice(["signal", "webhook"])
            await self.send(self._message(execution_id, kind, self.chance.choice(SIGNALS)))
        elif whim <= 6:
            await self.send(PauseExecution(execution_id=execution_id))
            await asyncio.sleep(self.chance.delay_s(5.0))
            await self.send(ResumeExecution(execution_id=execution_id))
        elif whim == 7:
            await self.send(CancelExecution(execution_id=execution_id))
        elif whim == 8:
            await self.send(CancelExecution(execution_id=execution_id, must_undo=True))
        elif whim == 9:
            await self.send(CompensateExecution(execution_id=execution_id))
        else:
            await self.send(RetryExecution(execution_id=execution_id))

    def _message(self, execution_id: UUID, kind: str, name: str) -> Command:
        """kind: of the node that it is for."""
        payload = f"{name}-{self._count + 1}"
        if kind == "webhook":
            return ReceiveWebhook(execution_id, name, {"body": payload})
        return SignalExecution(execution_id, name, payload)

    async def help_on(self, execution: Execution) -> None:
        """Whatever the run waits for from outside is given to it."""
        if execution.status == "PAUSED":
            await self.send(ResumeExecution(execution_id=execution.id))
            return
        if execution.status == "NEEDS_ATTENTION":
            await self._resolve(execution)
            return
        for path in list(execution.runs.waiting):
            run = execution.runs.get(path)
            if run.awaited is None or run.answer is not None:
                continue
            if run.node_type == "approval":
                choice: Decision = self.chance.choice(["approve", "reject"])
                await self.send(
                    DecideApproval(execution_id=execution.id, path=path, decision=choice)
                )
            elif run.node_type in {"signal", "webhook"}:
                name = str(run.awaited["name"])
                await self.send(self._message(execution.id, run.node_type, name))

    async def _resolve(self, execution: Execution) -> None:
        doubted = list(execution.runs.doubted)
        failed = [
            path
            for path, run in execution.runs.by_path.items()
            if path.endswith("/compensate") and run.status == "FAILED"
        ]
        for path in doubted or failed:
            outcome: Resolution = self.chance.choice(["done", "retry", "skip"])
            await self.send(
                ResolveExecution(execution_id=execution.id, node_id=path, outcome=outcome)
            )
            return
