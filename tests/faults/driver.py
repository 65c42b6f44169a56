"""What a process of the fault tests does: every role at once, one of them, or a command, as `cli`
has them, on the servers that its environment names.

The processes are forked from one that has imported all of it, because importing takes seconds.
"""

import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import cli.serve
import domain.execution_steps
import infra.kafka
import sagas.billing
import sagas.bulk_operations
import sagas.drive
import sagas.offboarding
import sagas.triggers
from cli.api import build_api_parts, run_api
from cli.dead_letters import replay_parked
from cli.deadlines import build_deadlines, deadline_ports
from cli.embeddings import build_templates
from cli.migrate import migrate
from cli.rebuild import rebuild
from cli.relay import run_relay
from cli.roles import (
    build_projector,
    run_projector,
    run_until_stopped,
    stop_signal,
)
from cli.rotate_master_key import rotate_master_key
from cli.session import run
from cli.tenants import erase_tenant
from cli.web_server import listen
from cli.worker import run_worker
from infra import crash_points
from infra.clock import SystemClock
from infra.logs import begin_logging
from infra.models import build_models
from infra.postgres import Role
from infra.price_books import StoredPrices
from infra.runtime import Runtime, build_runtime
from infra.settings import Settings
from tests.faults.deliveries import ShuffledLog

# Waits that exist for the sake of slow servers and long runs, cut to what a test can wait for.
SUSPENDED_FROM_S = 0.3
SAGA_LEASE_S = 1.0
SESSION_TIMEOUT_MS = 1500


class SkewedClock(SystemClock):
    """A clock that goes wrong by that much."""

    def __init__(self, skew_s: float) -> None:
        self._skew = timedelta(seconds=skew_s)

    def now(self) -> datetime:
        return datetime.now(UTC) + self._skew


def main(arguments: tuple[str, ...], environment: Mapping[str, str], output: Path) -> None:
    """What `cli` does with these arguments; `all` is every role in one process."""
    descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.environ.update(environment)
    crash_points.order(environment.get("AGENTLEDGER_CRASH_AT"))
    _cut_waits_short()
    cli.serve.build_runtime = build_faulty_runtime
    sys.exit(_begin(arguments))


def _cut_waits_short() -> None:
    domain.execution_steps.SUSPENDED_FROM_S = SUSPENDED_FROM_S
    sagas.drive.SUSPENDED_FROM_S = SUSPENDED_FROM_S
    sagas.bulk_operations.LEASE_S = SAGA_LEASE_S
    sagas.offboarding.LEASE_S = SAGA_LEASE_S
    sagas.billing.LEASE_S = SAGA_LEASE_S
    sagas.triggers.LEASE_S = SAGA_LEASE_S
    if "KAFKA_BOOTSTRAP_SERVERS" not in os.environ:  # A broker of ours allows short sessions.
        infra.kafka.SESSION_TIMEOUT_MS = SESSION_TIMEOUT_MS


def _begin(arguments: tuple[str, ...]) -> int:  # noqa: PLR0911 # one answer per command
    match arguments:
        case ("all",):
            return run(_serve_all)
        case ("deadline",):
            return run(_meet_deadline)
        case ("template",):
            return run(_embed_template)
        case ("serve", role):
            return cli.serve.serve(role, port=None)
        case ("migrate",):
            return migrate(is_json=True)
        case ("rebuild", name):
            return rebuild(name, is_json=True)
        case ("erase", tenant):
            return erase_tenant(tenant, is_json=True)
        case ("rotate",):
            return rotate_master_key(is_json=True)
        case ("replay",):
            return replay_parked(projection=None, stream=None, is_json=True)
        case _:
            raise AssertionError(arguments)


async def _serve_all() -> int:
    settings = Settings()
    begin_logging(settings, "all")
    async with build_faulty_runtime(settings) as runtime, stop_signal() as stop:
        with listen(settings) as listening:
            api = await build_api_parts(runtime)
            projector = await build_projector(runtime, on_applied=api.positions.applied)
            parts = [
                run_api(runtime, api, listening),
                run_projector(runtime, projector),
                run_worker(runtime),
            ]
            if settings.kafka_bootstrap_servers:
                parts.append(run_relay(runtime))
            await run_until_stopped(runtime, parts, stop)
    return 0


async def _meet_deadline() -> int:
    """The worker's saga of deadlines, once. Fails where nothing is due."""
    async with build_faulty_runtime(Settings()) as runtime:
        saga = await build_deadlines(runtime, await deadline_ports(runtime))
        return 0 if await saga.work_once() else 1


async def _embed_template() -> int:
    """The worker's saga of templates, once. Fails where none is due."""
    async with build_faulty_runtime(Settings()) as runtime:
        models = build_models(os.environ)
        prices = StoredPrices(await runtime.event_store("worker"), await runtime.plans("worker"))
        saga = await build_templates(runtime, models, prices)
        return 0 if await saga.work_once() else 1


@asynccontextmanager
async def build_faulty_runtime(settings: Settings) -> AsyncIterator[Runtime]:
    async with build_runtime(settings) as runtime:
        _go_wrong(runtime)
        yield runtime


def _go_wrong(runtime: Runtime) -> None:
    """As the environment of a test says: FAULT_CLOCK_SKEW_S, FAULT_SHUFFLE (a seed),
    FAULT_HANDLING_S (how long each batch takes).
    """
    if skew_s := os.environ.get("FAULT_CLOCK_SKEW_S"):
        runtime.clock = SkewedClock(float(skew_s))
    if seed := os.environ.get("FAULT_SHUFFLE"):
        real = runtime.log
        handling_s = float(os.environ.get("FAULT_HANDLING_S", "0"))

        async def log(role: Role) -> ShuffledLog:
            return ShuffledLog(await real(role), seed=seed, handling_s=handling_s)

        runtime.log = log  # pyright: ignore[reportAttributeAccessIssue] # in place of the method
