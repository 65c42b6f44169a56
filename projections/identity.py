"""users: the people of a tenant. Their passwords are nowhere here."""

from typing import TypedDict

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
    stream_key,
)


class UserRow(TypedDict):
    tenant_id: Uuid
    user_id: Uuid
    email: Text
    role: Text
    created_at: Instant
    version: BigInt


def evolve(_row: UserRow | None, event: Decoded, _key: Key) -> UserRow:
    logged = event.logged
    match event.fact:
        case User.Created() as fact:
            return {
                "tenant_id": logged.tenant_id,
                "user_id": logged.stream_id,
                "email": fact.email,
                "role": fact.role,
                "created_at": logged.recorded_at,
                "version": logged.version,
            }
        case _:
            raise UnexpectedEvent(logged.topic)


USERS = Projection(
    name="users",
    version=1,
    row=UserRow,
    key=("tenant_id", "user_id"),
    stream_column="user_id",
    aggregate=User,
    events=(User.Created,),
    keys=stream_key,
    evolve=evolve,
)
