"""The people of a tenant, and who is asking."""

import strawberry

from read_api.arguments import Id, MinPosition
from read_api.columns import column
from read_api.connections import Connection, Listing, read_one, read_page
from read_api.context import ReadInfo
from read_api.limits import PAGE_SIZE_DEFAULT
from read_api.scalars import Instant

USERS = Listing("User", "u", "users_v3 AS u", "user_id")


@strawberry.type
class User:
    id: strawberry.ID = column("u.user_id")
    email: str | None = column("u.email", "Null once the person is erased.")
    name: str | None = column("u.name")
    role: str = column(
        "u.role", "ADMIN, USER, VIEWER, RESELLER, or the id of a role of the tenant's own making."
    )
    status: str = column("u.status", "INVITED, ACTIVE or DEACTIVATED.")
    invited_until: Instant | None = column("u.invited_until", "While the status is INVITED.")
    created_at: Instant = column("u.created_at")
    erased_at: Instant | None = column(
        "u.erased_at", "Since when nothing that was personal can be read any more."
    )


@strawberry.type(description="Who is asking, and what they may do now.")
class Me:
    actor: str
    user_id: strawberry.ID | None = strawberry.field(
        description="The person behind the credential, where there is one."
    )
    scopes: list[str] = strawberry.field(
        description="`*` is everything of the tenant; a scope that ends in `:own` reaches only what"
        " is one's own."
    )


async def me(info: ReadInfo) -> Me:
    caller = info.context.caller
    scopes = [
        f"{scope}:own" if scope in caller.own_only else scope for scope in sorted(caller.scopes)
    ]
    user_id = None if caller.user_id is None else strawberry.ID(str(caller.user_id))
    return Me(actor=caller.actor, user_id=user_id, scopes=scopes)


async def user(info: ReadInfo, id_: Id, _min_position: MinPosition = None) -> User | None:
    return await read_one(info, USERS, id_, User)


async def users(
    info: ReadInfo,
    first: int | None = PAGE_SIZE_DEFAULT,
    after: str | None = None,
    _min_position: MinPosition = None,
) -> Connection[User]:
    return await read_page(info, USERS, User, first=first, after=after)
