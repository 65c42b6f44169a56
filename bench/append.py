"""Durable commands of one event, through the command path in this process.

Beside what PostgreSQL itself can do: pgbench with a prepared insert of one row of the same size;
and beside the recorder that the `eventsourcing` library brings.
"""

import asyncio
import re
import subprocess
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from uuid import uuid4

from eventsourcing.persistence import StoredEvent
from eventsourcing.postgres import PostgresApplicationRecorder, PostgresDatastore
from psycopg.conninfo import conninfo_to_dict

from bench.report import Figure, Measurement, at_least, in_turn, ratios
from bench.stage import BenchFailed, Stage, execute
from commands.agents import CreateAgent
from commands.authorization import Caller
from commands.dispatch import Dispatcher, Origin
from commands.ports import Ports
from domain.identifiers import JsonObject, TenantId
from infra.admission import EveryoneAdmitted
from infra.event_store import PostgresEventStore
from infra.runtime import Runtime, build_runtime
from infra.secrets_source import SecretsSource
from infra.settings import Settings

NAME = "append"
CALLERS = 64
ROUND_S = 5.0
WARM_UP_S = 1.0
PGBENCH_CLIENTS = 16
PGBENCH_THREADS = 2
LIBRARY_THREADS = 8

PROFILE: JsonObject = {
    "name": "Writer",
    "role": "writes drafts",
    "model": "offline/echo",
    "instructions": "Answer in one sentence, name your sources, and say when you are not sure.",
    "tools": [],
    "parameters": {"temperature": 0.2},
}
# The id is made as cheaply as ours; the row is sent by the client, as ours is.
PEER_TABLE = (
    "CREATE TABLE peer_events (id uuid, version bigint, topic text, state bytea,"
    " recorded_at timestamptz, PRIMARY KEY (id, version))"
)
PEER_INSERT = (
    "INSERT INTO peer_events VALUES (uuidv7(), 1, 'agent.created', :state, clock_timestamp());\n"
)
STATE_BYTES = "SELECT round(avg(length(state))) FROM agentledger.events"
TPS = re.compile(r"^tps = ([0-9.]+)", re.MULTILINE)


@asynccontextmanager
async def dispatcher_of(
    runtime: Runtime, store: PostgresEventStore | None = None
) -> AsyncIterator[Dispatcher]:
    """The command path as the API builds it. store: that a tail tells what others append; without
    one nobody else does.
    """
    if store is None:
        store = await runtime.event_store("api")
        store.is_told = True
    yield Dispatcher(
        Ports(
            events=store,
            clock=runtime.clock,
            ids=runtime.ids,
            secrets=SecretsSource(bcrypt_cost=runtime.settings.bcrypt_cost),
            admission=EveryoneAdmitted(),
        )
    )


async def measure(stage: Stage) -> Measurement:
    settings = await stage.installation("append")
    peer_url = await asyncio.to_thread(stage.empty_database, "append_peers")
    execute(peer_url, PEER_TABLE)
    async with build_runtime(settings) as runtime, dispatcher_of(runtime) as dispatcher:
        await commands_per_s(runtime, dispatcher, WARM_UP_S)
        state_bytes = _state_bytes(settings)

        async def ours() -> float:
            await stage.settle()
            return await commands_per_s(runtime, dispatcher, ROUND_S)

        async def pgbench() -> float:
            await stage.settle()
            return await asyncio.to_thread(pgbench_per_s, stage, peer_url, state_bytes)

        async def library() -> float:
            await stage.settle()
            return await asyncio.to_thread(library_per_s, peer_url, state_bytes)

        mine, theirs, recorder = await in_turn(ours, pgbench, library)
        group_commit = runtime.group_commit()
        batch = group_commit.events_count / max(1, group_commit.batches_count)
    return Measurement(
        NAME,
        "durable commands of one event, in process",
        [
            Figure(f"CreateAgent through commands.dispatch, {CALLERS} callers", "events/s", mine),
            Figure(
                f"pgbench, prepared single-row insert, {PGBENCH_CLIENTS} clients", "rows/s", theirs
            ),
            Figure(
                f"eventsourcing's PostgresApplicationRecorder, {LIBRARY_THREADS} threads",
                "events/s",
                recorder,
            ),
            Figure("ours / pgbench", "", ratios(mine, theirs), at_least(0.50)),
            Figure("ours / the library's recorder", "", ratios(mine, recorder)),
        ],
        [
            f"the stored event is {state_bytes} bytes; the peers store rows of the same size",
            f"one transaction carried {batch:.0f} events of ours on average",
            "ours keeps 14 columns and 3 indexes per event, the peers 5 columns and 1 index",
        ],
    )


