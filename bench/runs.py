"""Durable runs of five steps, from the command to the stored end, beside another engine.

All use the same PostgreSQL.
"""

import asyncio
import importlib.util
import shutil
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from subprocess import PIPE
from uuid import UUID

import orjson

from bench.append import dispatcher_of
from bench.load import ClosedLoop, closed_loop
from bench.report import Figure, Measurement, in_turn, ratios
from bench.stage import ROOT, BenchFailed, Stage, everything, post
from cli.roles import run_worker
from commands.authorization import Caller
from commands.dispatch import Dispatcher, Origin
from commands.executions import ExecuteWorkflow
from commands.workflows import CreateWorkflow
from domain.identifiers import JsonObject, TenantId
from infra.authentication import Authentication
from infra.execution_waiter import ExecutionWaiter
from infra.runtime import Runtime, build_runtime

NAME = "runs"
AT_ONCE = 64
ROUND_S = 5.0
WARM_UP_S = 1.0
RUN_WAIT_S = 30
PEER_WAIT_S = 120
UV_PLACES = (".agentledger-tools/uv/bin/uv",)

LLM: JsonObject = {"model": "offline/echo", "prompt": "{{ input.question }}"}
DEFINITION: JsonObject = {
    "nodes": [
        {"id": "start", "type": "start"},
        {"id": "draft", "type": "llm", "config": LLM},
        {"id": "review", "type": "llm", "config": LLM},
        {"id": "polish", "type": "llm", "config": LLM},
        {"id": "end", "type": "end", "config": {"output": "{{ nodes.polish.output.text }}"}},
    ],
    "edges": [
        {"from": "start", "to": "draft"},
        {"from": "draft", "to": "review"},
        {"from": "review", "to": "polish"},
        {"from": "polish", "to": "end"},
    ],
}
INPUT: JsonObject = {"question": "Which three checks would you run first, and why?"}
NO_PEER = (
    "DBOS was not measured: neither is the package dbos installed here, nor can uv fetch it"
    " (`uv run --with dbos`)"
)


async def measure(stage: Stage) -> Measurement:
    engine_settings = await stage.installation("runs_engine")
    whole_settings = await stage.installation("runs_whole")
    peer = peer_command()
    async with (
        build_runtime(engine_settings) as runtime,
        engine_of(runtime) as engine,
        everything(stage, whole_settings) as (url, key),
    ):
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {key}"}
        workflow = await post(
            url, "/api/v1/workflows", {"name": "Five steps", "definition": DEFINITION}, headers
        )
        path = f"/api/v1/workflows/{workflow['workflow_id']}/execute?wait_s={RUN_WAIT_S}"
        await engine.runs_per_s(WARM_UP_S)

        async def ours() -> float:
            await stage.settle()
            return await engine.runs_per_s(ROUND_S)

        async def whole() -> float:
            await stage.settle()
            return (await closed_loop(_order(url, path, headers))).per_s

        contenders: list[Callable[[], Awaitable[float]]] = [ours, whole]
        if peer is not None:
            peer_url = await asyncio.to_thread(stage.empty_database, "runs_peer")
            contenders.append(lambda: peer_runs_per_s(peer, peer_url))
        seen = await in_turn(*contenders)
    figures = [
        Figure(
            f"engine: commands, worker and log in one process, {AT_ONCE} at once", "runs/s", seen[0]
        ),
        Figure(
            f"everything: `up` over HTTP, {AT_ONCE} connections wait for the end", "runs/s", seen[1]
        ),
    ]
    if peer is not None:
        figures += [
            Figure(f"DBOS, {AT_ONCE} workflows of five steps at once", "runs/s", seen[2]),
            Figure("ours (engine) / DBOS", "", ratios(seen[0], seen[2])),
        ]
    return Measurement(
        NAME,
        "durable runs of five steps, end to end",
        figures,
        [
            "a run: start, three llm nodes on offline/echo, end",
            "each llm node stores its intent before and its outcome after the call",
            "a run counts when its last event is stored and was read back",
            "everything: the same, and REST, GraphQL and all projections in the same process",
            *(() if peer is not None else (NO_PEER,)),
        ],
    )


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
        self._workflow_id: UUID | None = None

    async def register(self) -> None:
        command = CreateWorkflow("Five steps", None, is_public=False, definition=DEFINITION)
        answer = await self._dispatcher.dispatch(command, self._caller, Origin(self._new_id()))
        self._workflow_id = UUID(str(answer.result["workflow_id"]))

    async def runs_per_s(self, duration_s: float) -> float:
        began_at = time.perf_counter()
        ends_at = began_at + duration_s
        ended = 0

        async def run_for_ever() -> None:
            nonlocal ended
            while time.perf_counter() < ends_at:
                await self._run()
                ended += 1

        async with asyncio.TaskGroup() as tasks:
            for _ in range(AT_ONCE):
                tasks.create_task(run_for_ever())
        return ended / (time.perf_counter() - began_at)

    async def _run(self) -> None:
        assert self._workflow_id is not None
        assert self._caller.tenant_id is not None
        command = ExecuteWorkflow(self._workflow_id, INPUT)
        answer = await self._dispatcher.dispatch(command, self._caller, Origin(self._new_id()))
        execution_id = UUID(str(answer.result["execution_id"]))
        ended = await self._waiter.wait_for_end(self._caller.tenant_id, execution_id, RUN_WAIT_S)
        if ended is None or ended["status"] != "COMPLETED":
            raise BenchFailed(f"a run did not complete: {ended}")


