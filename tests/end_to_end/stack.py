"""The product as its users run it: processes of `agentledger`, spoken to over HTTP only."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import orjson

from domain.identifiers import JsonObject
from tests.plain_http import NO_AUTHORITIES

ROOT = Path(__file__).parents[2]
READY_S = 120
STOP_S = 60
# Hashing that is dear on purpose, at its cheapest.
CHEAP_HASHING = {"AGENTLEDGER_BCRYPT_COST": "4", "AGENTLEDGER_SCRYPT_N": str(2**14)}

# Whoever asks for what was just written waits for the read models, however busy the machine is.
PATIENT = {"AGENTLEDGER_MIN_POSITION_WAIT_S": "60"}

# A process less to start; what a second one brings is tested where it matters.
ONE_PROCESS = {"AGENTLEDGER_UP_PROCESSES": "1"}


def contents(directory: Path) -> Iterator[tuple[Path, bytes]]:
    """Of every file below it. A server at work makes and removes some meanwhile."""
    for path in directory.rglob("*"):
        if path.is_file():
            with suppress(FileNotFoundError):
                yield path, path.read_bytes()


@dataclass(eq=False)
class Process:
    """One `agentledger` process; its output goes to a file that a failing test can show."""

    name: str
    arguments: tuple[str, ...]
    environment: Mapping[str, str]
    log: Path
    _running: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as output:
            self._running = subprocess.Popen(  # our own program
                [sys.executable, "-m", "cli", *self.arguments],
                env={**os.environ, **CHEAP_HASHING, **PATIENT, **ONE_PROCESS, **self.environment},
                cwd=ROOT,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        assert self._running is not None
        return self._running.pid

    def is_running(self) -> bool:
        return self._running is not None and self._running.poll() is None

    def kill(self) -> None:
        """Kill -9: no goodbye of any kind."""
        assert self._running is not None
        self._running.kill()
        self._running.wait()

    def pause(self) -> None:
        os.kill(self.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def stop(self) -> int:
        """SIGINT, as Ctrl-C; the exit code."""
        if self._running is None:
            return 0
        if self._running.poll() is None:
            self._running.send_signal(signal.SIGINT)
            try:
                self._running.wait(STOP_S)
            except subprocess.TimeoutExpired:
                self._running.kill()
                self._running.wait()
        return self._running.returncode

    def output(self) -> str:
        return self.log.read_text(errors="replace")


@dataclass(eq=False)
class Stack:
    """Processes that share one installation. url: of the API. reachable_port: the one on loopback
    that runs may send requests to; 0 is none. probe_ports: of the listeners of processes.
    """

    url: str
    environment: Mapping[str, str]
    directory: Path
    reachable_port: int = 0
    processes: dict[str, Process] = field(default_factory=dict)
    probe_ports: dict[str, int] = field(default_factory=dict)

    def add(self, name: str, *arguments: str, **environment: str) -> Process:
        process = Process(
            name, arguments, {**self.environment, **environment}, self.directory / f"{name}.log"
        )
        self.processes[name] = process
        process.start()
        return process

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + READY_S
        while True:
            try:
                if (
                    httpx.get(f"{self.url}/readyz", timeout=20, verify=NO_AUTHORITIES).status_code
                    == 200
                ):
                    return
            except httpx.HTTPError:
                pass
            assert time.monotonic() < deadline, self.outputs()
            assert all(p.is_running() for p in self.processes.values()), self.outputs()
            time.sleep(0.1)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A command of the installation, to its end."""
        return subprocess.run(  # our own program
            [sys.executable, "-m", "cli", *arguments],
            env={**os.environ, **CHEAP_HASHING, **PATIENT, **ONE_PROCESS, **self.environment},
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def verify(self) -> JsonObject:
        """What `agentledger verify --json` prints; its violations are the assertion message."""
        done = self.run("verify", "--json")
        assert done.stdout, done.stderr
        report: JsonObject = orjson.loads(done.stdout)
        assert report["ok"] is True, report
        assert done.returncode == 0
        return report

    def stop(self) -> None:
        for process in reversed(self.processes.values()):
            process.stop()

    def outputs(self) -> str:
        return "\n".join(f"--- {p.name}\n{p.output()[-4000:]}" for p in self.processes.values())


class Api:
    """A client of one tenant."""

    def __init__(self, url: str, api_key: str) -> None:
        self.url = url
        self.api_key = api_key
        self.http = httpx.AsyncClient(
            base_url=url,
            headers={"Authorization": f"Bearer {api_key}"},
            timeout=60,
            verify=NO_AUTHORITIES,
        )

    async def post(self, path: str, body: Mapping[str, Any], **headers: str) -> dict[str, Any]:
        """The `data` of a successful command."""
        answer = await self.http.post(f"/api/v1{path}", json=body, headers=headers)
        assert answer.is_success, answer.text
        return answer.json()["data"]

    async def put(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        answer = await self.http.put(f"/api/v1{path}", json=body)
        assert answer.is_success, answer.text
        return answer.json()["data"]

    async def query(
        self, query: str, position: str | None = None, **variables: object
    ) -> dict[str, Any]:
        """The `data` of a GraphQL answer without errors."""
        headers = {"X-Min-Position": position} if position else {}
        answer = await self.http.post(
            "/graphql", json={"query": query, "variables": variables}, headers=headers
        )
        document = answer.json()
        assert "errors" not in document, document
        return document["data"]

    async def execution_at_end(self, execution_id: str, *, wait_s: float = 60) -> dict[str, Any]:
        """The execution once it is ended, as the read model shows it."""
        query = (
            "query($id: ID!) { execution(id: $id) { id status output error costUsd tokensIn"
            " tokensOut"
            " version nodes { id path type status attempt output error } } }"
        )
        deadline = time.monotonic() + wait_s
        while True:
            execution = (await self.query(query, id=execution_id))["execution"]
            if isinstance(execution, dict) and execution["status"] not in {
                "PENDING",
                "RUNNING",
                "WAITING",
            }:
                return execution
            assert time.monotonic() < deadline, execution
            await asyncio.sleep(0.05)


def operator_key_of(stack: Stack) -> str:
    """The key that `up` made for its installation."""
    keys = Path(stack.environment["AGENTLEDGER_DATA_DIR"], "keys.json").read_bytes()
    return str(orjson.loads(keys)["operator_key"])


def new_tenant(url: str, operator_key: str, name: str) -> str:
    """Provisions a tenant; its first API key, once the read models know it too."""
    body = {
        "name": name,
        "admin": {"email": "admin@example.com", "password": "a long enough password"},
    }
    answer = httpx.post(
        f"{url}/api/v1/tenants",
        json=body,
        headers={"X-Operator-Key": operator_key},
        timeout=60,
        verify=NO_AUTHORITIES,
    )
    assert answer.status_code == 201, answer.text
    api_key = str(answer.json()["data"]["api_key"])
    deadline = time.monotonic() + READY_S
    while not (told := _read_tenant(url, api_key)).get("data"):
        assert time.monotonic() < deadline, f"the read models do not know of {name}: {told}"
        time.sleep(0.02)
    return api_key


def _read_tenant(url: str, api_key: str) -> JsonObject:
    """The whole answer; without data for as long as the tenant is not there to be read."""
    answer = httpx.post(
        f"{url}/graphql",
        json={"query": "{ tenant { id } }"},
        headers={"Authorization": f"Bearer {api_key}"},
        timeout=60,
        verify=NO_AUTHORITIES,
    )
    told: JsonObject = answer.json()
    return told
