"""`agentledger serve --role ...`: one role, against the PostgreSQL and the Kafka of the
environment.
"""

import asyncio
import os
import socket
import sys
from collections.abc import Mapping

import typer

from cli.complaints import complain
from cli.role_listener import listen_for_probes, serve_probes
from cli.roles import (
    build_projector,
    lags_of,
    run_projector,
    run_until_stopped,
    stop_signal,
)
from cli.session import run, settings_or_complain
from cli.telemetry import telemetry
from cli.told_beside import exchange_live_text, tell_roles
from infra.postgres import Role
from infra.readiness import Ask
from infra.runtime import Runtime, build_runtime

READ_BYTES = 1024
# Where runs are driven, and where they are followed.
LIVE_TEXT_ROLES: Mapping[str, Role] = {"api": "api", "worker": "worker"}


def serve(role: str, *, port: int | None, ends_with_input: bool = False) -> int:
    """ends_with_input: as the process does that began it and holds the other end."""
    settings = settings_or_complain(port=port)
    if settings.database_url is None:
        complain("AGENTLEDGER_DATABASE_URL is not set; `agentledger up` needs no servers.")

    async def work() -> int:
        probes = listen_for_probes(settings)
        async with build_runtime(settings) as runtime, stop_signal() as stop:
            if ends_with_input:
                _stop_at_end_of_input(stop)
            runtime.exchange_wakeups()
            tell_roles(runtime, role)
            if role in LIVE_TEXT_ROLES:
                exchange_live_text(runtime, LIVE_TEXT_ROLES[role])
            parts = [_part(role, runtime)]
            if probes is not None:
                parts.append(_probed(role, runtime, probes))
            await run_until_stopped(runtime, parts, stop)
        return 0

    with telemetry(settings, role):
        return run(work)


def _stop_at_end_of_input(stop: asyncio.Event) -> None:
    loop, source = asyncio.get_running_loop(), sys.stdin.fileno()

    def read() -> None:
        if not os.read(source, READ_BYTES):
            loop.remove_reader(source)
            stop.set()

    loop.add_reader(source, read)


async def _part(role: str, runtime: Runtime) -> None:
    match role:
        case "api":
            await _api(runtime)
        case "relay":
            await _relay(runtime)
        case "worker":
            await _worker(runtime)
        case "projector":
            await run_projector(runtime, await build_projector(runtime, on_applied=None))
        case _:
            raise AssertionError(role)


async def _probed(role: str, runtime: Runtime, listening: socket.socket) -> None:
    further: list[Ask] = []
    database_role: Role = "relay"
    match role:
        case "api" | "projector":
            database_role = role
            further.append(await lags_of(runtime, role))
        case "worker":
            database_role = role
        case _:
            pass
    with listening:
        await serve_probes(runtime, listening, database_role, *further)


async def _relay(runtime: Runtime) -> None:
    # Imported here, as below: each role starts without what only others need.
    from cli.relay import run_relay

    await run_relay(runtime)


async def _worker(runtime: Runtime) -> None:
    from cli.worker import run_worker

    await run_worker(runtime)


async def _api(runtime: Runtime) -> None:
    from cli.api import build_api_parts, run_api
    from cli.web_server import listen

    with listen(runtime.settings) as listening:
        typer.echo(f"api on http://{runtime.settings.host}:{listening.getsockname()[1]}")
        await run_api(runtime, await build_api_parts(runtime), listening)
