"""secrets: which there are, whose, and where they may be sent. What they are is nowhere here."""

from typing_extensions import TypedDict

from domain.secrets import Secret
from projections.table import (
    BigInt,
    Boolean,
    Decoded,
    Instant,
    Integer,
    Key,
    Projection,
    Text,
    Texts,
    UnexpectedEvent,
    Uuid,
    present,
    stream_key,
    uuid_or_none,
)


class SecretRow(TypedDict):
    tenant_id: Uuid
    secret_id: Uuid
    name: Text
    user_id: Uuid | None
    value_version: Integer
    allowed_hosts: Texts
    is_removed: Boolean
    created_at: Instant
    updated_at: Instant
    version: BigInt


def evolve(row: SecretRow | None, event: Decoded, _key: Key) -> SecretRow:
    logged = event.logged
    match event.fact:
        case Secret.Created() as fact:
            return {
                "tenant_id": logged.tenant_id,
                "secret_id": logged.stream_id,
                "name": fact.name,
                "user_id": uuid_or_none(fact.user_id),
                "value_version": 0,
                "allowed_hosts": [],
                "is_removed": True,
                "created_at": logged.recorded_at,
                "updated_at": logged.recorded_at,
                "version": logged.version,
            }
        case Secret.Stored() as fact:
            return {
                **present(row),
                "value_version": fact.value_version,
                "allowed_hosts": list(fact.allowed_hosts),
                "is_removed": False,
                "updated_at": logged.recorded_at,
                "version": logged.version,
            }
        case Secret.Removed():
            return {
                **present(row),
                "is_removed": True,
                "updated_at": logged.recorded_at,
                "version": logged.version,
            }
        case _:
            raise UnexpectedEvent(logged.topic)


SECRETS = Projection(
    name="secrets",
    version=1,
    row=SecretRow,
    key=("tenant_id", "secret_id"),
    stream_column="secret_id",
    aggregate=Secret,
    events=(Secret.Created, Secret.Stored, Secret.Removed),
    keys=stream_key,
    evolve=evolve,
    own="user_id = (SELECT agentledger.current_person())",
)
