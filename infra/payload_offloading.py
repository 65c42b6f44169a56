"""Payloads too large for an event: what of it lies beside the log, and how the event refers to it.

    {"output": <100 KiB>}  ──►  {"output": {"$blob": {"sha256": "...", "bytes": 102400}}}  +  a blob

A value of somebody's own that looks like a reference is stored with one more `$`, and loses it when
an aggregate is loaded. Aggregates see whole values; whoever else reads events sees references.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple
from uuid import UUID

import orjson
from eventsourcing.domain import DomainEventProtocol

from domain.bulk_operations import BulkOperation
from domain.executions import Execution
from domain.identifiers import Json, JsonObject
from domain.payloads import INLINE_BYTES_MAX
from infra.event_codec import encoded_with

# The members of each event that may be large. A test finds every member of every event that could
# be, and wants it here or bounded elsewhere.
PAYLOAD_MEMBERS: Mapping[str, tuple[str, ...]] = {
    Execution.Created.TOPIC: ("input",),
    Execution.NodeStarted.TOPIC: ("request",),
    Execution.NodeCompleted.TOPIC: ("output",),
    Execution.IterationEnded.TOPIC: ("output", "compensations"),
    Execution.NodeSuspended.TOPIC: ("request",),
    Execution.ChildEnded.TOPIC: ("output",),
    Execution.Signalled.TOPIC: ("payload",),
    Execution.ApprovalDecided.TOPIC: ("edits",),
    Execution.Resolved.TOPIC: ("output",),
    Execution.NodeCopied.TOPIC: ("output",),
    Execution.Completed.TOPIC: ("output",),
    BulkOperation.Created.TOPIC: ("parameters",),
}

REFERENCE = "$blob"
# In every stored event that refers to a blob or holds what looks like it; in hardly any other.
MARKER = b'$blob"'
# A byte is found in a tenth of the time of several, and few events have this one.
DOLLAR = MARKER[0]


class Blob(NamedTuple):
    """content: the JSON of one payload. sha256: HMAC-SHA-256 of it under a key of the tenant's, so
    that it is the same for the same content, and tells nobody else what that is. stream_id: whose
    event refers to it.
    """

    stream_id: UUID
    sha256: bytes
    content: bytes


def divided(
    event: DomainEventProtocol[UUID],
    topic: str,
    state: bytes,
    *,
    inline_bytes_max: int = INLINE_BYTES_MAX,
    address: Callable[[bytes], bytes],
) -> tuple[bytes, list[Blob]]:
    """The stored bytes of an event, and what lies beside them; only one that is larger, or has a
    DOLLAR in it, can have other bytes than its state. inline_bytes_max: larger payloads lie beside.
    address: what a blob is found by.
    """
    if len(state) <= inline_bytes_max and MARKER not in state:
        return state, []
    instead: dict[str, Json] = {}
    blobs: list[Blob] = []
    for member in PAYLOAD_MEMBERS.get(topic, ()):
        value: Json = vars(event)[member]
        content = orjson.dumps(value)
        if len(content) > inline_bytes_max:
            blob = Blob(event.originator_id, address(content), content)
            blobs.append(blob)
            instead[member] = reference(blob.sha256, len(content))
        elif (name := _lookalike(value)) is not None:
            assert isinstance(value, dict)
            instead[member] = {f"${name}": value[name]}
    return encoded_with(event, instead) if instead else state, blobs


def reference(sha256: bytes, bytes_count: int) -> JsonObject:
    return {REFERENCE: {"sha256": sha256.hex(), "bytes": bytes_count}}


def referenced(fact: object) -> Iterator[bytes]:
    """The hashes of the blobs that an event refers to."""
    for _, value in _members(fact):
        if (sha256 := hash_in(value)) is not None:
            yield sha256


def make_whole(fact: object, contents: Mapping[bytes, bytes]) -> None:
    """Puts the values of an event in the places of their references, and takes away the `$` of what
    only looked like one. What is not among `contents` is gone, and says so.
    """
    for member, value in _members(fact):
        is_gone = member == "compensations" and hash_in(value) not in {None, *contents}
        vars(fact)[member] = [] if is_gone else whole(value, contents)


def whole(value: Json, contents: Mapping[bytes, bytes]) -> Json:
    """The value that a member of a stored event stands for."""
    name = _lookalike(value)
    if name is None:
        return value
    assert isinstance(value, dict)
    if name != REFERENCE:
        return {name.removeprefix("$"): value[name]}
    sha256 = hash_in(value)
    content = None if sha256 is None else contents.get(sha256)
    if content is not None:
        return orjson.loads(content)
    told = value[REFERENCE]
    return {REFERENCE: {**told, "removed": True} if isinstance(told, dict) else told}


def _members(fact: object) -> list[tuple[str, Json]]:
    state: dict[str, Any] = vars(fact)
    members = PAYLOAD_MEMBERS.get(getattr(type(fact), "TOPIC", ""), ())
    return [(member, state[member]) for member in members]


def _lookalike(value: Json) -> str | None:
    """The one key of an object that is a reference, or has the form of one."""
    if isinstance(value, dict) and len(value) == 1:
        (name,) = value
        if name.endswith(REFERENCE) and name.lstrip("$") == "blob":
            return name
    return None


def hash_in(value: Json) -> bytes | None:
    """The hash of the blob that a stored member refers to; None when it is a value itself."""
    if _lookalike(value) != REFERENCE:
        return None
    assert isinstance(value, dict)
    told = value[REFERENCE]
    return bytes.fromhex(str(told["sha256"])) if isinstance(told, dict) else None
