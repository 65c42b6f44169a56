"""How the installation does beside its read models: which roles run, and what is behind the log."""

import strawberry

from infra.platform_numbers import lags_behind_log
from infra.roles_seen import roles_seen
from read_api.context import ReadInfo
from read_api.scalars import BigInt, Instant, instant_of


@strawberry.type(description="Of all processes that have it.")
class RoleStatus:
    role: str = strawberry.field(description="api | relay | worker | projector")
    processes: int = strawberry.field(description="That were seen within the last 20 seconds.")
    seen_at: Instant = strawberry.field(description="The last of them.")


@strawberry.type(description="What goes through the log and has not come to its end.")
class LogLag:
    name: str = strawberry.field(description="relay (to Kafka, where there is one) | seal")
    events_behind: BigInt = strawberry.field(description="At most 100,000 are counted.")
    seconds_behind: float = strawberry.field(description="The age of the oldest of them.")


@strawberry.type(description="The installation as a whole; the numbers span all tenants.")
class SystemStatus:
    roles: list[RoleStatus]
    lags: list[LogLag]


async def system_status(info: ReadInfo) -> SystemStatus:
    async with info.context.sources.database.connection() as conn:
        seen = await roles_seen(conn)
        lags = await lags_behind_log(conn)
    return SystemStatus(
        roles=[
            RoleStatus(role=one.role, processes=one.processes, seen_at=instant_of(one.seen_at))
            for one in seen
        ],
        lags=[
            LogLag(name=name, events_behind=BigInt(events), seconds_behind=seconds)
            for name, (events, seconds) in lags.items()
        ],
    )
