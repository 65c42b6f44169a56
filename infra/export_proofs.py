"""Whether the events in a tenant's archive are those that were sealed, all of them and in order.
Needs the archive and the public keys, and nothing else.

    seals/000001.jsonl         a seal, and the proof that the tenant's head is in it
    seals/tiles/000001.jsonl   the tree of the tenant's events: its hashes, and what they commit to
    events/000001.jsonl        each event with the hash of its stored bytes, and its opening

The key signs the seal, the seal has the head, the head is the root of the leaves, and each leaf is
what its event is hashed to. Every place that does not fit is named.
"""

import hashlib
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

import orjson
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from commands.ports import LoggedEvent, Position
from domain.identifiers import TenantId, shard_of
from infra.leaf_comparison import differences
from infra.log_seals import Head, SignedSeal, record
from infra.merkle import HASH_BYTES, leaf_hash, root_of_inclusion
from infra.merkle_tiles import WIDTH, Tile, broken_tiles, grown, root_of
from infra.personal_members import ERASED_MARK
from infra.seal_documents import read_head, read_seal

SEAL_FILE = "seals/000001.jsonl"
TILE_FILES = "seals/tiles/"
EVENT_FILES = "events/"

VIOLATIONS_MAX = 100


class NotReadable(Exception):
    """A line is none of an archive; the message says which."""


@dataclass(slots=True)
class Proved:
    """events: how many are proved. erased: those that are, but say nothing any more, by place.
    unsealed: how many came after the seal. violations: in words, each with its place; the first
    VIOLATIONS_MAX.
    """

    signed: SignedSeal | None = None
    tenant_id: UUID | None = None
    events: int = 0
    erased: list[str] = field(default_factory=list[str])
    unsealed: int = 0
    violations: list[str] = field(default_factory=list[str])

    @property
    def ok(self) -> bool:
        return not self.violations

    def violated(self, what: str) -> None:
        if len(self.violations) < VIOLATIONS_MAX:
            self.violations.append(what)


class KeptSeal(NamedTuple):
    """What somebody kept of an earlier archive: its seal, and the proof of the tenant's head."""

    signed: SignedSeal
    head: Head
    path: list[bytes]

    @property
    def is_head_in_it(self) -> bool:
        seal = self.signed.seal
        root = root_of_inclusion(self.head.leaf, self.head.leaf_index, seal.tree_size, self.path)
        return root == seal.root and self.head.number <= seal.number


@dataclass(frozen=True, slots=True)
class _Told:
    """An event of the archive. place: where it stands there, for people. content: its JSON."""

    place: str
    event: LoggedEvent
    state_sha256: bytes
    blinding: bytes | None
    content: bytes | None

    def leaf(self, commitment: bytes) -> bytes:
        return leaf_hash(record(self.event, self.state_sha256, commitment))

    @property
    def name(self) -> str:
        return f"{self.place} (stream {self.event.stream_id} version {self.event.version})"


