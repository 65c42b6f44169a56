"""providers: whose models are called by which name, and where. Their keys are nowhere here."""

from typing_extensions import TypedDict

from domain.providers import Provider
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


class ProviderRow(TypedDict):
    """kind: None before it was first configured, which no reader sees."""

    tenant_id: Uuid
    provider_id: Uuid
    name: Text
    user_id: Uuid | None
    kind: Text | None
    api_base: Text | None
    models: Texts
    has_key: Boolean
    key_from: Text | None
    provider_version: Integer
    is_removed: Boolean
    created_at: Instant
    updated_at: Instant
    version: BigInt


def evolve(row: ProviderRow | None, event: Decoded, _key: Key) -> ProviderRow:
    logged = event.logged
    match event.fact:
        case Provider.Created() as fact:
            return {
                "tenant_id": logged.tenant_id,
                "provider_id": logged.stream_id,
                "name": fact.name,
                "user_id": uuid_or_none(fact.user_id),
                "kind": None,
                "api_base": None,
                "models": [],
                "has_key": False,
                "key_from": None,
                "provider_version": 0,
                "is_removed": True,
                "created_at": logged.recorded_at,
                "updated_at": logged.recorded_at,
                "version": logged.version,
            }
        case Provider.Configured() as fact:
            return {
                **present(row),
                "kind": fact.kind,
                "api_base": fact.api_base,
                "models": list(fact.models),
                "has_key": fact.has_key,
                "key_from": fact.key_from,
                "provider_version": fact.provider_version,
                "is_removed": False,
                "updated_at": logged.recorded_at,
                "version": logged.version,
            }
        case Provider.Removed():
            return {
                **present(row),
                "is_removed": True,
                "updated_at": logged.recorded_at,
                "version": logged.version,
            }
        case _:
            raise UnexpectedEvent(logged.topic)


PROVIDERS = Projection(
    name="providers",
    version=1,
    row=ProviderRow,
    key=("tenant_id", "provider_id"),
    stream_column="provider_id",
    aggregate=Provider,
    events=(Provider.Created, Provider.Configured, Provider.Removed),
    keys=stream_key,
    evolve=evolve,
    own="user_id = (SELECT agentledger.current_person())",
)
