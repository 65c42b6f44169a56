"""users: the people of a tenant. Their passwords are nowhere here."""

from typing_extensions import TypedDict

from domain.identity import User
from projections.table import (
    BigInt,
    Decoded,
    Instant,
    Key,
    Projection,
    Text,
    UnexpectedEvent,
    Uuid,
    instant_or_none,
    present,
    stream_key,
)


class UserRow(TypedDict):
    """role: one that every tenant has, or the id of one of the tenant's own making.
    invited_until: while status is INVITED. email, name: until erased_at.
    """

    tenant_id: Uuid
    user_id: Uuid
    email: Text | None
    name: Text | None
    role: Text
    status: Text
    invited_until: Instant | None
    created_at: Instant
    erased_at: Instant | None
    version: BigInt


def evolve(  # noqa: PLR0911 # one answer per kind of event
    row: UserRow | None, event: Decoded, _key: Key
) -> UserRow:
    logged = event.logged
    if isinstance(event.fact, User.Created):
        return {
            "tenant_id": logged.tenant_id,
            "user_id": logged.stream_id,
            "email": event.fact.email,
            "name": event.fact.name,
            "role": event.fact.role,
            "status": "ACTIVE",
            "invited_until": None,
            "created_at": logged.recorded_at,
            "erased_at": None,
            "version": logged.version,
        }
    changed: UserRow = {**present(row), "version": logged.version}
    match event.fact:
        case User.Invited() as fact:
            until = instant_or_none(fact.expires_at)
            return {**changed, "status": "INVITED", "invited_until": until}
        case User.Accepted() | User.Reactivated():
            return {**changed, "status": "ACTIVE", "invited_until": None}
        case User.Deactivated():
            return {**changed, "status": "DEACTIVATED", "invited_until": None}
        case User.Erased():
            gone: UserRow = {**changed, "status": "DEACTIVATED", "invited_until": None}
            return {**gone, "email": None, "name": None, "erased_at": logged.recorded_at}
        case User.RoleChanged() as fact:
            return {**changed, "role": fact.role}
        case User.ProfileChanged() as fact:
            return {**changed, "name": fact.name}
        case _:
            raise UnexpectedEvent(logged.topic)


USERS = Projection(
    name="users",
    version=3,
    row=UserRow,
    key=("tenant_id", "user_id"),
    stream_column="user_id",
    aggregate=User,
    events=(
        User.Created,
        User.Invited,
        User.Accepted,
        User.RoleChanged,
        User.ProfileChanged,
        User.Deactivated,
        User.Reactivated,
        User.Erased,
    ),
    keys=stream_key,
    evolve=evolve,
    own="user_id = (SELECT agentledger.current_person())",
)
