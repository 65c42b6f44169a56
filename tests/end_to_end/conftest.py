"""Two installations: everything in one process on the PostgreSQL log, and one process per role on
Kafka.
"""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.end_to_end.stack import Api, Stack, new_tenant, operator_key_of
from tests.otlp_receiver import OtlpReceiver, otlp_receiver
from tests.ports import free_port

OPERATOR_KEY = "op_end_to_end"


@pytest.fixture(scope="session")
def collector() -> Iterator[OtlpReceiver]:
    """Where both installations send their traces."""
    with otlp_receiver() as receiver:
        yield receiver


@pytest.fixture(scope="session")
def one_process(
    tmp_path_factory: pytest.TempPathFactory, openid_port: int, collector: OtlpReceiver
) -> Iterator[Stack]:
    """`agentledger up` in a fresh data directory."""
    directory = tmp_path_factory.mktemp("up")
    port, reachable_port = free_port(), free_port()
    stack = Stack(
        f"http://127.0.0.1:{port}",
        {
            "AGENTLEDGER_DATA_DIR": str(directory / "data"),
            "AGENTLEDGER_RATE_LIMIT_LOGIN_PER_MIN": "1000",
            "AGENTLEDGER_HTTP_ALLOW": f"127.0.0.1:{reachable_port},127.0.0.1:{openid_port}",
            "AGENTLEDGER_PUBLIC_URL": f"http://127.0.0.1:{port}",
            "AGENTLEDGER_OTLP_ENDPOINT": collector.url,
            "AGENTLEDGER_WORKER_TEMPLATES_POLL_S": "0.1",
        },
        directory,
        reachable_port=reachable_port,
    )
    stack.add("up", "up", "--port", str(port))
    try:
        stack.wait_until_ready()
        yield stack
    finally:
        stack.stop()


@pytest.fixture
async def api(one_process: Stack) -> AsyncIterator[Api]:
    """A client of a tenant that nobody else uses."""
    key = new_tenant(one_process.url, operator_key_of(one_process), "Story")
    client = Api(one_process.url, key)
    yield client
    await client.http.aclose()


@pytest.fixture
def roles_on_kafka(
    database_url: str, kafka_bootstrap: str, tmp_path: Path, collector: OtlpReceiver
) -> Iterator[Stack]:
    """api, relay, two workers and two projectors as processes, on a real Kafka."""
    port = free_port()
    stack = Stack(
        f"http://127.0.0.1:{port}",
        {
            "AGENTLEDGER_DATABASE_URL": database_url,
            "AGENTLEDGER_KAFKA_BOOTSTRAP_SERVERS": kafka_bootstrap,
            "AGENTLEDGER_KAFKA_TOPIC": f"agentledger.{port}",
            "AGENTLEDGER_MASTER_KEY": "a master key of the tests, thirty-two bytes or more",
            "AGENTLEDGER_OPERATOR_KEY": OPERATOR_KEY,
            "AGENTLEDGER_WORKER_SWEEP_S": "3",
            "AGENTLEDGER_LOG_PARTITIONS": "4",
            "AGENTLEDGER_OTLP_ENDPOINT": collector.url,
            "AGENTLEDGER_LOG_FORMAT": "json",
        },
        tmp_path,
    )
    migrated = stack.run("migrate")
    assert migrated.returncode == 0, migrated.stderr
    for name, role in (
        ("api", "api"),
        ("relay", "relay"),
        ("worker-1", "worker"),
        ("worker-2", "worker"),
        ("projector-1", "projector"),
        ("projector-2", "projector"),
    ):
        stack.add(
            name,
            *("serve", "--role", role, "--port", str(port)),
            AGENTLEDGER_METRICS_PORT=str(stack.probe_ports.setdefault(name, free_port())),
        )
    try:
        stack.wait_until_ready()
        yield stack
    finally:
        stack.stop()
