"""Secrets: that there are some, never what they are. One's own are seen by nobody else."""

import strawberry

from read_api.arguments import MinPosition
from read_api.columns import column
from read_api.connections import Connection, Listing, read_page
from read_api.context import ReadInfo
from read_api.limits import PAGE_SIZE_DEFAULT
from read_api.scalars import Instant

SECRETS = Listing("Secret", "s", "secrets_v1 AS s", "secret_id", condition="NOT s.is_removed")
# What is whose: the tenant's, and the caller's own.
VISIBLE = "(s.user_id IS NULL OR s.user_id = ($1->>'user_id')::uuid)"


@strawberry.type(description="A value that runs may use and nobody may read.")
class Secret:
    id: strawberry.ID = column("s.secret_id")
    name: str = column("s.name", 'As nodes refer to it: `{"$secret": "name"}`.')
    scope: str = column(
        "CASE WHEN s.user_id IS NULL THEN 'tenant' ELSE 'user' END",
        "tenant, or user for the caller's own, which wins over the tenant's of that name.",
    )
    allowed_hosts: list[str] = column("to_json(s.allowed_hosts)", "Where http nodes may send it.")
    version: int = column("s.value_version", "Counts the values it has had.")
    created_at: Instant = column("s.created_at")
    updated_at: Instant = column("s.updated_at")
    last_used_at: Instant | None = column(
        "(SELECT v.last_used_at FROM vault_entries AS v WHERE v.entry_id = s.secret_id)",
        "To the minute.",
    )


async def secrets(
    info: ReadInfo,
    first: int | None = PAGE_SIZE_DEFAULT,
    after: str | None = None,
    _min_position: MinPosition = None,
) -> Connection[Secret]:
    user_id = info.context.caller.user_id
    return await read_page(
        info,
        SECRETS,
        Secret,
        first=first,
        after=after,
        conditions=[VISIBLE],
        params={"user_id": None if user_id is None else str(user_id)},
    )
