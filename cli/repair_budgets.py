"""`agentledger repair-budgets`: the counters of budgets as the log has them. Exit 1 when they are
still not.
"""

import sys
from dataclasses import asdict

import orjson
import typer

from cli.opening import opening
from cli.session import installation, owner_connection, run, settings_or_complain
from infra.budget_repair import repair_budgets


def repair(*, is_json: bool) -> int:
    async def work() -> int:
        async with (
            installation(settings_or_complain()) as settings,
            owner_connection(settings) as conn,
            opening(settings) as open_events,
        ):
            repaired = await repair_budgets(conn, open_events)
        if is_json:
            typer.echo(orjson.dumps(asdict(repaired)).decode())
        else:
            for change in repaired.changes:
                typer.echo(change)
            typer.echo(f"{len(repaired.changes)} counters and holds were put right")
            if not repaired.is_right:
                sys.stderr.write("agentledger: some are still wrong; run it again.\n")
        return 0 if repaired.is_right else 1

    return run(work)
