"""The environments of the peers: one each, made by uv on the first run and kept.

They are no dependencies of the product: nothing of them is installed into its environment.
"""

import asyncio
import os
import shutil
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import orjson

from bench.stage import ROOT

TOOLS = ROOT / ".agentledger-tools"
ENVIRONMENTS = TOOLS / "bench"
UV = TOOLS / "uv" / "bin" / "uv"
SYSTEM_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
MADE_MARK = "made-of.json"
INSTALL_WAIT_S = 180
RUNS_WAIT_S = 120
COMPLAINT_CHARACTERS = 300


@dataclass(frozen=True, slots=True)
class Peer:
    """module: of bench.peers, the program that runs there. packages: of the package index."""

    name: str
    module: str
    packages: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PeerRuns:
    """version: of the first package. p50_ms: of one run, beside the others."""

    version: str
    runs_per_s: float
    p50_ms: float


class PeerMissing(Exception):
    """A peer cannot be measured here; the message says why."""


DBOS = Peer("DBOS", "bench.peers.dbos_runs", ("dbos>=3.4",))
LANGGRAPH = Peer(
    "LangGraph",
    "bench.peers.langgraph_runs",
    ("langgraph>=1.2", "langgraph-checkpoint-postgres>=3.2", "psycopg[binary,pool]>=3.2"),
)
TEMPORAL = Peer("Temporal", "bench.peers.temporal_runs", ("temporalio>=1.35",))


def installed(peer: Peer) -> Path:
    """The Python of the peer's environment, made when it is not there. Raises PeerMissing."""
    environment = ENVIRONMENTS / peer.name.lower()
    python = environment / "bin" / "python"
    mark = environment / MADE_MARK
    wanted = orjson.dumps(peer.packages)
    if not mark.exists() or mark.read_bytes() != wanted:
        uv = shutil.which("uv") or (str(UV) if UV.exists() else None)
        if uv is None:
            raise PeerMissing("uv, which makes its environment, was not found")
        shutil.rmtree(environment, ignore_errors=True)
        ENVIRONMENTS.mkdir(parents=True, exist_ok=True)
        own_python = str(ROOT / ".venv" / "bin" / "python")
        run_tool([uv, "venv", "--quiet", "--python", own_python, str(environment)])
        run_tool([uv, "pip", "install", "--quiet", "--python", str(python), *peer.packages])
        mark.write_bytes(wanted)
    return python


def run_tool(
    command: Sequence[str],
    *,
    wait_s: float = INSTALL_WAIT_S,
    cwd: Path = ROOT,
    environment: dict[str, str] | None = None,
) -> str:
    """What it printed. Raises PeerMissing with its last complaint."""
    env = {**os.environ, **(environment or {})}
    if SYSTEM_CERTIFICATES.exists():  # The machine's may know of a company's own authority.
        env.setdefault("SSL_CERT_FILE", str(SYSTEM_CERTIFICATES))
    name = Path(command[0]).name
    try:
        ran = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=wait_s, cwd=cwd, env=env
        )
    except subprocess.TimeoutExpired:
        raise PeerMissing(f"{name} did not end within {wait_s:.0f} s") from None
    except OSError as error:
        raise PeerMissing(f"{name} cannot be run: {error.strerror}") from error
    if ran.returncode:
        raise PeerMissing(f"{name}: {_last_words(ran.stderr or ran.stdout)}")
    return ran.stdout


async def peer_runs(peer: Peer, url: str, at_once: int, duration_s: float, *more: str) -> PeerRuns:
    """In a process of its own. Raises PeerMissing."""
    python = await asyncio.to_thread(installed, peer)
    started = await asyncio.create_subprocess_exec(
        *(str(python), "-m", peer.module, url, str(at_once), str(duration_s), *more),
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        said, complaint = await asyncio.wait_for(started.communicate(), RUNS_WAIT_S)
    except TimeoutError:
        raise PeerMissing(f"its runs did not end within {RUNS_WAIT_S} s") from None
    finally:
        with suppress(ProcessLookupError):
            started.kill()
    if started.returncode:
        raise PeerMissing(_last_words(complaint.decode("utf-8", "replace")))
    return PeerRuns(**orjson.loads(said.splitlines()[-1]))


def _last_words(complaint: str) -> str:
    return complaint.strip()[-COMPLAINT_CHARACTERS:].replace("\n", " ") or "it gave no reason"
