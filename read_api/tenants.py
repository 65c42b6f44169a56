"""The caller's tenant."""

import strawberry

from read_api.arguments import MinPosition
from read_api.columns import column
from read_api.connections import read_row
from read_api.context import ReadInfo
from read_api.errors import coded
from read_api.scalars import Instant


@strawberry.type(description="A customer of the platform; everything else belongs to exactly one.")
class Tenant:
    id: strawberry.ID = column("t.tenant_id")
    name: str = column("t.name")
    created_at: Instant = column("t.created_at")
    payload_days: int | None = column(
        "t.payload_days",
        "How long payloads are kept after the end of their execution; null is for ever.",
    )


async def tenant(info: ReadInfo, _min_position: MinPosition = None) -> Tenant:
    found = await read_row(info, "Tenant", " FROM tenants_v2 AS t", {}, make=Tenant)
    if found is None:
        raise coded("not_found", "The read model does not have this tenant yet.")
    return found
