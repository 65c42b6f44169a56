"""external_identities: accounts at identity providers that people sign in with."""

from uuid import UUID

from typing_extensions import TypedDict

from domain.external_identities import ExternalIdentity
from projections.table import (
    BigInt,
    Boolean,
    Decoded,
    Instant,
    Key,
    Projection,
    Text,
    UnexpectedEvent,
    Uuid,
    present,
    stream_key,
)


class ExternalIdentityRow(TypedDict):
    """provider: its name when somebody signed in there. linked_at: since when it is theirs."""

    tenant_id: Uuid
    external_identity_id: Uuid
    user_id: Uuid
    provider: Text
    issuer: Text
    follows_groups: Boolean
    linked_at: Instant
    removed_at: Instant | None
    version: BigInt


def evolve(row: ExternalIdentityRow | None, event: Decoded, _key: Key) -> ExternalIdentityRow:
    logged = event.logged
    match event.fact:
        case ExternalIdentity.Created() as fact:
            return {
                "tenant_id": logged.tenant_id,
                "external_identity_id": logged.stream_id,
                "user_id": UUID(fact.user_id),
                "provider": fact.provider,
                "issuer": fact.issuer,
                "follows_groups": fact.follows_groups,
                "linked_at": logged.recorded_at,
                "removed_at": None,
                "version": logged.version,
            }
        case ExternalIdentity.Linked() as fact:
            return {
                **present(row),
                "user_id": UUID(fact.user_id),
                "provider": fact.provider,
                "follows_groups": False,
                "linked_at": logged.recorded_at,
                "removed_at": None,
                "version": logged.version,
            }
        case ExternalIdentity.Removed():
            return {**present(row), "removed_at": logged.recorded_at, "version": logged.version}
        case _:
            raise UnexpectedEvent(logged.topic)


EXTERNAL_IDENTITIES = Projection(
    name="external_identities",
    version=1,
    row=ExternalIdentityRow,
    key=("tenant_id", "external_identity_id"),
    stream_column="external_identity_id",
    aggregate=ExternalIdentity,
    events=(ExternalIdentity.Created, ExternalIdentity.Linked, ExternalIdentity.Removed),
    keys=stream_key,
    evolve=evolve,
    own="user_id = (SELECT agentledger.current_person())",
)
