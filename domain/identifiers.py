"""Names for identifiers and JSON. Ids are UUIDv7 made by the `Ids` port; events carry them as
strings.
"""

from typing import NewType, TypeAlias
from uuid import UUID

TenantId = NewType("TenantId", UUID)
StreamId = NewType("StreamId", UUID)
Shard = NewType("Shard", int)

Json: TypeAlias = dict[str, "Json"] | list["Json"] | str | int | float | bool | None
JsonObject: TypeAlias = dict[str, Json]

SHARDS_COUNT = 64
# What belongs to no tenant.
PLATFORM = TenantId(UUID(int=0))


def shard_of(stream_id: UUID) -> Shard:
    """The shard that owns a stream: 0..63, stable for ever (stored with every event, maps to the
    Kafka partition).

    Only the last 62 random bits of a UUIDv7 are used, so streams made in one millisecond spread
    evenly.
    """
    return Shard(stream_id.int % SHARDS_COUNT)


def shard_of_bytes(stream_id: bytes) -> Shard:
    """The same, by the bytes of the id: the last one says it, for 64 divides 256."""
    return Shard(stream_id[-1] % SHARDS_COUNT)
