"""api_keys: the credentials of a tenant's programs, without their secrets."""

from typing_extensions import TypedDict

from domain.credentials import ApiKey
from projections.table import (
    BigInt,
    Decoded,
    Instant,
    Key,
    Projection,
    Text,
    Texts,
    UnexpectedEvent,
    Uuid,
    instant_or_none,
    present,
    stream_key,
    uuid_or_none,
)


class ApiKeyRow(TypedDict):
    tenant_id: Uuid
    api_key_id: Uuid
    name: Text
    prefix: Text
    scopes: Texts
    user_id: Uuid | None
    expires_at: Instant | None
    allowed_addresses: Texts
    rotated_at: Instant | None
    previous_until: Instant | None
    revoked_at: Instant | None
    created_at: Instant
    version: BigInt


def evolve(row: ApiKeyRow | None, event: Decoded, _key: Key) -> ApiKeyRow:
    logged = event.logged
    match event.fact:
        case ApiKey.Created() as fact:
            return {
                "tenant_id": logged.tenant_id,
                "api_key_id": logged.stream_id,
                "name": fact.name,
                "prefix": fact.prefix,
                "scopes": list(fact.scopes),
                "user_id": uuid_or_none(fact.user_id),
                "expires_at": instant_or_none(fact.expires_at),
                "allowed_addresses": [],
                "rotated_at": None,
                "previous_until": None,
                "revoked_at": None,
                "created_at": logged.recorded_at,
                "version": logged.version,
            }
        case ApiKey.AddressesRestricted() as fact:
            allowed = list(fact.allowed_addresses)
            return {**present(row), "allowed_addresses": allowed, "version": logged.version}
        case ApiKey.ScopesChanged() as fact:
            return {**present(row), "scopes": list(fact.scopes), "version": logged.version}
        case ApiKey.Rotated() as fact:
            return {
                **present(row),
                "prefix": fact.prefix,
                "rotated_at": logged.recorded_at,
                "previous_until": instant_or_none(fact.previous_until),
                "version": logged.version,
            }
        case ApiKey.Revoked():
            return {**present(row), "revoked_at": logged.recorded_at, "version": logged.version}
        case _:
            raise UnexpectedEvent(logged.topic)


API_KEYS = Projection(
    name="api_keys",
    version=2,
    row=ApiKeyRow,
    key=("tenant_id", "api_key_id"),
    stream_column="api_key_id",
    aggregate=ApiKey,
    events=(
        ApiKey.Created,
        ApiKey.AddressesRestricted,
        ApiKey.ScopesChanged,
        ApiKey.Rotated,
        ApiKey.Revoked,
    ),
    keys=stream_key,
    evolve=evolve,
    own="user_id = (SELECT agentledger.current_person())",
)