async def commands_per_s(runtime: Runtime, dispatcher: Dispatcher, duration_s: float) -> float:
    """Each caller sends its next command when the last one is stored."""
    caller = Caller("api_key:bench", TenantId(runtime.ids.new()), frozenset({"agents:write"}))
    command = CreateAgent(PROFILE)
    new_id = runtime.ids.new
    began_at = time.perf_counter()
    ends_at = began_at + duration_s
    stored = 0

    async def call_for_ever() -> None:
        nonlocal stored
        while time.perf_counter() < ends_at:
            answer = await dispatcher.dispatch(command, caller, Origin(new_id()))
            assert answer.position is not None
            stored += 1

    async with asyncio.TaskGroup() as tasks:
        for _ in range(CALLERS):
            tasks.create_task(call_for_ever())
    return stored / (time.perf_counter() - began_at)


def pgbench_per_s(stage: Stage, url: str, state_bytes: int) -> float:
    script = stage.directory / "insert.sql"
    script.write_text(PEER_INSERT, "utf-8")
    parts = conninfo_to_dict(url)
    command = [
        str(stage.bin_dir / "pgbench"),
        *("-M", "prepared", "-n", "-f", str(script), "-D", f"state=\\x{'61' * state_bytes}"),
        *("-c", str(PGBENCH_CLIENTS), "-j", str(PGBENCH_THREADS), "-T", f"{ROUND_S:.0f}"),
        *("-h", str(parts["host"]), "-p", str(parts["port"]), "-U", str(parts["user"])),
        str(parts["dbname"]),
    ]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    found = TPS.search(run.stdout)
    if run.returncode or found is None:
        raise BenchFailed(f"pgbench: {run.stderr.strip()}")
    return float(found[1])


def library_per_s(url: str, state_bytes: int) -> float:
    """Its own table, made by itself, with the settings it has by default."""
    parts = conninfo_to_dict(url)
    datastore = PostgresDatastore(
        dbname=str(parts["dbname"]),
        host=str(parts["host"]),
        port=str(parts["port"]),
        user=str(parts["user"]),
        password="",
        pool_size=LIBRARY_THREADS,
        max_overflow=0,
        originator_id_type="uuid",
    )
    recorder = PostgresApplicationRecorder(datastore, events_table_name="library_events")
    recorder.create_table()
    state = b"a" * state_bytes
    began_at = time.perf_counter()
    ends_at = began_at + ROUND_S

    def insert_for_ever() -> int:
        stored = 0
        while time.perf_counter() < ends_at:
            recorder.insert_events([StoredEvent(uuid4(), 1, "agent.created", state)])
            stored += 1
        return stored

    try:
        with ThreadPoolExecutor(LIBRARY_THREADS) as threads:
            running = [threads.submit(insert_for_ever) for _ in range(LIBRARY_THREADS)]
            stored = sum(thread.result() for thread in running)
        return stored / (time.perf_counter() - began_at)
    finally:
        datastore.close()


def _state_bytes(settings: Settings) -> int:
    assert settings.database_url is not None
    ((average,),) = execute(settings.database_url, STATE_BYTES)
    return int(str(average))
