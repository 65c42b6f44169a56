"""Providers of models: the tenant's, and the caller's own. Never their keys."""

import strawberry

from read_api.arguments import MinPosition
from read_api.columns import column
from read_api.connections import Connection, Listing, read_page
from read_api.context import ReadInfo
from read_api.limits import PAGE_SIZE_DEFAULT
from read_api.scalars import Instant

PROVIDERS = Listing(
    "Provider", "p", "providers_v1 AS p", "provider_id", condition="NOT p.is_removed"
)
VISIBLE = "(p.user_id IS NULL OR p.user_id = ($1->>'user_id')::uuid)"


@strawberry.type(description="Where models whose name begins with this one's are called.")
class Provider:
    id: strawberry.ID = column("p.provider_id")
    name: str = column("p.name")
    scope: str = column(
        "CASE WHEN p.user_id IS NULL THEN 'tenant' ELSE 'user' END",
        "tenant, or user for the caller's own, which wins over the tenant's of that name.",
    )
    kind: str = column("p.kind")
    api_base: str | None = column("p.api_base", "Null is the kind's own address.")
    models: list[str] = column("to_json(p.models)", "Those that may be called; none is all.")
    has_key: bool = column("p.has_key")
    key_from: str | None = column("p.key_from", "The secret that is its key.")
    version: int = column("p.provider_version", "Counts how often it was configured.")
    created_at: Instant = column("p.created_at")
    updated_at: Instant = column("p.updated_at")
    last_used_at: Instant | None = column(
        "(SELECT v.last_used_at FROM vault_entries AS v WHERE v.entry_id = p.provider_id)",
        "To the minute.",
    )


async def providers(
    info: ReadInfo,
    first: int | None = PAGE_SIZE_DEFAULT,
    after: str | None = None,
    _min_position: MinPosition = None,
) -> Connection[Provider]:
    user_id = info.context.caller.user_id
    return await read_page(
        info,
        PROVIDERS,
        Provider,
        first=first,
        after=after,
        conditions=[VISIBLE],
        params={"user_id": None if user_id is None else str(user_id)},
    )
