"""identity_providers: where the people of a tenant may sign in, without the secrets of it."""

from typing_extensions import TypedDict

from domain.identity_providers import IdentityProvider
from projections.table import (
    BigInt,
    Boolean,
    Decoded,
    Instant,
    JsonText,
    Key,
    Projection,
    Text,
    Texts,
    UnexpectedEvent,
    Uuid,
    json_text,
    present,
    stream_key,
)


class IdentityProviderRow(TypedDict):
    """kind, client_id: empty until it is configured, which is in the same append."""

    tenant_id: Uuid
    identity_provider_id: Uuid
    name: Text
    kind: Text
    issuer: Text | None
    client_id: Text
    allowed_domains: Texts
    default_role: Text
    group_roles: JsonText
    is_directory: Boolean
    secret_replaced_at: Instant | None
    removed_at: Instant | None
    created_at: Instant
    version: BigInt


def evolve(row: IdentityProviderRow | None, event: Decoded, _key: Key) -> IdentityProviderRow:
    logged = event.logged
    match event.fact:
        case IdentityProvider.Created() as fact:
            return {
                "tenant_id": logged.tenant_id,
                "identity_provider_id": logged.stream_id,
                "name": fact.name,
                "kind": "",
                "issuer": None,
                "client_id": "",
                "allowed_domains": [],
                "default_role": "",
                "group_roles": "{}",
                "is_directory": False,
                "secret_replaced_at": None,
                "removed_at": None,
                "created_at": logged.recorded_at,
                "version": logged.version,
            }
        case IdentityProvider.Configured() as fact:
            return {
                **present(row),
                "kind": fact.kind,
                "issuer": fact.issuer,
                "client_id": fact.client_id,
                "allowed_domains": list(fact.allowed_domains),
                "default_role": fact.default_role,
                "group_roles": json_text(fact.group_roles),
                "is_directory": fact.is_directory,
                "removed_at": None,
                "version": logged.version,
            }
        case IdentityProvider.SecretReplaced():
            changed = logged.recorded_at
            return {**present(row), "secret_replaced_at": changed, "version": logged.version}
        case IdentityProvider.Removed():
            return {**present(row), "removed_at": logged.recorded_at, "version": logged.version}
        case _:
            raise UnexpectedEvent(logged.topic)


IDENTITY_PROVIDERS = Projection(
    name="identity_providers",
    version=1,
    row=IdentityProviderRow,
    key=("tenant_id", "identity_provider_id"),
    stream_column="identity_provider_id",
    aggregate=IdentityProvider,
    events=(
        IdentityProvider.Created,
        IdentityProvider.Configured,
        IdentityProvider.SecretReplaced,
        IdentityProvider.Removed,
    ),
    keys=stream_key,
    evolve=evolve,
    own="false",
)
