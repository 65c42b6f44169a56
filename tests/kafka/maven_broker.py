"""A real Apache Kafka broker from Maven artefacts, run by this machine's Java: no Docker needed."""

import base64
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

from tests.kafka.broker import DIRECTORY, NoBroker, server_properties, wait_until_ready
from tests.maven import JAVA_OPTIONS, jars, java
from tests.ports import free_port

BROKER_OPTIONS = (
    *("-Xms256m", "-Xmx512m", *JAVA_OPTIONS),
    f"-Dlog4j2.configurationFile={DIRECTORY / 'log4j2.yaml'}",
)
STOP_WAIT_S = 30


class MavenBroker:
    """One broker in a directory and on ports of its own, so that two test runs do not meet."""

    def __init__(self) -> None:
        self._java = java()
        self._classpath = f"{jars(DIRECTORY / 'pom.xml', 'kafka')}/*"
        self._directory = Path(tempfile.mkdtemp(prefix="agentledger-kafka-"))
        self._log = self._directory / "broker.log"
        self._process: subprocess.Popen[bytes] | None = None
        address, controller = _free_addresses(2)
        self.bootstrap_servers = address
        listeners = f"PLAINTEXT://{address},CONTROLLER://{controller}"
        settings = server_properties(
            listeners=listeners,
            advertised__listeners=listeners,
            controller__quorum__bootstrap__servers=controller,
            log__dirs=str(self._directory / "data"),
        )
        lines = [f"{name}={value}\n" for name, value in settings.items()]
        (self._directory / "server.properties").write_text("".join(lines), "utf-8")
        try:
            self._format()
            self._launch()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        if self._process and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(STOP_WAIT_S)
            except subprocess.TimeoutExpired:
                self.kill()
        shutil.rmtree(self._directory, ignore_errors=True)

    def kill(self) -> None:
        if self._process and self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(STOP_WAIT_S)

    def restart(self) -> None:
        self.kill()
        self._launch()

    def _format(self) -> None:
        cluster = base64.urlsafe_b64encode(secrets.token_bytes(16)).decode().rstrip("=")
        # An id that begins with a hyphen would be read as an option.
        cluster = "A" + cluster[1:]
        command = self._command("kafka.tools.StorageTool", "format", "-t", cluster)
        command += ["-c", str(self._directory / "server.properties"), "--standalone"]
        made = subprocess.run(command, capture_output=True, text=True, check=False)
        if made.returncode:
            raise NoBroker(f"Kafka could not format its directory: {made.stderr or made.stdout}")

    def _launch(self) -> None:
        properties = str(self._directory / "server.properties")
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command("kafka.Kafka", properties),
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                cwd=self._directory,
                # Ctrl-C is for the test run, which then stops the broker in order.
                start_new_session=True,
            )
        if not wait_until_ready(self.bootstrap_servers):
            tail = self._log.read_text("utf-8", "replace")[-2000:]
            raise NoBroker(f"The Kafka broker did not become ready; its log ends with: {tail}")

    def _command(self, main: str, *arguments: str) -> list[str]:
        return [self._java, *BROKER_OPTIONS, "-cp", self._classpath, main, *arguments]


def _free_addresses(count: int) -> list[str]:
    """Loopback addresses that nobody listened on a moment ago, all different."""
    ports: set[int] = set()
    while len(ports) < count:
        ports.add(free_port())
    return [f"127.0.0.1:{port}" for port in ports]
