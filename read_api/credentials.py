"""API keys: never their secrets, only what tells them apart."""

import strawberry

from read_api.arguments import MinPosition
from read_api.columns import column
from read_api.connections import Connection, Listing, read_page
from read_api.context import ReadInfo
from read_api.limits import PAGE_SIZE_DEFAULT
from read_api.scalars import Instant

API_KEYS = Listing("ApiKey", "k", "api_keys_v2 AS k", "api_key_id")

LAST_USED_AT = (
    "(SELECT u.last_used_at FROM api_key_uses AS u"
    " WHERE u.tenant_id = k.tenant_id AND u.api_key_id = k.api_key_id)"
)


@strawberry.type(
    description="A credential of a program. The key itself was shown once, when it was made."
)
class ApiKey:
    id: strawberry.ID = column("k.api_key_id")
    name: str = column("k.name")
    prefix: str = column("k.prefix", "How the key begins.")
    scopes: list[str] = column("to_json(k.scopes)")
    user_id: strawberry.ID | None = column("k.user_id")
    expires_at: Instant | None = column("k.expires_at")
    allowed_addresses: list[str] = column(
        "to_json(k.allowed_addresses)", "Networks it may be used from; none: from everywhere."
    )
    last_used_at: Instant | None = column(LAST_USED_AT, "To the minute, told a minute later.")
    rotated_at: Instant | None = column("k.rotated_at", "When it got its present secret.")
    previous_until: Instant | None = column(
        "k.previous_until", "Until when the secret before the last rotation holds."
    )
    revoked_at: Instant | None = column("k.revoked_at")
    created_at: Instant = column("k.created_at")


async def api_keys(
    info: ReadInfo,
    first: int | None = PAGE_SIZE_DEFAULT,
    after: str | None = None,
    _min_position: MinPosition = None,
) -> Connection[ApiKey]:
    return await read_page(info, API_KEYS, ApiKey, first=first, after=after)
