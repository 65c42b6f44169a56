"""`agentledger verify`: the promises, checked on a live or a stopped installation. Exit 1 when one
is broken.
"""

import sys
from collections.abc import Callable

import orjson
import typer
from rich.console import Console

from cli.opening import opening
from cli.session import installation, owner_connection, run, settings_or_complain
from infra.budget_verification import verify_budgets
from infra.invoice_verification import verify_invoices
from infra.seal_verification import verify_seals
from infra.settings import Settings
from infra.trigger_verification import verify_triggers
from infra.verification import Check, verify_log
from projections.catalogue import PROJECTIONS
from projections.rollups import verify_rollup
from projections.verification import verify_projection


def verify(*, is_json: bool) -> int:
    async def work() -> int:
        console = Console(stderr=True)
        async with installation(settings_or_complain()) as settings:
            with console.status("verifying ...") as status:
                checks = await _checks(settings, status.update)
        is_ok = all(check.ok for check in checks)
        if is_json:
            typer.echo(orjson.dumps(_document(checks, is_ok=is_ok)).decode())
        else:
            _print(checks)
        return 0 if is_ok else 1

    return run(work)


async def _checks(settings: Settings, progress: Callable[[str], None]) -> list[Check]:
    async with owner_connection(settings) as conn, opening(settings) as open_events:
        checks = await verify_log(conn, open_events, progress)
        checks.extend(await verify_invoices(conn, open_events, progress))
        progress("what budgets count")
        checks += await verify_budgets(conn, open_events)
        progress("when triggers are looked at")
        checks.append(await verify_triggers(conn, open_events))
        progress("the seals of the log")
        checks.append(await verify_seals(conn))
        if settings.kafka_bootstrap_servers:
            from infra.kafka_verification import verify_published  # Brings the client of Kafka.

            progress("what Kafka has")
            checks.append(
                await verify_published(conn, settings.kafka_bootstrap_servers, settings.kafka_topic)
            )
        for projection in PROJECTIONS:
            progress(f"the projection {projection.table}")
            checks.append(await verify_projection(conn, projection, open_events))
            checks.extend(
                [await verify_rollup(conn, projection, rollup) for rollup in projection.rollups]
            )
    return checks


def _document(checks: list[Check], *, is_ok: bool) -> dict[str, object]:
    return {
        "ok": is_ok,
        "checks": [
            {
                "name": check.name,
                "ok": check.ok,
                "checked": check.checked,
                "violations": check.violations,
            }
            for check in checks
        ],
    }


def _print(checks: list[Check]) -> None:
    console = Console(file=sys.stdout)
    for check in checks:
        mark = "[green]ok[/green]    " if check.ok else "[red]broken[/red]"
        console.print(f"{mark} {check.name} [dim]({check.checked:,} checked)[/dim]")
        for violation in check.violations:
            console.print(f"         {violation}")
        unshown = check.violations_count - len(check.violations)
        if unshown > 0:
            console.print(f"         and {unshown:,} more")
