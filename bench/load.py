"""The load generator: `python -m bench.load`, so that it has a process of its own.

It reads an order and prints what it saw, both as JSON.

closed loop: a connection sends its next request when the last one is answered. It measures how
             much a server can do.
open loop:   commands begin at their times, whatever the server does. It measures how long things
             take at a given rate.
"""

import asyncio
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from subprocess import PIPE
from typing import Literal

import orjson
import uvloop

from bench.http_client import Address, Connection, request_bytes

ROOT = Path(__file__).parents[1]
CONNECTIONS_MAX = 1000
IN_FLIGHT_END_S = 30
COMPLAINT_CHARACTERS = 300
UNAVAILABLE = 503
POSITION_NOT_APPLIED = b'"position_not_applied"'
OVERLOADED_EXIT = 3


@dataclass(frozen=True, slots=True)
class ClosedLoop:
    """One request again and again.

    status: of every answer. contains: what the body of every answer must hold.
    """

    url: str
    path: str
    headers: dict[str, str]
    body: str
    status: int
    connections: int
    duration_s: float
    warm_up_s: float = 0.5
    contains: str = ""
    kind: Literal["closed"] = "closed"


@dataclass(frozen=True, slots=True)
class Answers:
    """Of what was asked after the warm-up.

    per_s: what was answered in the time of the round. The others know also what was asked in it and
    answered later; elapsed_s: until the last of those.
    """

    per_s: float
    p50_ms: float
    p99_ms: float
    count: int
    elapsed_s: float


@dataclass(frozen=True, slots=True)
class OpenLoop:
    """POSTs `body` to `path` at a rate, and asks for the object that every n-th of them made.

    query: a GraphQL document with one variable $id, whose one field must not be null.
    id_field: of the command's answer. read_every: the n.
    """

    url: str
    path: str
    headers: dict[str, str]
    body: str
    query: str
    id_field: str
    per_s: float
    duration_s: float
    read_every: int = 1
    kind: Literal["open"] = "open"


@dataclass(frozen=True, slots=True)
class Latencies:
    """acknowledged: from the time a command was due to its answer.

    visible: from that answer to the reader's.
    """

    acknowledged_p50_ms: float
    acknowledged_p99_ms: float
    visible_p50_ms: float
    visible_p95_ms: float
    visible_p99_ms: float


class WrongAnswer(Exception):
    """The server answered what a client of the product could not use."""


class Overloaded(Exception):
    """The server cannot keep up with what is offered."""


async def in_own_process(order: ClosedLoop | OpenLoop) -> bytes:
    started = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.load"), cwd=ROOT, stdin=PIPE, stdout=PIPE, stderr=PIPE
    )
    try:
        seen, complaint = await started.communicate(orjson.dumps(order))
    finally:
        with suppress(ProcessLookupError):
            started.kill()
    if started.returncode:
        kind = Overloaded if started.returncode == OVERLOADED_EXIT else WrongAnswer
        raise kind(complaint.decode().strip().rpartition("\n")[2])
    return seen


async def closed_loop(order: ClosedLoop) -> Answers:
    return Answers(**orjson.loads(await in_own_process(order)))


async def open_loop(order: OpenLoop) -> Latencies:
    return Latencies(**orjson.loads(await in_own_process(order)))


async def run_closed(order: ClosedLoop) -> Answers:
    address = Address.of(order.url)
    request = request_bytes("POST", order.path, order.headers, order.body.encode())
    begins_at = time.perf_counter() + order.warm_up_s
    ends_at = begins_at + order.duration_s
    latencies: list[float] = []
    in_time = 0

    async def ask_for_ever() -> None:
        nonlocal in_time
        connection = await Connection.open(address)
        began_at = time.perf_counter()
        while began_at < ends_at:
            status, body = await connection.ask(request)
            _require(status, order.status, body, order.contains)
            ended_at = time.perf_counter()
            if began_at >= begins_at:
                in_time += ended_at <= ends_at
                latencies.append(ended_at - began_at)
            began_at = ended_at
        connection.close()

    async with asyncio.TaskGroup() as tasks:
        for _ in range(order.connections):
            tasks.create_task(ask_for_ever())
    elapsed_s = time.perf_counter() - begins_at
    latencies.sort()
    return Answers(
        in_time / order.duration_s,
        percentile_ms(latencies, 50),
        percentile_ms(latencies, 99),
        len(latencies),
        elapsed_s,
    )


