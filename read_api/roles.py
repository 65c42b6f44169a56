"""Roles of a tenant's own making, and what they can be made of."""

import strawberry

from infra.authentication import PERMISSIONS
from read_api.arguments import MinPosition
from read_api.columns import column
from read_api.connections import Connection, Listing, read_page
from read_api.context import ReadInfo
from read_api.limits import PAGE_SIZE_DEFAULT
from read_api.scalars import Instant

ROLES = Listing("Role", "r", "roles_v1 AS r", "role_id", "NOT r.is_deleted")


@strawberry.type(description="A role of the tenant's own making.")
class Role:
    id: strawberry.ID = column("r.role_id", "What users have as their role.")
    name: str = column("r.name")
    permissions: list[str] = column("r.permissions")
    created_at: Instant = column("r.created_at")


@strawberry.type(description="Something a role can let people do.")
class Permission:
    name: str
    meaning: str


async def roles(
    info: ReadInfo,
    first: int | None = PAGE_SIZE_DEFAULT,
    after: str | None = None,
    _min_position: MinPosition = None,
) -> Connection[Role]:
    return await read_page(info, ROLES, Role, first=first, after=after)


async def permissions() -> list[Permission]:
    return [Permission(name=name, meaning=meaning) for name, meaning in PERMISSIONS.items()]
