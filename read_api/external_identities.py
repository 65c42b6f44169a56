"""Accounts at identity providers that people sign in with."""

import strawberry

from read_api.arguments import MinPosition
from read_api.columns import column
from read_api.connections import Connection, Listing, read_page
from read_api.context import ReadInfo
from read_api.limits import PAGE_SIZE_DEFAULT
from read_api.scalars import Instant

EXTERNAL_IDENTITIES = Listing(
    "ExternalIdentity",
    "ei",
    "external_identities_v1 AS ei",
    "external_identity_id",
    "ei.removed_at IS NULL",
)


@strawberry.type(description="An account at an identity provider that somebody signs in with.")
class ExternalIdentity:
    id: strawberry.ID = column("ei.external_identity_id")
    user_id: strawberry.ID = column("ei.user_id")
    provider: str = column("ei.provider", "Its name when somebody signed in there.")
    issuer: str = column("ei.issuer")
    follows_groups: bool = column(
        "ei.follows_groups", "Whether the groups of the provider give the person their role."
    )
    linked_at: Instant = column("ei.linked_at")


async def external_identities(
    info: ReadInfo,
    first: int | None = PAGE_SIZE_DEFAULT,
    after: str | None = None,
    _min_position: MinPosition = None,
) -> Connection[ExternalIdentity]:
    return await read_page(info, EXTERNAL_IDENTITIES, ExternalIdentity, first=first, after=after)
