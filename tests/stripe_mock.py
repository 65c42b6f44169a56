"""Stripe's own mock of its API (a Go module), built once and run on a free port. It knows every
resource and parameter of the real one and refuses what that refuses; but it remembers nothing, so
what has to be remembered is told by tests/stripe_server.py.
"""

import fcntl
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.maven import TOOLS, NoServer
from tests.ports import free_port

MODULE = "github.com/stripe/stripe-mock"
VERSION = "v0.197.0"
# Built in two thirds of the time, and fast enough for a few requests.
UNOPTIMISED = ("-gcflags=all=-N -l", "-ldflags=-w")
BUILD_WAIT_S = 600
START_WAIT_S = 60
STOP_WAIT_S = 30
POLL_S = 0.02


def _built() -> Path:
    """The program, built once for each version. Raises NoServer."""
    directory = TOOLS / "stripe-mock" / VERSION
    program = directory / "stripe-mock"
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # Several workers of one test run may want it at once.
        if not program.exists():
            _build(directory)
    return program


def _build(directory: Path) -> None:
    go = shutil.which("go")
    if go is None:
        raise NoServer("No Go is installed to build Stripe's mock of its API.")
    with tempfile.TemporaryDirectory(prefix="agentledger-go-") as cache:
        built = subprocess.run(
            [go, "install", *UNOPTIMISED, f"{MODULE}@{VERSION}"],
            env={
                **os.environ,
                "CGO_ENABLED": "0",
                "GOBIN": str(directory),
                "GOPATH": cache,
                "GOCACHE": f"{cache}/build",
                "GOFLAGS": "-modcacherw",  # Otherwise nobody could remove it again.
            },
            capture_output=True,
            text=True,
            check=False,
            timeout=BUILD_WAIT_S,
        )
    if built.returncode:
        raise NoServer(f"Go could not build Stripe's mock of its API: {built.stderr[-2000:]}")


@contextmanager
def stripe_mock() -> Iterator[int]:
    """The port where it listens, on 127.0.0.1. Raises NoServer."""
    program = _built()
    port = free_port()
    process = subprocess.Popen(
        [program, "-http-addr", f"127.0.0.1:{port}"], stdout=subprocess.DEVNULL
    )
    try:
        _wait_for(port, process)
        yield port
    finally:
        process.terminate()
        process.wait(STOP_WAIT_S)


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    give_up_at = time.monotonic() + START_WAIT_S
    while time.monotonic() < give_up_at and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(POLL_S)
    raise NoServer("Stripe's mock of its API did not start.")