@asynccontextmanager
async def engine_of(runtime: Runtime) -> AsyncIterator[Engine]:
    """Worker, commands and tail of one process, without a web server and without projections."""
    store = await runtime.event_store("api")
    database = await runtime.database("api")
    authentication = Authentication(
        database, runtime.clock, operator_key=None, monotonic_s=time.monotonic
    )
    tail = await runtime.tail(store, authentication)
    runtime.in_background("tail", tail.run())
    worker = asyncio.create_task(run_worker(runtime))
    scopes = frozenset({"workflows:write", "workflows:execute"})
    caller = Caller("api_key:bench", TenantId(runtime.ids.new()), scopes)
    try:
        async with dispatcher_of(runtime) as dispatcher:
            engine = Engine(dispatcher, ExecutionWaiter(database, tail), caller, runtime.ids.new)
            await engine.register()
            yield engine
    finally:
        worker.cancel()
        with suppress(asyncio.CancelledError):
            await worker


def peer_command() -> list[str] | None:
    """How to run the peer here, None when there is no way."""
    if importlib.util.find_spec("dbos") is not None:
        return [sys.executable, "-m", "bench.dbos_runs"]
    places = [shutil.which("uv"), *(shutil.which(str(ROOT / place)) for place in UV_PLACES)]
    uv = next((place for place in places if place is not None), None)
    if uv is None:
        return None
    return [uv, "run", "--quiet", "--no-sync", "--with", "dbos", "python", "-m", "bench.dbos_runs"]


async def peer_runs_per_s(command: list[str], url: str) -> float:
    started = await asyncio.create_subprocess_exec(
        *command, url, str(AT_ONCE), str(ROUND_S), cwd=ROOT, stdout=PIPE, stderr=PIPE
    )
    try:
        said, complaint = await asyncio.wait_for(started.communicate(), PEER_WAIT_S)
    finally:
        with suppress(ProcessLookupError):
            started.kill()
    if started.returncode:
        raise BenchFailed(f"the peer failed: {complaint.decode()[-1000:]}")
    return float(orjson.loads(said.splitlines()[-1])["runs_per_s"])


def _order(url: str, path: str, headers: dict[str, str]) -> ClosedLoop:
    return ClosedLoop(
        url,
        path,
        headers,
        orjson.dumps({"input": INPUT}).decode(),
        status=200,
        connections=AT_ONCE,
        duration_s=ROUND_S,
        contains='"COMPLETED"',
    )