@dataclass(slots=True)
class _Archive:
    signed: SignedSeal | None = None
    head: Head | None = None
    head_path: list[bytes] = field(default_factory=list[bytes])
    tiles: dict[Tile, bytes] = field(default_factory=dict[Tile, bytes])
    commitments: dict[int, bytes] = field(default_factory=dict[int, bytes])
    events: list[_Told] = field(default_factory=list[_Told])

    def commitment(self, place: int) -> bytes:
        begin = place % WIDTH * HASH_BYTES
        return self.commitments.get(place // WIDTH, b"")[begin : begin + HASH_BYTES]


def read_kept(path: Path) -> KeptSeal:
    """path: of an earlier archive, or of the line of its `seals/000001.jsonl`. Raises NotReadable,
    OSError.
    """
    kept = _Archive()
    if tarfile.is_tarfile(path):
        kept = _read(path)
    else:
        _read_file(kept, SEAL_FILE, path.read_bytes())
    if kept.signed is None or kept.head is None:
        message = f"there is no seal in {path}"
        raise NotReadable(message)
    return KeptSeal(kept.signed, kept.head, kept.head_path)


def prove_archive(
    path: Path, keys: Mapping[str, Ed25519PublicKey], since: KeptSeal | None = None
) -> Proved:
    """keys: those that are believed, by id. since: what the archive must go on from. Raises
    NotReadable, OSError.
    """
    archive = _read(path)
    proved = Proved(archive.signed, archive.head and archive.head.tenant_id)
    if archive.signed is None or archive.head is None:
        if archive.events:
            proved.violated("there is no seal in it: nothing in it is proved")
        return proved
    own = KeptSeal(archive.signed, archive.head, archive.head_path)
    _prove_seal(own, keys, proved)
    is_sealed = proved.ok
    leaves = _leaves(archive.head, archive.tiles, proved)
    if since is not None:
        _prove_seal(since, keys, proved)
        _prove_since(since, own, leaves, proved)
    _prove_events(archive, leaves, archive.signed.seal.until, proved)
    if not is_sealed:
        proved.events = 0  # They are what a seal says that nobody has to believe.
    return proved


def _prove_since(kept: KeptSeal, own: KeptSeal, leaves: list[bytes], proved: Proved) -> None:
    """What was sealed by then is the beginning of what is sealed now."""
    earlier, later = kept.signed.seal, own.signed.seal
    size = kept.head.size
    if kept.head.tenant_id != own.head.tenant_id:
        proved.violated(f"seal {earlier.number}: what was kept of it is of another tenant")
    elif earlier.number > later.number:
        proved.violated(f"seal {later.number} is older than seal {earlier.number}, which was kept")
    elif earlier.number == later.number and earlier.hash != later.hash:
        proved.violated(f"seal {earlier.number}: is another one than was kept")
    elif size > len(leaves):
        proved.violated(
            f"{size} events were sealed in seal {earlier.number}, {len(leaves)} are now"
        )
    elif root_of(size, grown(0, {}, leaves[:size])) != kept.head.root:
        proved.violated(f"the first {size} events are not those of seal {earlier.number}")


def _prove_seal(own: KeptSeal, keys: Mapping[str, Ed25519PublicKey], proved: Proved) -> None:
    signed = own.signed
    seal = signed.seal
    if seal.key_id not in keys:
        proved.violated(f"seal {seal.number}: the key {seal.key_id} is not one that is believed")
    elif not signed.is_signed_by(keys[seal.key_id]):
        proved.violated(f"seal {seal.number}: its signature is not of the key {seal.key_id}")
    if not own.is_head_in_it:
        proved.violated(f"seal {seal.number}: the head of the tenant is not in it")


def _leaves(head: Head, tiles: dict[Tile, bytes], proved: Proved) -> list[bytes]:
    """Those that the archive has, whatever they are worth."""
    wanted = -(-head.size // WIDTH)
    together = b"".join(tiles.get(Tile(0, place), b"") for place in range(wanted))
    leaves = [together[at : at + HASH_BYTES] for at in range(0, len(together), HASH_BYTES)]
    leaves = leaves[: head.size]
    if len(leaves) < head.size:
        proved.violated(f"{head.size} events were sealed, and only {len(leaves)} hashes are here")
    elif root_of(head.size, grown(0, {}, leaves)) != head.root:
        broken = broken_tiles(head.size, tiles)
        for begin, end in broken or [(0, head.size)]:
            proved.violated(f"the hashes of events {begin} to {end - 1} are not what was sealed")
    return leaves


def _prove_events(archive: _Archive, leaves: list[bytes], until: Position, proved: Proved) -> None:
    commitments = [archive.commitment(place) for place in range(len(leaves))]
    sealed = [told for told in archive.events if told.event.position <= until]
    proved.unsealed = len(archive.events) - len(sealed)

    def is_same(place: int, found: int) -> bool:
        return sealed[found].leaf(commitments[place]) == leaves[place]

    found = differences(len(leaves), len(sealed), is_same)
    for kind, place, here in found:
        match kind:
            case "missing":
                before = sealed[here - 1].name if here else "the beginning"
                proved.violated(f"event {place} of the tenant is missing, after {before}")
            case "added":
                proved.violated(f"{sealed[here].name}: was never sealed")
            case "reordered":
                proved.violated(f"{sealed[here].name}: is not in its place, which is event {place}")
            case "changed":
                proved.violated(f"{sealed[here].name}: is not what was sealed as event {place}")
    if found:
        return
    for told in sealed[len(leaves) :]:
        proved.violated(f"{told.name}: was never sealed")
    for told, commitment in zip(sealed, commitments, strict=False):
        _prove_content(told, commitment, proved)


def _prove_content(told: _Told, commitment: bytes, proved: Proved) -> None:
    """The leaf holds; so this is what was committed to."""
    if told.content is None:
        proved.erased.append(told.name)
    elif told.blinding is None:
        if _is_marked_erased(told.content):
            proved.erased.append(told.name)
        else:
            proved.violated(f"{told.name}: nothing proves what it says")
            return
    elif hashlib.sha256(told.blinding + told.content).digest() != commitment:
        proved.violated(f"{told.name}: does not say what was sealed")
        return
    proved.events += 1


def _is_marked_erased(content: bytes) -> bool:
    document = orjson.loads(content)
    return isinstance(document, dict) and ERASED_MARK in document


def _read(path: Path) -> _Archive:
    archive = _Archive()
    try:
        with tarfile.open(path, "r:") as tar:
            for member in tar:
                content = tar.extractfile(member)
                if content is not None and member.name.startswith((EVENT_FILES, "seals/")):
                    _read_file(archive, member.name, content.read())
    except tarfile.TarError as error:
        raise NotReadable(str(error)) from error
    return archive


def _read_file(archive: _Archive, name: str, content: bytes) -> None:
    for number, line in _lines(content):
        place = f"{name} line {number}"
        try:
            told = orjson.loads(line)
            if name.startswith(EVENT_FILES):
                tenant_id = UUID(int=0) if archive.head is None else archive.head.tenant_id
                archive.events.append(_event(tenant_id, place, told))
            elif name.startswith(TILE_FILES):
                tile = Tile(int(told["level"]), int(told["tile"]))
                archive.tiles[tile] = bytes.fromhex(told["hashes"])
                if tile.level == 0:
                    archive.commitments[tile.place] = bytes.fromhex(told["commitments"])
            else:
                archive.signed = read_seal(told["seal"])
                archive.head = read_head(told["head"])
                archive.head_path = [bytes.fromhex(one) for one in told["path"]]
        except (ValueError, KeyError, TypeError) as error:
            message = f"{place} cannot be read"
            raise NotReadable(message) from error


def _lines(content: bytes) -> Iterator[tuple[int, bytes]]:
    return enumerate(content.splitlines(), 1)


def _event(tenant_id: UUID, place: str, told: Mapping[str, Any]) -> _Told:
    sealed, stream_id = told["seal"], UUID(told["stream_id"])
    event = LoggedEvent(
        position=Position(*(int(number) for number in told["position"])),
        stream_id=stream_id,
        version=int(told["version"]),
        topic=str(told["topic"]),
        state=b"",
        tenant_id=TenantId(tenant_id),
        shard=shard_of(stream_id),
        event_id=UUID(told["event_id"]),
        actor=told["actor"],
        command_id=_id(told["command_id"]),
        causation_id=_id(told["causation_id"]),
        correlation_id=_id(told["correlation_id"]),
        traceparent=told["traceparent"],
        recorded_at=datetime.fromisoformat(told["recorded_at"]),
    )
    blinding = sealed["blinding"]
    return _Told(
        place,
        event,
        bytes.fromhex(sealed["state_sha256"]),
        None if blinding is None else bytes.fromhex(blinding),
        None if told["data"] is None else orjson.dumps(told["data"]),
    )


def _id(text: str | None) -> UUID | None:
    return None if text is None else UUID(text)
