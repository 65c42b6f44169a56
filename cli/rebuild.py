"""`agentledger rebuild`: a projection anew, beside the old one, with progress; readers and the live
projector go on.
"""

from dataclasses import asdict

import orjson
import typer

from cli.complaints import complain
from cli.filling import rebuild_one, told
from cli.migrate import migrate_all
from cli.opening import opening
from cli.session import installation, run, settings_or_complain
from projections.catalogue import PROJECTIONS
from projections.table import AnyProjection


def named_projections(name: str) -> list[AnyProjection]:
    """The projections of that name (`executions` or `executions_v5`), or all. An unknown name is
    complained about.
    """
    chosen = [p for p in PROJECTIONS if name in {"all", p.name, p.table}]
    if not chosen:
        known = ", ".join(sorted({p.name for p in PROJECTIONS}))
        complain(f"there is no projection {name!r}; there are: {known}.")
    return chosen


def rebuild(name: str, *, is_json: bool) -> int:
    chosen = named_projections(name)

    async def work() -> int:
        async with installation(settings_or_complain()) as settings:
            await migrate_all(settings)
            async with opening(settings) as open_events:
                rebuilt = [await rebuild_one(settings, one, open_events) for one in chosen]
        if is_json:
            typer.echo(orjson.dumps({"rebuilt": [asdict(one) for one in rebuilt]}).decode())
        else:
            for one in rebuilt:
                typer.echo(told(one))
        return 0

    return run(work)
