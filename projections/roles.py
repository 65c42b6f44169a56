"""roles: those of a tenant's own making."""

from typing_extensions import TypedDict

from domain.roles import Role
from projections.table import (
    BigInt,
    Boolean,
    Decoded,
    Instant,
    Key,
    Projection,
    Text,
    Texts,
    UnexpectedEvent,
    Uuid,
    present,
    stream_key,
)


class RoleRow(TypedDict):
    tenant_id: Uuid
    role_id: Uuid
    name: Text
    permissions: Texts
    is_deleted: Boolean
    created_at: Instant
    version: BigInt


def evolve(row: RoleRow | None, event: Decoded, _key: Key) -> RoleRow:
    logged = event.logged
    match event.fact:
        case Role.Created() as fact:
            return {
                "tenant_id": logged.tenant_id,
                "role_id": logged.stream_id,
                "name": fact.name,
                "permissions": list(fact.permissions),
                "is_deleted": False,
                "created_at": logged.recorded_at,
                "version": logged.version,
            }
        case Role.Changed() as fact:
            return {
                **present(row),
                "name": fact.name,
                "permissions": list(fact.permissions),
                "version": logged.version,
            }
        case Role.Deleted():
            return {**present(row), "is_deleted": True, "version": logged.version}
        case _:
            raise UnexpectedEvent(logged.topic)


ROLES = Projection(
    name="roles",
    version=1,
    row=RoleRow,
    key=("tenant_id", "role_id"),
    stream_column="role_id",
    aggregate=Role,
    events=(Role.Created, Role.Changed, Role.Deleted),
    keys=stream_key,
    evolve=evolve,
    own="true",
)
