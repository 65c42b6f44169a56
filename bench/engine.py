"""Our engine alone: commands, worker and log of one process, without a web server and without read
models, on the chain of five steps that the peers run too: functions, as theirs are, or calls of a
model, which are counted, priced and charged as well.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from itertools import pairwise
from statistics import median
from typing import Any
from uuid import UUID

from bench.append import dispatcher_of
from bench.stage import BenchFailed
from cli.collections import rare_collections
from cli.worker import run_worker
from commands.authorization import Caller
from commands.decisions import Command
from commands.dispatch import Dispatcher, Origin
from commands.executions import ExecuteWorkflow
from commands.workflows import CreateWorkflow
from domain.attempts import Attempt, Usage
from domain.identifiers import Json, JsonObject, TenantId
from infra.authentication import Authentication
from infra.execution_waiter import ExecutionWaiter
from infra.runtime import Runtime
from sagas.effects import ChildWanted, Effects, Outcome, Run
from sagas.nodes import RUNNERS
from sagas.nodes.llm import run_llm

STEPS = 5
RUN_WAIT_S = 30
SEQUENTIAL_S = 2.0
QUESTION = "Which three checks would you run first, and why?"
INPUT: JsonObject = {"question": QUESTION}
# A model that calls nobody may be asked again: its outcome is stored, and no intent before it.
# So do the peers, which store what a step returned.
REPEATABLE: JsonObject = {"repeatable": True}

ECHO: JsonObject = {"model": "offline/echo", "prompt": "{{ input.question }}"}
# No model: what stands in its place is a function, as the steps of the peers are.
FUNCTION: JsonObject = {**ECHO, "model": "offline/function"}


def chain(steps: Sequence[JsonObject]) -> JsonObject:
    """A definition: start, an llm node with these fields for each step, end. The last one's text
    is the output.
    """
    ids = [f"step_{number}" for number, _ in enumerate(steps, 1)]
    path = ["start", *ids, "end"]
    output = f"{{{{ nodes.{ids[-1]}.output.text }}}}"
    nodes: list[Json] = [
        {"id": "start", "type": "start"},
        *({"id": id_, "type": "llm", **step} for id_, step in zip(ids, steps, strict=True)),
        {"id": "end", "type": "end", "config": {"output": output}},
    ]
    edges: list[Json] = [{"from": source, "to": target} for source, target in pairwise(path)]
    return {"nodes": nodes, "edges": edges}


STEP: JsonObject = {"config": ECHO, **REPEATABLE}
FIVE_STEPS = chain([STEP] * STEPS)
FIVE_FUNCTIONS = chain([{"config": FUNCTION, **REPEATABLE}] * STEPS)


def _run_llm(attempt: Attempt, run: Run, on: Effects) -> Coroutine[Any, Any, Outcome | ChildWanted]:
    request: Any = attempt.request
    if request["model"] == FUNCTION["model"]:
        return _function(request["messages"][0]["content"])
    return run_llm(attempt, run, on)


async def _function(question: str) -> Outcome:
    return Outcome({"text": question}, Usage())


class Engine:
    """Runs workflows through the command path and waits for the end as the API does."""

    def __init__(
        self,
        dispatcher: Dispatcher,
        waiter: ExecutionWaiter,
        caller: Caller,
        new_id: Callable[[], UUID],
    ) -> None:
        self._dispatcher = dispatcher
        self._waiter = waiter
        self._caller = caller
        self._new_id = new_id

    def of_tenant(self, tenant_id: UUID) -> "Engine":
        """The same engine for a tenant that may say how much it spends."""
        scopes = self._caller.scopes | {"budgets:write"}
        caller = Caller("api_key:bench", TenantId(tenant_id), scopes)
        return Engine(self._dispatcher, self._waiter, caller, self._new_id)

    async def command(self, command: Command) -> None:
        await self._dispatcher.dispatch(command, self._caller, Origin(self._new_id()))

    async def register(self, definition: JsonObject) -> UUID:
        """The id of a new workflow."""
        command = CreateWorkflow("Bench", None, is_public=False, definition=definition)
        answer = await self._dispatcher.dispatch(command, self._caller, Origin(self._new_id()))
        return UUID(str(answer.result["workflow_id"]))

    async def start(self, workflow_id: UUID) -> UUID:
        """The id of an execution that has begun."""
        command = ExecuteWorkflow(workflow_id, INPUT)
        answer = await self._dispatcher.dispatch(command, self._caller, Origin(self._new_id()))
        return UUID(str(answer.result["execution_id"]))

    async def run(self, workflow_id: UUID) -> None:
        assert self._caller.tenant_id is not None
        execution_id = await self.start(workflow_id)
        ended = await self._waiter.wait_for_end(self._caller.tenant_id, execution_id, RUN_WAIT_S)
        if ended is None or (ended["status"], ended["output"]) != ("COMPLETED", QUESTION):
            raise BenchFailed(f"a run did not complete: {ended}")

    async def runs_per_s(self, workflow_id: UUID, *, at_once: int, duration_s: float) -> float:
        began_at = time.perf_counter()
        ends_at = began_at + duration_s
        ended = 0

        async def run_for_ever() -> None:
            nonlocal ended
            while time.perf_counter() < ends_at:
                await self.run(workflow_id)
                ended += 1

        async with asyncio.TaskGroup() as tasks:
            for _ in range(at_once):
                tasks.create_task(run_for_ever())
        return ended / (time.perf_counter() - began_at)

    async def sequential_p50_ms(self, workflow_id: UUID) -> float:
        took_s: list[float] = []
        ends_at = time.perf_counter() + SEQUENTIAL_S
        while not took_s or time.perf_counter() < ends_at:
            began_at = time.perf_counter()
            await self.run(workflow_id)
            took_s.append(time.perf_counter() - began_at)
        return median(took_s) * 1000


@asynccontextmanager
async def engine_of(runtime: Runtime) -> AsyncIterator[Engine]:
    store = await runtime.event_store("api")
    database = await runtime.database("api")
    authentication = Authentication(
        database,
        runtime.clock,
        operator_key=None,
        monotonic_s=time.monotonic,
        key_used=lambda _api_key_id, _tenant_id: None,
    )
    tail = await runtime.tail(store, authentication.forget)
    runtime.in_background("tail", tail.run())
    waiter = ExecutionWaiter(
        database, tail, await runtime.blobs("api"), await runtime.event_seals("api")
    )
    runtime.neighbours.execution_ended = waiter.ended
    worker = asyncio.create_task(run_worker(runtime, {**RUNNERS, "llm": _run_llm}))
    scopes = frozenset({"workflows:write", "workflows:execute"})
    caller = Caller("api_key:bench", TenantId(runtime.ids.new()), scopes)
    try:
        async with dispatcher_of(runtime, store) as dispatcher:
            with rare_collections():
                yield Engine(dispatcher, waiter, caller, runtime.ids.new)
    finally:
        worker.cancel()
        with suppress(asyncio.CancelledError):
            await worker
