"""Where a test's Kafka comes from; `python -m tests.kafka_broker` runs one until Ctrl-C.

In this order: the brokers that KAFKA_BOOTSTRAP_SERVERS names, a container, or a broker started by
this machine's Java.
"""

import os
import signal
import sys

from tests.kafka.broker import Broker, NoBroker, wait_until_ready
from tests.kafka.docker_broker import DockerBroker, has_docker_engine
from tests.kafka.maven_broker import MavenBroker
from tests.maven import NoServer


class GivenBroker:
    """Brokers that somebody else runs: ours to use, not to stop."""

    def __init__(self, bootstrap_servers: str) -> None:
        self.bootstrap_servers = bootstrap_servers
        if not wait_until_ready(bootstrap_servers):
            raise NoBroker(f"No broker answers at KAFKA_BOOTSTRAP_SERVERS={bootstrap_servers}.")

    def stop(self) -> None:
        """Nothing to do: it was running before."""

    def kill(self) -> None:
        raise NoBroker("A broker that somebody else runs is not ours to kill; ask for own_broker.")

    def restart(self) -> None:
        raise NoBroker("A broker that somebody else runs is not ours to stop; ask for own_broker.")


def any_broker() -> Broker:
    """A broker that answers. Raises NoServer."""
    given = os.environ.get("KAFKA_BOOTSTRAP_SERVERS")
    return GivenBroker(given) if given else own_broker()


def own_broker() -> Broker:
    """A broker nobody else uses, which a fault test may kill. Raises NoServer."""
    return DockerBroker() if has_docker_engine() else MavenBroker()


def main() -> int:
    """Prints the address and keeps the broker until Ctrl-C or SIGTERM."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        broker = own_broker()
    except NoServer as error:
        print(error, file=sys.stderr)
        return 1
    try:
        print(broker.bootstrap_servers, flush=True)
        while True:
            signal.pause()
    except KeyboardInterrupt:
        return 0
    finally:
        broker.stop()


if __name__ == "__main__":
    sys.exit(main())
