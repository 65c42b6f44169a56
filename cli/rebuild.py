"""`agentledger rebuild`: a projection anew, beside the old one, with progress; readers and the live
projector go on.
"""

from dataclasses import asdict

import orjson
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from cli.complaints import complain
from cli.migrate import migrate_all
from cli.opening import opening
from cli.session import installation, owner_connection, run, settings_or_complain
from infra.event_sealing import OpenEvents
from infra.settings import Settings
from projections.catalogue import PROJECTIONS
from projections.rebuild import Progress as Rebuilding
from projections.rebuild import Rebuilt
from projections.rebuild import rebuild as rebuild_projection
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
                rebuilt = [await _rebuild_one(settings, one, open_events) for one in chosen]
        if is_json:
            typer.echo(orjson.dumps({"rebuilt": [asdict(one) for one in rebuilt]}).decode())
        else:
            for one in rebuilt:
                rate = one.events_count / one.elapsed_s if one.elapsed_s else 0
                typer.echo(
                    f"{one.projection}: {one.events_count} events in {one.elapsed_s:.1f} s"
                    f" ({rate:,.0f}/s), {one.parked_count} streams parked"
                )
        return 0

    return run(work)


async def _rebuild_one(
    settings: Settings, projection: AnyProjection, open_events: OpenEvents
) -> Rebuilt:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:,.0f} / {task.total:,.0f} events"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(projection.table, total=0)

        def show(rebuilding: Rebuilding) -> None:
            progress.update(task, completed=rebuilding.events_done, total=rebuilding.events_total)

        return await rebuild_projection(
            projection, lambda: owner_connection(settings), open_events, on_progress=show
        )
