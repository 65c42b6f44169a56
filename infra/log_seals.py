"""What the seals of the log say, byte by byte; a verifier needs nothing else of ours.

    event ─► record ─► leaf of a tenant's tree ─► head ─► leaf of the tree of heads ─► seal

A record tells all that is stored of an event; of its state it has the hash of the stored bytes,
which are sealed, and a commitment to the content. So erasing a tenant changes no hash, and whoever
may read an event can be shown that it is this content that was sealed. A seal is text, signed with
Ed25519, with the hash of the one before in it.
"""

import hashlib
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from commands.ports import LoggedEvent, Position
from infra.event_log import BEGINNING
from infra.merkle import HASH_BYTES, leaf_hash

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
# Nothing is committed to: the key of the tenant was gone when the event was sealed.
NO_COMMITMENT = bytes(HASH_BYTES)
BLINDING_BYTES = 32
NO_SEAL = bytes(HASH_BYTES)

# Version of the record, stream, version, tenant, era, transaction, notification, event id,
# microseconds since 1970 (UTC); then the lengths of topic, actor and traceparent, and which of the
# ids of command, cause and correlation follow them.
RECORD_HEAD = struct.Struct("!6s16sq16shqq16sqiiiB")
RECORD_VERSION = b"event\x01"
ABSENT = -1
HAS_COMMAND, HAS_CAUSE, HAS_CORRELATION = 1, 2, 4


class Opening(NamedTuple):
    """Shows what was committed to. content: the JSON of the event."""

    blinding: bytes
    content: bytes

    @property
    def commitment(self) -> bytes:
        """Tells nothing of the content to whoever lacks the blinding, which is random to them."""
        return hashlib.sha256(self.blinding + self.content).digest()


def record(event: LoggedEvent, state_sha256: bytes, commitment: bytes) -> bytes:
    """event: its state is not looked at. No two different ones have the same record."""
    era, tx_id, notification_id = event.position
    topic, actor, traceparent = event.topic.encode(), event.actor, event.traceparent
    command, cause, correlation = event.command_id, event.causation_id, event.correlation_id
    told = b"" if actor is None else actor.encode()
    trace = b"" if traceparent is None else traceparent.encode()
    head = RECORD_HEAD.pack(
        RECORD_VERSION,
        event.stream_id.bytes,
        event.version,
        event.tenant_id.bytes,
        era,
        tx_id,
        notification_id,
        event.event_id.bytes,
        (event.recorded_at - EPOCH) // MICROSECOND,
        len(topic),
        ABSENT if actor is None else len(told),
        ABSENT if traceparent is None else len(trace),
        (HAS_COMMAND if command else 0)
        | (HAS_CAUSE if cause else 0)
        | (HAS_CORRELATION if correlation else 0),
    )
    ids = b"".join([one.bytes for one in (command, cause, correlation) if one is not None])
    return b"".join((head, topic, told, trace, ids, state_sha256, commitment))


def state_hash(state: bytes) -> bytes:
    return hashlib.sha256(state).digest()


def event_leaf(event: LoggedEvent, commitment: bytes) -> bytes:
    """event: as it is stored, with its state sealed."""
    return leaf_hash(record(event, state_hash(event.state), commitment))


@dataclass(frozen=True, slots=True)
class Head:
    """The tree of one tenant as of a seal. previous: the number of the seal before it that has
    events of the tenant; 0 when there is none. leaf_index: its place in the tree of heads.
    """

    tenant_id: UUID
    number: int
    size: int
    root: bytes
    previous: int
    leaf_index: int

    @property
    def leaf(self) -> bytes:
        lines = (
            "agentledger tenant head v1",
            f"tenant: {self.tenant_id}",
            f"seal: {self.number}",
            f"previous: {self.previous}",
            f"size: {self.size}",
            f"root: {self.root.hex()}",
        )
        return leaf_hash(_text(lines))


@dataclass(frozen=True, slots=True)
class Seal:
    """tree_size, root: of the tree of heads. after, until: it covers what stands in the log after
    the one and up to the other. previous: the hash of the seal before.
    """

    number: int
    tree_size: int
    root: bytes
    events_count: int
    after: Position
    until: Position
    sealed_at: datetime
    previous: bytes
    key_id: str

    @property
    def text(self) -> bytes:
        """What is signed."""
        lines = (
            "agentledger log seal v1",
            f"number: {self.number}",
            f"heads: {self.tree_size}",
            f"root: {self.root.hex()}",
            f"after: {place_text(self.after)}",
            f"until: {place_text(self.until)}",
            f"events: {self.events_count}",
            f"sealed_at: {self.sealed_at.astimezone(UTC).isoformat(timespec='microseconds')}",
            f"previous: {self.previous.hex()}",
            f"key: {self.key_id}",
        )
        return _text(lines)

    @property
    def hash(self) -> bytes:
        return hashlib.sha256(self.text).digest()


@dataclass(frozen=True, slots=True)
class SignedSeal:
    seal: Seal
    signature: bytes

    def is_signed_by(self, public_key: Ed25519PublicKey) -> bool:
        try:
            public_key.verify(self.signature, self.seal.text)
        except InvalidSignature:
            return False
        return True


def follows(seal: Seal, before: Seal | None) -> bool:
    """Whether it is the next in the chain, going on where the other ended."""
    if before is None:
        return (seal.number, seal.previous, seal.after) == (1, NO_SEAL, BEGINNING)
    expected = (before.number + 1, before.hash, before.until)
    return (seal.number, seal.previous, seal.after) == expected


def place_text(position: Position) -> str:
    return f"{position.era}-{position.tx_id}-{position.notification_id}"


def _text(lines: Iterable[str]) -> bytes:
    """No line can hold another: what is put into them has no line break."""
    return "".join(f"{line}\n" for line in lines).encode()
