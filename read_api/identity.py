"""The people of a tenant."""

import strawberry

from read_api.arguments import MinPosition
from read_api.columns import column
from read_api.connections import Connection, Listing, read_page
from read_api.context import ReadInfo
from read_api.limits import PAGE_SIZE_DEFAULT
from read_api.scalars import Instant

USERS = Listing("User", "u", "users_v1 AS u", "user_id")


@strawberry.type
class User:
    id: strawberry.ID = column("u.user_id")
    email: str = column("u.email")
    role: str = column("u.role", "ADMIN, USER, VIEWER or RESELLER.")
    created_at: Instant = column("u.created_at")


async def users(
    info: ReadInfo,
    first: int | None = PAGE_SIZE_DEFAULT,
    after: str | None = None,
    _min_position: MinPosition = None,
) -> Connection[User]:
    return await read_page(info, USERS, User, first=first, after=after)
