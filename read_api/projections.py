"""How far the read models are behind the log."""

import strawberry

from projections.catalogue import PROJECTIONS
from projections.lag import projection_statuses
from read_api.context import ReadInfo
from read_api.scalars import BigInt


@strawberry.type
class RebuildProgress:
    events_done: BigInt
    events_total: BigInt
    remaining_seconds: float | None = strawberry.field(description="An estimate.")


@strawberry.type(description="One read model; the numbers span all tenants.")
class ProjectionStatus:
    name: str
    version: int
    events_behind: BigInt
    is_exact: bool = strawberry.field(description="False: eventsBehind is at least so many.")
    seconds_behind: float = strawberry.field(description="The age of the oldest event not applied.")
    parked: BigInt = strawberry.field(
        description="Streams that are set aside because one of their events could not be applied."
    )
    rebuild_progress: RebuildProgress | None


async def projections(info: ReadInfo) -> list[ProjectionStatus]:
    async with info.context.sources.database.connection() as conn:
        statuses = await projection_statuses(conn, PROJECTIONS)
    return [
        ProjectionStatus(
            name=status.name,
            version=status.version,
            events_behind=BigInt(status.events_behind),
            is_exact=status.is_exact,
            seconds_behind=status.seconds_behind,
            parked=BigInt(status.parked_count),
            rebuild_progress=None
            if status.rebuild is None
            else RebuildProgress(
                events_done=BigInt(status.rebuild.events_done),
                events_total=BigInt(status.rebuild.events_total),
                remaining_seconds=status.rebuild.remaining_s,
            ),
        )
        for status in statuses
    ]
