"""The audit of dependencies fails on a vulnerability, and on nothing else: not without a network,
and it hangs on nobody.
"""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.architecture.sources import ROOT

SCRIPT = ROOT / ".ci" / "audit_dependencies.py"
VULNERABLE = {
    "vulns": [
        {
            "id": "GHSA-test",
            "summary": "anything",
            "details": "anything",
            "published": "2026-01-01T00:00:00Z",
            "affected": [
                {
                    "package": {"name": "example", "ecosystem": "PyPI"},
                    "ranges": [{"type": "ECOSYSTEM", "events": [{"fixed": "1.0.1"}]}],
                }
            ],
        }
    ]
}


@contextmanager
def registry(answer: object, *, hangs: bool = False) -> Iterator[str]:
    """Speaks as much of OSV's protocol as pip-audit asks for."""
    ended = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            if hangs:
                ended.wait(30)
                return
            body = json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """The test's output is for its failures."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1/query"
    finally:
        ended.set()
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def requirements(tmp_path: Path) -> Path:
    path = tmp_path / "requirements.txt"
    path.write_text("example==1.0.0\n")
    return path


def audit(
    requirements: Path, url: str, *, deadline_s: float = 60
) -> subprocess.CompletedProcess[str]:
    options = ["--requirements", str(requirements), "--deadline-s", str(deadline_s)]
    return subprocess.run(
        [sys.executable, str(SCRIPT), *options, "-s", "osv", "--osv-url", url],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def test_a_known_vulnerability_fails_and_is_named(requirements: Path) -> None:
    with registry(VULNERABLE) as url:
        done = audit(requirements, url)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "example 1.0.0: GHSA-test; fixed in 1.0.1" in done.stdout


def test_none_known_passes(requirements: Path) -> None:
    with registry({}) as url:
        done = audit(requirements, url)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 checked, 0 with a known vulnerability" in done.stdout


def test_a_registry_that_cannot_be_reached_is_told_and_passes(requirements: Path) -> None:
    done = audit(requirements, "http://127.0.0.1:1/v1/query")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "not checked" in done.stdout


def test_a_registry_that_hangs_is_not_waited_for(requirements: Path) -> None:
    with registry({}, hangs=True) as url:
        done = audit(requirements, url, deadline_s=5)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "not checked, the registry of advisories took longer than 5 s" in done.stdout
