"""What every test broker can do, and how one is known to be ready."""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError

from tests.maven import NoServer

DIRECTORY = Path(__file__).parent
START_WAIT_S = 90  # A cold machine with a full test run on its cores.
POLL_S = 0.1


class NoBroker(NoServer):
    """No Kafka broker can be had here; the message says why in one sentence."""


class Broker(Protocol):
    """`kill` gives the broker no chance to say goodbye; `restart` keeps address and data."""

    bootstrap_servers: str

    def stop(self) -> None: ...
    def kill(self) -> None: ...
    def restart(self) -> None: ...


def wait_until_ready(bootstrap_servers: str) -> bool:
    """Whether the broker named itself in a Metadata answer within START_WAIT_S."""
    # In a thread of its own, because a test may ask from inside a running event loop.
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, _answers_in_time(bootstrap_servers)).result()


async def _answers_in_time(bootstrap_servers: str) -> bool:
    deadline = time.monotonic() + START_WAIT_S
    while time.monotonic() < deadline:
        if await _is_listening(bootstrap_servers) and await _answers(bootstrap_servers):
            return True
        await asyncio.sleep(POLL_S)
    return False


async def _is_listening(bootstrap_servers: str) -> bool:
    """Asked first, because the client logs an error for every refused connection."""
    host, _, port = bootstrap_servers.split(",", maxsplit=1)[0].rpartition(":")
    try:
        _, writer = await asyncio.open_connection(host, int(port))
    except OSError:
        return False
    writer.close()
    return True


async def _answers(bootstrap_servers: str) -> bool:
    client = AIOKafkaClient(bootstrap_servers=bootstrap_servers)
    try:
        await client.bootstrap()
        return bool(client.cluster.brokers())
    except KafkaError:
        return False
    finally:
        await client.close()


def server_properties(**overrides: str) -> dict[str, str]:
    """The settings of server.properties; `a__b=` overrides `a.b`."""
    lines = (DIRECTORY / "server.properties").read_text("utf-8").splitlines()
    settings = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    return settings | {name.replace("__", "."): value for name, value in overrides.items()}
