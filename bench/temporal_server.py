"""Temporal's own server on the PostgreSQL of this run, built from its Go module when that is asked
for: it takes minutes, once.
"""

import asyncio
import socket
import subprocess
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from urllib.parse import urlencode

import orjson
from psycopg.conninfo import conninfo_to_dict

from bench.peer_environments import COMPLAINT_CHARACTERS, ENVIRONMENTS, PeerMissing, run_tool
from bench.stage import Stage
from domain.identifiers import JsonObject

MODULE = "go.temporal.io/server"
VERSION = "v1.32.1"  # Of the packages below; the newest that Go 1.26.8 compiles.
PROGRAMS = {"server": "cmd/server", "sql": "cmd/tools/sql"}
BUILD_WAIT_S = 3000
PLUGIN = "postgres12_pgx"
DATABASE = "temporal"
# What lists workflows, and decides nothing. Its PostgreSQL schema needs the extension btree_gin,
# which the embedded server does not have; in memory it costs Temporal less than it would there.
VISIBILITY: JsonObject = {
    "pluginName": "sqlite",
    "databaseName": "temporal_visibility",
    "connectAddr": "localhost",
    "connectProtocol": "tcp",
    "connectAttributes": {"mode": "memory", "cache": "private"},
    "maxConns": 1,
    "maxIdleConns": 1,
    "maxConnLifetime": "1h",
}
# Four are the development default; more let 64 runs write at once.
HISTORY_SHARDS = 64
CONNECTIONS_MAX = 40
START_WAIT_S = 60
STOP_WAIT_S = 20
POLL_S = 0.1
# Its membership table keeps a port in an int2, so those that the kernel gives out are too high.
PORTS = range(27_000, 32_000)
SERVICES = ("frontend", "matching", "history", "worker")
# The limits that guard a shared cluster would cap the rate before PostgreSQL does.
UNLIMITED = 1_000_000
LIMITS = (
    *("frontend.rps", "frontend.namespaceRPS", "frontend.globalNamespaceRPS"),
    *("frontend.persistenceMaxQPS", "matching.persistenceMaxQPS", "history.persistenceMaxQPS"),
    *("matching.rps", "history.rps"),
)


def built() -> Path:
    """The directory of the server and its schema tool, built when they are not. Raises
    PeerMissing.
    """
    directory = ENVIRONMENTS / f"temporal-server-{VERSION}"
    for name, package in PROGRAMS.items():
        if not (directory / name).exists():
            run_tool(
                ["nice", "go", "install", f"{MODULE}/{package}@{VERSION}"],
                wait_s=BUILD_WAIT_S,
                environment={"GOBIN": str(directory)},
            )
    return directory


def prepared(stage: Stage) -> Path:
    """As `built`, with a database of the schema of that version. Raises PeerMissing."""
    programs = built()
    parts = conninfo_to_dict(stage.empty_database(DATABASE))
    tool = [
        str(programs / "sql"),
        *("--plugin", PLUGIN, "--endpoint", "localhost", "--port", str(parts["port"])),
        *("--user", str(parts["user"]), "--database", DATABASE),
        *("--connect-attributes", urlencode(_attributes(stage))),
    ]
    run_tool([*tool, "setup-schema", "--version", "0.0"])
    run_tool([*tool, "update-schema", "--schema-name", "postgresql/v12/temporal"])
    return programs


@asynccontextmanager
async def temporal_server(stage: Stage, programs: Path) -> AsyncIterator[str]:
    """The address of a running server. Raises PeerMissing."""
    ports = _free_ports(2 * len(SERVICES))
    config = stage.directory / "temporal.json"  # JSON is YAML.
    limits = stage.directory / "temporal-limits.json"
    config.write_bytes(orjson.dumps(_config(stage, ports, limits)))
    limits.write_bytes(orjson.dumps({name: [{"value": UNLIMITED}] for name in LIMITS}))
    log = stage.directory / "temporal.log"
    with log.open("ab") as said:
        started = await asyncio.create_subprocess_exec(
            *(str(programs / "server"), "--config-file", str(config), "--allow-no-auth", "start"),
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            start_new_session=True,
        )
    try:
        await _wait_until_listening(ports[0], started, log)
        yield f"127.0.0.1:{ports[0]}"
    finally:
        with suppress(ProcessLookupError):
            started.terminate()
        try:
            await asyncio.wait_for(started.wait(), STOP_WAIT_S)
        except TimeoutError:
            started.kill()
            await started.wait()


async def _wait_until_listening(port: int, started: asyncio.subprocess.Process, log: Path) -> None:
    deadline = asyncio.get_running_loop().time() + START_WAIT_S
    while started.returncode is None and asyncio.get_running_loop().time() < deadline:
        with suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            return
        await asyncio.sleep(POLL_S)
    said = await asyncio.to_thread(log.read_text, "utf-8", "replace")
    raise PeerMissing(f"the server did not start: {said[-COMPLAINT_CHARACTERS:]}")


def _config(stage: Stage, ports: Sequence[int], limits: Path) -> JsonObject:
    parts = conninfo_to_dict(stage.url)
    store: JsonObject = {
        "pluginName": PLUGIN,
        "databaseName": DATABASE,
        "connectAddr": f"localhost:{parts['port']}",
        "connectProtocol": "tcp",
        "connectAttributes": {**_attributes(stage)},
        "user": str(parts["user"]),
        "password": "",
        "maxConns": CONNECTIONS_MAX,
        "maxIdleConns": CONNECTIONS_MAX,
        "maxConnLifetime": "1h",
    }
    services: JsonObject = {
        name: {
            "rpc": {
                "grpcPort": ports[2 * place],
                "membershipPort": ports[2 * place + 1],
                "bindOnLocalHost": True,
            }
        }
        for place, name in enumerate(SERVICES)
    }
    return {
        "log": {"stdout": True, "level": "error"},
        "persistence": {
            "defaultStore": "postgres",
            "visibilityStore": "memory",
            "numHistoryShards": HISTORY_SHARDS,
            "datastores": {"postgres": {"sql": store}, "memory": {"sql": VISIBILITY}},
        },
        "global": {"membership": {"maxJoinDuration": "30s", "broadcastAddress": "127.0.0.1"}},
        "services": services,
        "clusterMetadata": {
            "enableGlobalNamespace": False,
            "failoverVersionIncrement": 10,
            "masterClusterName": "active",
            "currentClusterName": "active",
            "clusterInformation": {
                "active": {
                    "enabled": True,
                    "initialFailoverVersion": 1,
                    "rpcName": "frontend",
                    "rpcAddress": f"localhost:{ports[0]}",
                }
            },
        },
        "dcRedirectionPolicy": {"policy": "noop"},
        "publicClient": {"hostPort": f"127.0.0.1:{ports[0]}"},
        "dynamicConfigClient": {"filepath": str(limits), "pollInterval": "60s"},
    }


def _attributes(stage: Stage) -> dict[str, str]:
    """The server listens on a socket file only, which these name over the address beside them."""
    parts = conninfo_to_dict(stage.url)
    return {"host": str(parts["host"]), "port": str(parts["port"])}


def _free_ports(count: int) -> list[int]:
    free: list[int] = []
    for port in PORTS:
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            free.append(port)
        if len(free) == count:
            return free
    raise PeerMissing(f"no {count} ports of {PORTS.start} to {PORTS.stop} are free")
