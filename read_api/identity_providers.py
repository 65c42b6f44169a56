"""Identity providers: where people of the tenant may sign in, and what they get by it."""

import strawberry

from read_api.arguments import MinPosition
from read_api.columns import column
from read_api.connections import Connection, Listing, read_page
from read_api.context import ReadInfo
from read_api.limits import PAGE_SIZE_DEFAULT
from read_api.scalars import Instant, Json

IDENTITY_PROVIDERS = Listing(
    "IdentityProvider",
    "ip",
    "identity_providers_v1 AS ip",
    "identity_provider_id",
    "ip.removed_at IS NULL",
)


@strawberry.type(description="Where people may sign in. Its client secret is told to nobody.")
class IdentityProvider:
    id: strawberry.ID = column("ip.identity_provider_id")
    name: str = column("ip.name")
    kind: str = column("ip.kind", "oidc, google or github")
    issuer: str | None = column("ip.issuer", "Null where the kind says it.")
    client_id: str = column("ip.client_id")
    allowed_domains: list[str] = column(
        "to_json(ip.allowed_domains)", "Whose verified addresses come in without an invitation."
    )
    default_role: str = column("ip.default_role", "What they get, unless a group gives another.")
    group_roles: Json = column("ip.group_roles", "By the name of the group at the provider.")
    is_directory: bool = column("ip.is_directory", "Whether it may provision users (SCIM).")
    secret_replaced_at: Instant | None = column("ip.secret_replaced_at")
    created_at: Instant = column("ip.created_at")


async def identity_providers(
    info: ReadInfo,
    first: int | None = PAGE_SIZE_DEFAULT,
    after: str | None = None,
    _min_position: MinPosition = None,
) -> Connection[IdentityProvider]:
    return await read_page(info, IDENTITY_PROVIDERS, IdentityProvider, first=first, after=after)
