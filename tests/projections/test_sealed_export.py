"""Who has an archive of a tenant and the public keys finds what was changed in it, and where."""

import copy
import io
import re
import tarfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from psycopg import AsyncConnection

from infra.event_commitments import EventCommitments
from infra.export_proofs import KeptSeal, NotReadable, Proved, prove_archive, read_kept
from infra.log_seals import SignedSeal
from infra.seal_documents import read_public_keys, read_seal
from infra.seal_proofs import SealProofs
from infra.seal_rows import last_seal
from infra.seal_verification import verify_seals
from infra.tenant_archive import archived
from projections.tenant_export import PostgresTenantExport
from tests.infra.keys import data_keys_on
from tests.projections.histories import IDS, Stream, a_rotated_key, a_tenant, an_agent
from tests.projections.ledger import Ledger
from tests.projections.test_tenant_export import NoPayloads

SEALED = 150
Line = dict[str, Any]
Change = Callable[["Archive"], None]


@dataclass
class Archive:
    """What an export holds, to be changed. keys: the public ones, by id."""

    files: dict[str, list[Line]]
    keys: dict[str, Any]

    @property
    def events(self) -> list[Line]:
        return self.files["events/000001.jsonl"]

    @property
    def sealed(self) -> Line:
        return self.files["seals/000001.jsonl"][0]

    @property
    def leaf_tiles(self) -> list[Line]:
        return [one for one in self.files["seals/tiles/000001.jsonl"] if one["level"] == 0]

    def proved(self, directory: Path, since: KeptSeal | None = None) -> Proved:
        path = directory / "export.tar"
        with tarfile.open(path, "w") as tar:
            for name, lines in self.files.items():
                content = b"".join(orjson.dumps(line) + b"\n" for line in lines)
                head = tarfile.TarInfo(name)
                head.size = len(content)
                tar.addfile(head, io.BytesIO(content))
        return prove_archive(path, self.keys, since)


@dataclass
class Sealing:
    ledger: Ledger
    exports: PostgresTenantExport

    async def archive(self, stream: Stream) -> Archive:
        tenant_id = stream.tenant_id
        content = b"".join(
            [chunk async for chunk in archived(self.exports.files(tenant_id), {"tenant_id": "t"})]
        )
        files: dict[str, list[Line]] = {}
        with tarfile.open(fileobj=io.BytesIO(content)) as tar:
            for member in tar:
                file = tar.extractfile(member)
                assert file is not None
                if member.name.startswith(("seals/", "events/")):
                    files[member.name] = [orjson.loads(line) for line in file.read().splitlines()]
        published = await self.exports.proofs.published_keys()
        return Archive(files, dict(read_public_keys({"keys": [*published]})))