@dataclass(eq=False)
class _Pool:
    """Idle connections; a new one is opened when none is idle, as an open loop may not wait."""

    address: Address
    idle: list[Connection] = field(default_factory=list[Connection])
    opened: int = 0

    async def ask(self, request: bytes) -> tuple[int, bytes]:
        connection = self.idle.pop() if self.idle else await self._open()
        answer = await connection.ask(request)
        self.idle.append(connection)
        return answer

    async def _open(self) -> Connection:
        if self.opened >= CONNECTIONS_MAX:
            raise Overloaded(f"{CONNECTIONS_MAX} requests wait for their answers")
        self.opened += 1
        return await Connection.open(self.address)


async def run_open(order: OpenLoop) -> Latencies:
    pool = _Pool(Address.of(order.url))
    command = request_bytes("POST", order.path, order.headers, order.body.encode())
    acknowledged: list[float] = []
    visible: list[float] = []

    async def one(due_at: float, *, is_read: bool) -> None:
        status, body = await pool.ask(command)
        answered_at = time.perf_counter()
        _require(status, 201, body)
        acknowledged.append(answered_at - due_at)
        if is_read:
            await read(body, answered_at)

    async def read(body: bytes, answered_at: float) -> None:
        answer = orjson.loads(body)
        variables = {"id": answer["data"][order.id_field]}
        question = orjson.dumps({"query": order.query, "variables": variables})
        headers = {**order.headers, "X-Min-Position": answer["meta"]["position"]}
        status, body = await pool.ask(request_bytes("POST", "/graphql", headers, question))
        seen_at = time.perf_counter()
        if POSITION_NOT_APPLIED in body:
            raise Overloaded("the read model did not come to the position in time")
        _require(status, 200, body)
        if not all((orjson.loads(body).get("data") or {"": None}).values()):
            raise WrongAnswer(f"not visible: {body.decode()[:COMPLAINT_CHARACTERS]}")
        visible.append(seen_at - answered_at)

    begins_at = time.perf_counter()
    async with asyncio.timeout(order.duration_s + IN_FLIGHT_END_S), asyncio.TaskGroup() as tasks:
        for number in range(int(order.duration_s * order.per_s)):
            due_at = begins_at + number / order.per_s
            early_s = due_at - time.perf_counter()
            if early_s > 0:
                await asyncio.sleep(early_s)
            tasks.create_task(one(due_at, is_read=number % order.read_every == 0))
    acknowledged.sort()
    visible.sort()
    return Latencies(
        percentile_ms(acknowledged, 50),
        percentile_ms(acknowledged, 99),
        percentile_ms(visible, 50),
        percentile_ms(visible, 95),
        percentile_ms(visible, 99),
    )


def percentile_ms(ordered_s: Sequence[float], percent: float) -> float:
    """The nearest rank of ascending seconds, in milliseconds."""
    if not ordered_s:
        raise WrongAnswer("nothing was answered in time")
    rank = -(-len(ordered_s) * percent // 100)
    return ordered_s[int(rank) - 1] * 1000


def _require(status: int, wanted: int, body: bytes, contains: str = "") -> None:
    if status == UNAVAILABLE:
        raise Overloaded(body.decode("utf-8", "replace")[:COMPLAINT_CHARACTERS])
    if status != wanted or contains.encode() not in body:
        shown = body.decode("utf-8", "replace")[:COMPLAINT_CHARACTERS]
        raise WrongAnswer(f"{status} instead of {wanted} {contains}: {shown}")


def main() -> int:
    order = orjson.loads(sys.stdin.buffer.read())
    failed: BaseException | None = None
    try:
        if order["kind"] == "closed":
            seen = asdict(uvloop.run(run_closed(ClosedLoop(**order))))
        else:
            seen = asdict(uvloop.run(run_open(OpenLoop(**order))))
        print(orjson.dumps(seen).decode())
    except* TimeoutError:
        failed = Overloaded(f"answers were missing after {IN_FLIGHT_END_S} s")
    except* Exception as group:  # noqa: BLE001 # said to the process that ordered the load
        failed = group
    while isinstance(failed, BaseExceptionGroup):
        failed = failed.exceptions[0]
    if failed is None:
        return 0
    print(f"{type(failed).__name__}: {failed}", file=sys.stderr)
    return OVERLOADED_EXIT if isinstance(failed, Overloaded) else 1


if __name__ == "__main__":
    sys.exit(main())
