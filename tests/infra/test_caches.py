"""Caches: bounded, apart for each tenant, and never in the way when the shared one is slow or
away.
"""

import asyncio
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import orjson
import pytest
from fakeredis import TcpFakeServer
from redis.asyncio import Redis

from commands.ports import StoredDefinition
from domain.envelope import Envelope
from domain.identifiers import JsonObject, TenantId
from infra.caches import Cache
from infra.lru import Lru
from infra.shared_cache import PAUSE_S, VALUE_BYTES_MAX, SharedCache
from tests.commands.event_store_contract import an_execution
from tests.infra.conftest import Parts
from tests.infra.log_steps import IDS

WAIT_S = 60
VALUE = b"a definition of no small size"


class Clock:
    def __init__(self) -> None:
        self.time_s = 1000.0

    def __call__(self) -> float:
        return self.time_s


def an_lru(clock: Clock | None = None, **bounds: Any) -> Lru[str]:
    wanted: dict[str, Any] = {"count_max": 100, "bytes_max": 10_000, "age_s_max": 60.0, **bounds}
    return Lru(**wanted, monotonic_s=clock or Clock())


def a_tenant() -> TenantId:
    return TenantId(IDS.new())


# The first level.


def test_the_longest_unused_goes_first() -> None:
    lru, tenant = an_lru(count_max=2), a_tenant()
    lru.put(tenant, "a", b"1")
    lru.put(tenant, "b", b"2")
    lru.get(tenant, "a")
    lru.put(tenant, "c", b"3")
    assert [lru.get(tenant, key) for key in "abc"] == [b"1", None, b"3"]


def test_bytes_are_bounded_and_a_value_larger_than_all_is_not_kept() -> None:
    lru, tenant = an_lru(bytes_max=10), a_tenant()
    for key in "abc":
        lru.put(tenant, key, b"12345")
    assert (lru.bytes_count, lru.get(tenant, "a")) == (10, None)
    lru.put(tenant, "b", b"x" * 11)
    assert (lru.bytes_count, lru.get(tenant, "b"), lru.get(tenant, "c")) == (5, None, b"12345")


def test_what_is_old_is_not_found() -> None:
    clock = Clock()
    lru, tenant = an_lru(clock), a_tenant()
    lru.put(tenant, "a", b"1")
    clock.time_s += 60
    assert lru.get(tenant, "a") is None
    assert lru.bytes_count == 0


def test_a_tenants_values_are_found_under_no_other_and_forgotten_alone() -> None:
    lru, acme, other = an_lru(), a_tenant(), a_tenant()
    lru.put(acme, "a", b"acme's")
    assert lru.get(other, "a") is None
    lru.put(other, "a", b"other's")
    lru.forget_tenant(acme)
    assert (lru.get(acme, "a"), lru.get(other, "a")) == (None, b"other's")


# Both levels.


SERVERS = ["fakeredis", *(["redis-server"] if shutil.which("redis-server") else [])]


@pytest.fixture(scope="module", params=SERVERS)
def redis_url(request: pytest.FixtureRequest) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as found:
        address = found.getsockname()
    running = _real_server if request.param == "redis-server" else _fake_server
    with running(address):
        yield f"redis://{address[0]}:{address[1]}"


@contextmanager
def _real_server(address: tuple[str, int]) -> Generator[None]:
    command = ["redis-server", "--bind", address[0], "--port", str(address[1]), "--save", ""]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        try:
            _wait_until_it_listens(address)
            yield
        finally:
            process.terminate()


def _wait_until_it_listens(address: tuple[str, int]) -> None:
    ends_at = time.monotonic() + WAIT_S
    while True:
        try:
            socket.create_connection(address).close()
        except OSError:
            assert time.monotonic() < ends_at
            time.sleep(0.02)
        else:
            return


@contextmanager
def _fake_server(address: tuple[str, int]) -> Generator[None]:
    server = TcpFakeServer(address, server_type="redis")
    serving = threading.Thread(target=server.serve_forever, daemon=True)
    serving.start()
    yield
    server.shutdown()
    server.server_close()
    serving.join()


@pytest.fixture
async def shared(redis_url: str) -> AsyncIterator[SharedCache]:
    # Patient: the test machine may be slow, and nothing here is about time.
    cache = SharedCache(redis_url, Clock(), timeout_s=20)
    yield cache
    await cache.close()


class Asked:
    def __init__(self) -> None:
        self.told: list[tuple[str, bool]] = []

    def __call__(self, name: str, level: str, had_it: bool) -> None:  # the port's
        assert name == "definitions"
        self.told.append((level, had_it))


def a_cache(parts: Parts, second: SharedCache | None, asked: Asked | None = None) -> Cache:
    return Cache("definitions", an_lru(), second, parts.keys, asked=asked or Asked())


async def test_what_one_process_read_another_finds(parts: Parts, shared: SharedCache) -> None:
    asked, tenant = Asked(), a_tenant()
    await a_cache(parts, shared).put(tenant, "k", VALUE)
    other = a_cache(parts, shared, asked)
    assert await other.get(tenant, "k") == VALUE
    assert await other.get(tenant, "k") == VALUE
    assert await other.get(tenant, "unknown") is None
    assert asked.told == [
        *(("l1", False), ("l2", True)),
        ("l1", True),
        *(("l1", False), ("l2", False)),
    ]


