"""A real Apache Kafka broker in a container, where a Docker engine answers."""

import os
import socket
from contextlib import closing

import docker
from docker.errors import DockerException
from testcontainers.core.container import DockerContainer

from tests.kafka.broker import NoBroker, server_properties, wait_until_ready
from tests.ports import free_port

IMAGE = "apache/kafka:4.1.1"
PORT = 9092
PROTOCOLS = "PLAINTEXT:PLAINTEXT,BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT"
CLUSTER = "AgentLedgerTestsAAAAAA"
DEFAULT_HOST = "unix:///var/run/docker.sock"
ENGINE_WAIT_S = 5


def has_docker_engine() -> bool:
    """Whether an engine answers; the client alone is often installed without one."""
    scheme, _, path = os.environ.get("DOCKER_HOST", DEFAULT_HOST).partition("://")
    try:
        if scheme == "unix":
            # Asked first, because the client leaks its socket when nobody answers.
            with socket.socket(socket.AF_UNIX) as engine:
                engine.connect(path)
        with closing(docker.from_env(timeout=ENGINE_WAIT_S)) as client:
            return bool(client.ping())
    except (OSError, DockerException):
        return False


class DockerBroker:
    """The container keeps one published port, so that a restart keeps the address."""

    def __init__(self) -> None:
        port = free_port()
        # The published address means nothing inside the container, where the broker calls itself.
        settings = server_properties(
            listeners=f"PLAINTEXT://:{PORT},BROKER://:9094,CONTROLLER://:9093",
            advertised__listeners=f"PLAINTEXT://127.0.0.1:{port},BROKER://localhost:9094",
            listener__security__protocol__map=PROTOCOLS,
            inter__broker__listener__name="BROKER",
            controller__quorum__voters="1@localhost:9093",
            log__dirs="/tmp/kraft-combined-logs",
        )
        container = DockerContainer(IMAGE).with_bind_ports(PORT, port)
        container.with_env("CLUSTER_ID", CLUSTER)
        for name, value in settings.items():
            container.with_env(f"KAFKA_{name.upper().replace('.', '_')}", value)
        self.bootstrap_servers = f"127.0.0.1:{port}"
        self._container = container.start()
        try:
            self._require_ready()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        self._container.stop()

    def kill(self) -> None:
        self._container.get_wrapped_container().kill()

    def restart(self) -> None:
        self._container.get_wrapped_container().restart()
        self._require_ready()

    def _require_ready(self) -> None:
        if not wait_until_ready(self.bootstrap_servers):
            raise NoBroker(f"The broker of {IMAGE} did not become ready.")
