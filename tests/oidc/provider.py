"""A real OpenID provider from Maven artefacts (navikt's mock-oauth2-server), run by this machine's
Java. Every first segment of a path is an issuer of its own; whoever signs in there says what the ID
token claims, also what it must not.
"""

import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from tests.maven import JAVA_OPTIONS, NoServer, jars, java
from tests.plain_http import NO_AUTHORITIES, PATIENCE_S

DIRECTORY = Path(__file__).parent
MAIN = "no.nav.security.mock.oauth2.StandaloneMockOAuth2ServerKt"
START_WAIT_S = 60
STOP_WAIT_S = 30
POLL_S = 0.05
CONFIG = {"interactiveLogin": True, "httpServer": "NettyWrapper"}


class OpenIdProvider:
    """address: host and port, for AGENTLEDGER_HTTP_ALLOW."""

    def __init__(self, port: int) -> None:
        command = [java(), "-Xmx128m", *JAVA_OPTIONS]
        command += ["-cp", f"{jars(DIRECTORY / 'pom.xml', 'oidc')}/*", MAIN]
        self.address = f"127.0.0.1:{port}"
        self._directory = Path(tempfile.mkdtemp(prefix="agentledger-oidc-"))
        self._log = self._directory / "provider.log"
        surroundings = {"SERVER_HOSTNAME": "127.0.0.1", "SERVER_PORT": str(port)}
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                cwd=self._directory,
                env={**os.environ, **surroundings, "JSON_CONFIG": json.dumps(CONFIG)},
                start_new_session=True,
            )
        if not self._is_ready_in_time():
            tail = self._log.read_text("utf-8", "replace")[-2000:]
            self.stop()
            raise NoServer(f"The OpenID provider did not become ready; its log ends with: {tail}")

    def issuer(self, name: str) -> str:
        return f"http://{self.address}/{name}"

    def stop(self) -> None:
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(STOP_WAIT_S)
            except subprocess.TimeoutExpired:
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait(STOP_WAIT_S)
        shutil.rmtree(self._directory, ignore_errors=True)

    def _is_ready_in_time(self) -> bool:
        deadline = time.monotonic() + START_WAIT_S
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                with urllib.request.urlopen(f"http://{self.address}/isalive", timeout=5):
                    return True
            except OSError:
                time.sleep(POLL_S)
        return False


async def sign_in(authorization_url: str, subject: str, claims: Mapping[str, object]) -> str:
    """As a person with a browser at the provider; where it sends the browser back to."""
    form = {"username": subject, "claims": json.dumps(claims)}
    async with httpx.AsyncClient(
        trust_env=False, timeout=PATIENCE_S, verify=NO_AUTHORITIES
    ) as browser:
        answer = await browser.post(authorization_url, data=form)
    assert answer.status_code == 302, answer.text
    return answer.headers["location"]


def query_of(url: str) -> dict[str, str]:
    return dict(httpx.QueryParams(urlsplit(url).query).items())
