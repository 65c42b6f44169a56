"""PostgreSQL's disk is full: clients hear 503, nothing is half stored, and after there is room
again everything goes on.
"""

import asyncio
import contextlib
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.embedded_postgres import EmbeddedPostgres
from tests.conftest import POSTGRES_SETTINGS
from tests.faults.broken import Broken
from tests.faults.conftest import WAIT_S, environment_of, planted
from tests.faults.effect_server import effect_server
from tests.faults.load import Client
from tests.faults.processes import Installation, pause
from tests.ports import free_port

pytestmark = [pytest.mark.timeout(600), pytest.mark.slow]

DISK = "192m"
FULL_S_MAX = 40.0
ROUND_S = 1.0
CHUNK = bytes(4096)
SETTINGS = {**POSTGRES_SETTINGS, "max_wal_size": "32MB", "shared_buffers": "16MB"}


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, so small that a test can fill it."""
    place = tmp_path / "disk"
    place.mkdir()
    tmp_path.chmod(0o711)  # The server has an account of its own when root runs the tests.
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK},mode=755", "tmpfs", str(place)],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip(f"only root may mount a file system to fill: {mounted.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


def fill(place: Path) -> Path:
    """Takes all the room there is; removing the file gives it back."""
    filler = place / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(CHUNK):
            pass
    assert shutil.disk_usage(place).free == 0
    return filler


async def test_a_full_disk_stops_commands_and_loses_none(
    disk: Path, tmp_path: Path, master_key: str
) -> None:
    server = EmbeddedPostgres(disk / "postgres", settings=SETTINGS)
    effects_port = free_port()
    environment = environment_of(server.start(), master_key, effects_port)
    environment["AGENTLEDGER_APPEND_TIMEOUT_S"] = "2"
    installation = Installation(environment, tmp_path)
    client = Client(f"http://127.0.0.1:{environment['AGENTLEDGER_PORT']}", WAIT_S)
    try:
        async with effect_server(effects_port) as effects:
            migrated = await installation.run("migrate")
            assert migrated.exit_code == 0, migrated.said()
            broken = Broken(installation, client, effects)
            installation.start("all")
            await planted(client, effects_port)
            broken.begin_runs()
            await broken.all_runs_begun()
            filler = fill(disk)
            # What PostgreSQL has set aside is used up first.
            async with asyncio.timeout(FULL_S_MAX):
                while 503 not in client.refusals:
                    broken.begin_runs()
                    await pause(ROUND_S)
            filler.unlink()
            await asyncio.to_thread(server.start)  # It may have given up.
            await broken.require_everything_holds()
    finally:
        installation.end()
        server.stop()
