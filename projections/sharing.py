"""shares: with whom workflows and agents are shared, and with whom they were."""

from collections.abc import Sequence
from uuid import UUID

from typing_extensions import TypedDict

from domain.sharing import Sharing
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
    uuid_or_none,
)


class ShareRow(TypedDict):
    """user_id or role: with whom; the other one is null. created_at: when it was granted last."""

    tenant_id: Uuid
    share_id: Uuid
    sharing_id: Uuid
    shared_id: Uuid
    shared_kind: Text
    user_id: Uuid | None
    role: Text | None
    access: Text
    is_ended: Boolean
    created_at: Instant
    created_by: Text | None
    version: BigInt


def keys(event: Decoded) -> Sequence[Key]:
    match event.fact:
        case Sharing.Created():
            return ()  # The first share follows it.
        case Sharing.Granted() | Sharing.Ended() as fact:
            return ((event.logged.tenant_id, event.logged.stream_id, UUID(fact.share_id)),)
        case _:
            raise UnexpectedEvent(event.logged.topic)


def evolve(row: ShareRow | None, event: Decoded, _key: Key) -> ShareRow:
    logged = event.logged
    match event.fact:
        case Sharing.Granted() as fact:
            return {
                "tenant_id": logged.tenant_id,
                "share_id": UUID(fact.share_id),
                "sharing_id": logged.stream_id,
                "shared_id": UUID(fact.shared_id),
                "shared_kind": fact.shared_kind,
                "user_id": uuid_or_none(fact.user_id),
                "role": fact.role,
                "access": fact.access,
                "is_ended": False,
                "created_at": logged.recorded_at,
                "created_by": logged.actor,
                "version": logged.version,
            }
        case Sharing.Ended():
            return {**present(row), "is_ended": True, "version": logged.version}
        case _:
            raise UnexpectedEvent(logged.topic)


SHARES = Projection(
    name="shares",
    version=1,
    row=ShareRow,
    key=("tenant_id", "sharing_id", "share_id"),
    stream_column="sharing_id",
    aggregate=Sharing,
    events=(Sharing.Created, Sharing.Granted, Sharing.Ended),
    keys=keys,
    evolve=evolve,
    # With whom else it is shared is told to who shares it.
    own="user_id = (SELECT agentledger.current_person()) OR agentledger.begun_by_person(shared_id)",
    indexes=(("tenant_id", "shared_id", "share_id"),),
)