async def test_no_tenant_finds_what_is_anothers(parts: Parts, shared: SharedCache) -> None:
    cache, acme = a_cache(parts, shared), a_tenant()
    await cache.put(acme, "k", VALUE)
    assert await a_cache(parts, shared).get(a_tenant(), "k") is None


async def test_what_leaves_the_process_is_sealed(parts: Parts, shared: SharedCache) -> None:
    tenant = a_tenant()
    await a_cache(parts, shared).put(tenant, "k", VALUE)
    stored = await shared.get(f"agentledger:1:{tenant}:definitions:k")
    assert stored is not None
    assert VALUE not in stored


async def test_cache_poisoning_a_value_of_somebody_elses_making_is_none(
    parts: Parts, shared: SharedCache, redis_url: str
) -> None:
    acme, other = a_tenant(), a_tenant()
    await a_cache(parts, shared).put(other, "k", VALUE)
    await a_cache(parts, shared).put(acme, "another", VALUE)
    async with Redis.from_url(redis_url) as redis:
        foreign = await shared.get(f"agentledger:1:{other}:definitions:k")
        moved = await shared.get(f"agentledger:1:{acme}:definitions:another")
        assert foreign is not None
        assert moved is not None
        for forged in (foreign, moved, VALUE, b"x", moved[:-1], b"y" * (VALUE_BYTES_MAX + 1)):
            await redis.set(f"agentledger:1:{acme}:definitions:k", forged)
            assert await a_cache(parts, shared).get(acme, "k") is None


async def test_a_large_value_stays_in_the_process(parts: Parts, shared: SharedCache) -> None:
    tenant = a_tenant()
    await a_cache(parts, shared).put(tenant, "k", b"x" * VALUE_BYTES_MAX)
    assert await a_cache(parts, shared).get(tenant, "k") is None


async def test_a_pinned_definition_that_was_read_is_not_read_again(parts: Parts) -> None:
    tenant = a_tenant()
    await parts.definitions.put(tenant, "a hash", b'{"nodes": []}')
    assert await parts.store.definition(tenant, "a hash") == {"nodes": []}
    assert await parts.store.definition(a_tenant(), "a hash") is None


async def test_a_definition_is_kept_when_it_is_first_read(parts: Parts) -> None:
    tenant = a_tenant()
    definition: JsonObject = {"nodes": [{"id": "start"}]}
    key = f"hash {tenant}"
    stored = StoredDefinition(key, definition)
    await parts.store.append([an_execution({})], Envelope(tenant, "test"), side_rows=(stored,))
    assert await parts.definitions.get(tenant, key) is None
    assert await parts.store.definition(tenant, key) == definition
    assert await parts.definitions.get(tenant, key) == orjson.dumps(definition)


# A shared cache that is away, or slow.


@asynccontextmanager
async def a_server(answer: bytes | None) -> AsyncGenerator[tuple[str, list[int]]]:
    """Answers every message so, or keeps silent. Yields its URL and its connections."""
    connections: list[int] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(1)
        while await reader.read(4096):
            if answer is not None:
                writer.write(answer)
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        port = server.sockets[0].getsockname()[1]
        yield f"redis://127.0.0.1:{port}", connections
    finally:
        server.close()


async def test_a_dead_server_is_a_miss_and_asked_again_only_after_a_pause(parts: Parts) -> None:
    with socket.create_server(("127.0.0.1", 0)) as found:
        port = found.getsockname()[1]
    clock = Clock()
    second = SharedCache(f"redis://127.0.0.1:{port}", clock)
    cache, tenant = a_cache(parts, second), a_tenant()
    await cache.put(tenant, "k", VALUE)
    assert await cache.get(tenant, "k") == VALUE
    assert await a_cache(parts, second).get(tenant, "k") is None
    await second.close()


async def test_a_slow_server_costs_its_timeout_once_in_a_pause(parts: Parts) -> None:
    clock, tenant = Clock(), a_tenant()
    async with a_server(None) as (url, connections):
        second = SharedCache(url, clock, timeout_s=0.05)
        cache = a_cache(parts, second)
        for _ in range(20):
            assert await cache.get(tenant, "k") is None
        assert len(connections) == 1
        clock.time_s += PAUSE_S
        for _ in range(20):
            assert await cache.get(tenant, "k") is None
        assert len(connections) == 2
        await second.close()


@pytest.mark.parametrize("answer", [b"?nonsense\r\n", b"-ERR no\r\n", b":1\r\n", b"\x00" * 64])
async def test_a_server_that_talks_nonsense_is_a_miss(parts: Parts, answer: bytes) -> None:
    tenant = a_tenant()
    async with a_server(answer) as (url, _):
        second = SharedCache(url, Clock(), timeout_s=0.5)
        assert await a_cache(parts, second).get(tenant, "k") is None
        await second.close()


async def test_a_server_that_comes_back_is_used_again() -> None:
    clock = Clock()
    with socket.create_server(("127.0.0.1", 0)) as found:
        address = found.getsockname()
    second = SharedCache(f"redis://{address[0]}:{address[1]}", clock, timeout_s=20)
    assert await second.get("back") is None
    with _fake_server(address):
        await second.put("back", VALUE)
        assert await second.get("back") is None
        clock.time_s += PAUSE_S
        await second.put("back", VALUE)
        assert await second.get("back") == VALUE
        await second.close()
