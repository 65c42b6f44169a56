"""Filling read models from the log, with progress: those that a release brings new or in another
shape, and those that somebody asks for.
"""

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from cli.opening import opening
from cli.session import owner_connection
from infra.event_sealing import OpenEvents
from infra.settings import Settings
from projections.filling import unfilled
from projections.rebuild import Progress as Rebuilding
from projections.rebuild import Rebuilt
from projections.rebuild import rebuild as rebuild_projection
from projections.table import AnyProjection


async def fill_new(settings: Settings) -> list[Rebuilt]:
    """After a migration. Nothing is done where nothing is new. Raises RebuildRunning."""
    async with owner_connection(settings) as conn:
        wanted = await unfilled(conn)
    if not wanted:
        return []
    async with opening(settings) as open_events:
        return [await rebuild_one(settings, one, open_events) for one in wanted]


async def rebuild_one(
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


def told(rebuilt: Rebuilt) -> str:
    rate = rebuilt.events_count / rebuilt.elapsed_s if rebuilt.elapsed_s else 0
    return (
        f"{rebuilt.projection}: {rebuilt.events_count} events in {rebuilt.elapsed_s:.1f} s"
        f" ({rate:,.0f}/s), {rebuilt.parked_count} streams parked"
    )
