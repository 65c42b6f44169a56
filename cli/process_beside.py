"""A role in a process of its own beside `up`, which ends with it, however that ends."""

import asyncio
import contextlib
import os
import sys
from collections.abc import Mapping

from infra.settings import Settings

STOP_WAIT_S = 10
METRICS_PORT = "AGENTLEDGER_METRICS_PORT"


async def run_beside(role: str, settings: Settings) -> None:
    """`agentledger serve --role ...` on the same installation. Returns when it ends; cancelled, it
    ends the process.
    """
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "cli", "serve", "--role", role, "--end-with-input"),
        env=_environment(settings),
        stdin=asyncio.subprocess.PIPE,
        # Ctrl-C is for `up`, which ends it in order.
        start_new_session=True,
    )
    try:
        await process.wait()
    finally:
        if process.returncode is None:
            await _end(process)


async def _end(process: asyncio.subprocess.Process) -> None:
    assert process.stdin is not None
    process.stdin.close()
    with contextlib.suppress(TimeoutError, asyncio.CancelledError):
        async with asyncio.timeout(STOP_WAIT_S):
            await process.wait()
            return
    with contextlib.suppress(ProcessLookupError):
        process.kill()


def _environment(settings: Settings) -> Mapping[str, str]:
    """Ours, with what `up` found out or was told on its command line, and without what only one
    process may have.
    """
    assert settings.database_url is not None
    assert settings.master_key is not None
    shared = {name: value for name, value in os.environ.items() if name != METRICS_PORT}
    return {
        **shared,
        "AGENTLEDGER_DATABASE_URL": settings.database_url,
        "AGENTLEDGER_MASTER_KEY": settings.master_key.get_secret_value(),
        "AGENTLEDGER_DATA_DIR": str(settings.data_dir.absolute()),
    }
