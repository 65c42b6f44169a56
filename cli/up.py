"""`agentledger up`: the embedded PostgreSQL, the schema, every role, and a demo tenant at first
start. The roles are in this process; where there is a second processor, the read models and the
seals have a process of their own, which ends with this one.
"""

import asyncio
import secrets
import socket
from collections.abc import Coroutine
from pathlib import Path

import typer

from cli.api import ApiParts, build_api_parts, run_api
from cli.filling import fill_new, told
from cli.installation import (
    DEMO_FILE,
    SERVER_FILE,
    InstallationError,
    prepare,
    read_json,
    write_json,
)
from cli.migrate import migrate_all
from cli.process_beside import run_beside
from cli.role_listener import listen_for_probes, serve_probes
from cli.roles import (
    build_projector,
    lags_of,
    run_projector,
    run_until_stopped,
    stop_signal,
)
from cli.session import installation, run, settings_or_complain
from cli.telemetry import telemetry
from cli.told_beside import tell_roles
from cli.web_server import listen
from cli.worker import run_worker
from domain.identifiers import JsonObject
from infra.consumer import keep_running
from infra.runtime import Runtime, build_runtime
from infra.settings import Settings

DEMO_EMAIL = "demo@example.com"
PROVISION_TIMEOUT_S = 30


def up(*, port: int | None, data_dir: Path | None) -> int:
    settings = settings_or_complain(port=port, data_dir=data_dir)

    async def work() -> int:
        prepare(settings.data_dir)
        with listen(settings) as listening:
            async with stop_signal() as stop, installation(settings) as ready:
                await migrate_all(ready)
                for filled in await fill_new(ready):
                    typer.echo(told(filled))
                async with build_runtime(ready) as runtime:
                    await _run_all(runtime, stop, listening)
        return 0

    with telemetry(settings, "all"):
        return run(work)


async def _run_all(runtime: Runtime, stop: asyncio.Event, listening: socket.socket) -> None:
    settings = runtime.settings
    api = await build_api_parts(runtime)
    url = f"http://{settings.host}:{listening.getsockname()[1]}"
    parts = [
        run_api(runtime, api, listening),
        await _projecting(runtime, api),
        run_worker(runtime),
        _announce(settings, url),
    ]
    roles = ["api", "worker"]
    if settings.up_processes == 1:
        roles.append("projector")
    if settings.kafka_bootstrap_servers:
        from cli.relay import run_relay  # Brings the client of Kafka.

        parts.append(run_relay(runtime))
        roles.append("relay")
    tell_roles(runtime, *roles)
    probes = listen_for_probes(settings)
    if probes is not None:
        parts.append(serve_probes(runtime, probes, "api", await lags_of(runtime, "api")))
    try:
        await run_until_stopped(runtime, parts, stop)
    finally:
        (settings.data_dir / SERVER_FILE).unlink(missing_ok=True)


async def _projecting(runtime: Runtime, api: ApiParts) -> Coroutine[object, object, None]:
    settings = runtime.settings
    if settings.up_processes == 1:
        projector = await build_projector(runtime, on_applied=api.positions.applied)
        return run_projector(runtime, projector)
    runtime.exchange_wakeups()
    return keep_running(
        "process of the projector",
        lambda: run_beside("projector", settings),
        pause_max_s=settings.consumer_restart_max_s,
    )


async def _announce(settings: Settings, url: str) -> None:
    """Provisions the demo tenant once, says where everything is, and then does nothing for ever."""
    assert settings.operator_key is not None
    operator_key = settings.operator_key.get_secret_value()
    demo = await _demo_tenant(settings.data_dir, url, operator_key)
    write_json(settings.data_dir / SERVER_FILE, {"url": url})
    typer.echo(
        "\n".join(
            [
                "",
                "AgentLedger is up. Ctrl-C stops it; the data stays in "
                + str(settings.data_dir)
                + ".",
                "",
                f"  dashboard        {url}/dashboard    (sign in with the demo API key)",
                f"  REST             {url}/api/v1    (documentation: {url}/docs)",
                f"  GraphQL          {url}/graphql",
                f"  health, metrics  {url}/readyz  {url}/metrics",
                f"  operator key     {operator_key}",
                f"  demo tenant      {demo['tenant_id']}",
                f"  demo API key     {demo['api_key']}",
                "",
                "  In another terminal: make demo",
                "",
            ]
        )
    )
    await asyncio.Event().wait()


async def _demo_tenant(data_dir: Path, url: str, operator_key: str) -> JsonObject:
    kept = read_json(data_dir / DEMO_FILE)
    if kept is not None:
        return kept
    # Not made of the operator's key: who knows the demo's password must know nothing of that.
    admin: JsonObject = {"email": DEMO_EMAIL, "password": secrets.token_urlsafe(24)}
    body: JsonObject = {"name": "Demo", "admin": admin}
    import httpx  # Needed at the first start only.

    async with httpx.AsyncClient(base_url=url, timeout=PROVISION_TIMEOUT_S) as client:
        answer = await client.post(
            "/api/v1/tenants", json=body, headers={"X-Operator-Key": operator_key}
        )
    if answer.is_error:
        message = f"The demo tenant could not be made: {answer.text}"
        raise InstallationError(message)
    demo: JsonObject = {**answer.json()["data"], **admin}
    write_json(data_dir / DEMO_FILE, demo)
    return demo