@pytest.fixture
async def sealing(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> Sealing:
    monkeypatch.setattr("projections.tenant_export.PAGE_ROWS", 1000)
    api = await ledger.database("api")
    commitments = EventCommitments(data_keys_on(api))
    proofs = SealProofs(api, commitments)
    exports = PostgresTenantExport(
        api, ledger.opened, NoPayloads(), (), proofs=proofs, commitments=commitments
    )
    return Sealing(ledger, exports)


async def a_sealed_tenant(sealing: Sealing) -> Stream:
    """With 150 sealed events, the first three of one stream, and one that came after the seal."""
    first = a_rotated_key(a_tenant())
    await sealing.ledger.append(first.events[:3])
    for _ in range(SEALED - 3):
        await sealing.ledger.append(an_agent(first.tenant_id).events)
    await sealing.ledger.append(an_agent(a_tenant()).events)
    await sealing.ledger.seal()
    await sealing.ledger.append(an_agent(first.tenant_id).events)
    return first


async def test_every_event_that_was_sealed_is_proved(sealing: Sealing, tmp_path: Path) -> None:
    tenant = await a_sealed_tenant(sealing)
    proved = (await sealing.archive(tenant)).proved(tmp_path)
    assert proved.ok, proved.violations
    assert (proved.events, proved.unsealed, proved.erased) == (SEALED, 1, [])
    assert proved.tenant_id == tenant.tenant_id
    assert proved.signed is not None
    assert proved.signed.seal.number == 1


def says_more(archive: Archive) -> None:
    archive.events[70]["data"]["name"] = "another"


def has_another_actor(archive: Archive) -> None:
    archive.events[70]["actor"] = "user:somebody else"


def is_of_another_time(archive: Archive) -> None:
    archive.events[70]["recorded_at"] = "2020-01-01T00:00:00+00:00"


def has_other_stored_bytes(archive: Archive) -> None:
    archive.events[70]["seal"]["state_sha256"] = "00" * 32


def is_not_opened(archive: Archive) -> None:
    archive.events[70]["seal"]["blinding"] = None
    archive.events[70]["data"]["name"] = "another"


def is_removed(archive: Archive) -> None:
    del archive.events[70]


def is_put_in(archive: Archive) -> None:
    archive.events.insert(70, {**archive.events[69], "event_id": str(IDS.new())})


def is_put_in_at_the_end(archive: Archive) -> None:
    archive.events.insert(SEALED, {**archive.events[SEALED - 1], "event_id": str(IDS.new())})


def changes_places(archive: Archive) -> None:
    archive.events[70:72] = archive.events[71:69:-1]


def the_last_is_removed(archive: Archive) -> None:
    del archive.events[SEALED - 1 :]


def the_beginning_is_removed(archive: Archive) -> None:
    del archive.events[:2]


def has_another_leaf(archive: Archive) -> None:
    tile = archive.leaf_tiles[1]
    tile["hashes"] = tile["hashes"][:64] + "00" * 32 + tile["hashes"][128:]


def has_fewer_leaves(archive: Archive) -> None:
    archive.files["seals/tiles/000001.jsonl"].remove(archive.leaf_tiles[-1])


def is_a_forged_seal(archive: Archive) -> None:
    archive.sealed["seal"]["root"] = "00" * 32


def is_a_later_seal(archive: Archive) -> None:
    archive.sealed["seal"]["sealed_at"] = "2090-01-01T00:00:00+00:00"


def is_a_seal_of_somebody_else(archive: Archive) -> None:
    """Everything fits, and is signed, by another key."""
    other = Ed25519PrivateKey.generate()
    unsigned = read_seal(archive.sealed["seal"])
    archive.sealed["seal"]["signature"] = other.sign(unsigned.seal.text).hex()


def is_of_no_believed_key(archive: Archive) -> None:
    archive.keys.clear()


def has_a_shorter_head(archive: Archive) -> None:
    archive.sealed["head"]["size"] = 100


def is_of_another_tenant(archive: Archive) -> None:
    archive.sealed["head"]["tenant_id"] = str(IDS.new())


def has_no_seal(archive: Archive) -> None:
    del archive.files["seals/000001.jsonl"]


CHANGES: dict[Change, str] = {
    says_more: "events/000001.jsonl line 71 .* does not say what was sealed",
    has_another_actor: "events/000001.jsonl line 71 .* is not what was sealed as event 70",
    is_of_another_time: "events/000001.jsonl line 71 .* is not what was sealed as event 70",
    has_other_stored_bytes: "events/000001.jsonl line 71 .* is not what was sealed as event 70",
    is_not_opened: "events/000001.jsonl line 71 .* nothing proves what it says",
    is_removed: "event 70 of the tenant is missing, after events/000001.jsonl line 70 ",
    is_put_in: "events/000001.jsonl line 71 .* was never sealed",
    is_put_in_at_the_end: f"events/000001.jsonl line {SEALED + 1} .* was never sealed",
    changes_places: "events/000001.jsonl line 71 .* is not in its place, which is event 70",
    the_last_is_removed: f"event {SEALED - 1} of the tenant is missing",
    the_beginning_is_removed: "event 0 of the tenant is missing, after the beginning",
    has_another_leaf: "the hashes of events 64 to 127 are not what was sealed",
    has_fewer_leaves: "150 events were sealed, and only 128 hashes are here",
    is_a_forged_seal: "seal 1: its signature is not of the key",
    is_a_later_seal: "seal 1: its signature is not of the key",
    is_a_seal_of_somebody_else: "seal 1: its signature is not of the key",
    is_of_no_believed_key: "seal 1: the key .* is not one that is believed",
    has_a_shorter_head: "seal 1: the head of the tenant is not in it",
    is_of_another_tenant: "seal 1: the head of the tenant is not in it",
    has_no_seal: "there is no seal in it",
}


async def test_whatever_was_changed_is_found_and_its_place_is_named(
    sealing: Sealing, tmp_path: Path
) -> None:
    whole = await sealing.archive(await a_sealed_tenant(sealing))
    for change, expected in CHANGES.items():
        archive = copy.deepcopy(whole)
        change(archive)
        proved = archive.proved(tmp_path)
        assert re.search(expected, proved.violations[0]), (change.__name__, proved.violations)
        is_sealed = not expected.startswith("seal 1")
        assert is_sealed or proved.events == 0, change.__name__
    removed = copy.deepcopy(whole)
    is_removed(removed)
    assert len(removed.proved(tmp_path).violations) == 1


async def test_an_archive_that_cannot_be_read_says_where(sealing: Sealing, tmp_path: Path) -> None:
    archive = await sealing.archive(await a_sealed_tenant(sealing))
    del archive.events[3]["event_id"]
    with pytest.raises(NotReadable, match=r"events/000001\.jsonl line 4 cannot be read"):
        archive.proved(tmp_path)


async def test_an_archive_of_before_the_first_seal_proves_nothing(
    sealing: Sealing, tmp_path: Path
) -> None:
    stream = an_agent(a_tenant())
    await sealing.ledger.append(stream.events)
    proved = (await sealing.archive(stream)).proved(tmp_path)
    assert proved.violations == ["there is no seal in it: nothing in it is proved"]


# What somebody with every right on the database does, and what `verify` says of it.
DAMAGES = {
    "UPDATE events SET actor = 'somebody' WHERE originator_id = %(stream)s"
    " AND originator_version = 2": "{stream} version 2: is not what was sealed at place 1",
    "UPDATE events SET state = state || ' ' WHERE originator_id = %(stream)s"
    " AND originator_version = 1": "{stream} version 1: is not what was sealed at place 0",
    "DELETE FROM events WHERE originator_id = %(stream)s AND originator_version = 2": (
        "place 1 of tenant {tenant}: the event that was sealed is missing"
    ),
    "UPDATE events SET notification_id = 1000000 - originator_version"
    " WHERE originator_id = %(stream)s": "{stream} version 1: is not what was sealed at place",
    "INSERT INTO events (originator_id, originator_version, topic, state, tenant_id, tx_id,"
    " notification_id, shard) SELECT originator_id, 4, topic, state, tenant_id, tx_id, 0, shard"
    " FROM events WHERE originator_id = %(stream)s AND originator_version = 2": (
        "{stream} version 4: was put in before place 0 of tenant"
    ),
    "UPDATE log_seals SET root = sha256(root) WHERE number = 1": "seal 1: its signature is not",
    "UPDATE log_seals SET events_count = events_count + 1 WHERE number = 1": (
        "seal 1: its signature is not"
    ),
    "DELETE FROM log_seals WHERE number = 1": "seal 2: does not follow the one before it",
    "UPDATE seal_heads SET size = size - 1 WHERE tenant_id = %(tenant)s": (
        "seal 1: its root is not that of the heads"
    ),
    "DELETE FROM seal_heads WHERE tenant_id = %(tenant)s": "seal 1: has 1 heads of tenants",
    "UPDATE seal_tiles SET hashes = overlay(hashes placing '\\x00' from 1)"
    " WHERE tenant_id = %(tenant)s AND level = 0 AND tile = 0": (
        "{stream} version 1: is not what was sealed at place 0"
    ),
    "DELETE FROM seal_tiles WHERE tenant_id = %(tenant)s": "0 leaves are stored, 150 were sealed",
}


async def test_verify_finds_what_was_changed_in_the_database(sealing: Sealing) -> None:
    tenant = await a_sealed_tenant(sealing)
    owner = sealing.ledger.owner
    await sealing.ledger.seal()
    check = await verify_seals(owner)
    assert (check.violations, check.checked) == ([], SEALED + 2)
    asked = {"stream": tenant.stream_id, "tenant": tenant.tenant_id}
    for damage, expected in DAMAGES.items():
        async with owner.transaction(force_rollback=True):
            await owner.execute(damage.encode(), asked)
            found = (await verify_seals(owner)).violations
        wanted = expected.format(**asked)
        assert any(wanted in violation for violation in found), (damage, found)


async def test_verify_is_not_misled_by_a_seal_that_is_made_meanwhile(
    sealing: Sealing, monkeypatch: pytest.MonkeyPatch
) -> None:
    await a_sealed_tenant(sealing)

    async def then_sealed(conn: AsyncConnection) -> SignedSeal | None:
        last = await last_seal(conn)
        assert await sealing.ledger.seal() == 1
        return last

    monkeypatch.setattr("infra.seal_verification.last_seal", then_sealed)
    check = await verify_seals(sealing.ledger.owner)
    assert (check.violations, check.checked) == ([], SEALED + 1)


def kept_of(archive: Archive, directory: Path) -> KeptSeal:
    path = directory / "kept.json"
    path.write_bytes(orjson.dumps(archive.sealed) + b"\n")
    return read_kept(path)


async def test_a_kept_seal_shows_that_later_history_goes_on_from_it(
    sealing: Sealing, tmp_path: Path
) -> None:
    stream = await a_sealed_tenant(sealing)
    earlier = await sealing.archive(stream)
    kept = kept_of(earlier, tmp_path)
    assert earlier.proved(tmp_path, kept).ok
    assert read_kept(tmp_path / "export.tar") == kept
    await sealing.ledger.seal()
    later = await sealing.archive(stream)
    assert later.proved(tmp_path, kept).ok

    other = await sealing.archive(await a_sealed_tenant(sealing))
    newest = kept_of(other, tmp_path)
    # Whoever has the key signs another past: nothing in itself is wrong with that.
    forged = kept._replace(head=replace(kept.head, root=bytes(32)))
    for since, archive, expected in (
        (kept, other, "of another tenant"),
        (newest, other, None),
        (kept_of(later, tmp_path), earlier, "is older than seal"),
        (forged, later, "the head of the tenant is not in it"),
        (kept._replace(signed=replace(kept.signed, signature=bytes(64))), later, "signature"),
    ):
        violations = archive.proved(tmp_path, since).violations
        assert (violations == []) if expected is None else (expected in violations[0]), violations


async def test_another_past_under_a_good_signature_is_not_that_of_a_kept_seal(
    sealing: Sealing, tmp_path: Path
) -> None:
    stream = await a_sealed_tenant(sealing)
    kept = kept_of(await sealing.archive(stream), tmp_path)
    owner = sealing.ledger.owner
    await owner.execute(
        "UPDATE events SET actor = 'somebody' WHERE originator_id = %s AND originator_version = 2",
        (stream.stream_id,),
    )
    tables = "log_seals, seal_heads, seal_tiles, seal_head_tiles"
    await owner.execute(f"TRUNCATE {tables}".encode())
    await sealing.ledger.seal()
    await sealing.ledger.append(an_agent(stream.tenant_id).events)
    await sealing.ledger.seal()
    again = await sealing.archive(stream)
    assert again.proved(tmp_path).ok
    told = again.proved(tmp_path, kept).violations
    assert told == [f"the first 150 events are not those of seal {kept.signed.seal.number}"]


def test_what_is_no_seal_cannot_be_kept(tmp_path: Path) -> None:
    path = tmp_path / "kept.json"
    path.write_bytes(b"")
    with pytest.raises(NotReadable, match="there is no seal in"):
        read_kept(path)
    path.write_bytes(b"{}\n")
    with pytest.raises(NotReadable, match="cannot be read"):
        read_kept(path)
