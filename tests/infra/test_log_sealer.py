"""The log is sealed in commit order, one seal after the other, and every event can be proved."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from psycopg.errors import InsufficientPrivilege, UniqueViolation

from domain.envelope import Envelope
from domain.identifiers import TenantId, shard_of
from domain.identity import User
from infra.connections import Connection
from infra.event_commitments import TELLS_OF_KEYS
from infra.event_log import BEGINNING, read_commit_order
from infra.log_seals import NO_COMMITMENT, NO_SEAL, event_leaf, follows
from infra.merkle import is_consistent, leaf_hash, root_of_inclusion
from infra.prepared_statements import PreparedStatements
from infra.seal_documents import read_public_keys, read_seal, seal_document
from infra.seal_rows import next_seals
from infra.unsealed_log import leaf_of, position_in, read_unsealed, time_of
from tests.infra.conftest import Conninfo, Parts
from tests.infra.log_steps import IDS, until
from tests.infra.seal_steps import SealedLog
from tests.infra.test_merkle import naive_root


@pytest.fixture
async def log(parts: Parts, conninfo: Conninfo) -> AsyncIterator[SealedLog]:
    async with await Connection.connect(
        conninfo("projector"), autocommit=True, prepare_threshold=None
    ) as conn:
        sealed = SealedLog(parts, conn)
        await sealed.seal()  # What other tests left.
        yield sealed


def a_tenant() -> TenantId:
    return TenantId(IDS.new())


async def test_seals_follow_each_other_and_cover_the_log_without_a_gap(log: SealedLog) -> None:
    ours, theirs = a_tenant(), a_tenant()
    await log.append(ours, events=12)
    await log.append(theirs, events=4)
    await log.seal(events_max=5)
    seals = await next_seals(log.conn, after=0, limit=1000)
    for before, signed in zip([None, *seals], seals, strict=False):
        assert follows(signed.seal, before and before.seal)
    assert (seals[0].seal.previous, seals[0].seal.after) == (NO_SEAL, BEGINNING)
    assert sum(one.seal.events_count for one in seals[-4:]) == 16
    events = [*await log.events(ours), *await log.events(theirs)]
    assert seals[-1].seal.until == max(event.position for event in events)


async def test_a_seal_is_signed_over_all_that_it_says(log: SealedLog) -> None:
    await log.append(a_tenant(), events=2)
    await log.seal()
    *_, signed = await next_seals(log.conn, after=0, limit=1000)
    keys = read_public_keys({"keys": [*await (await log.proofs()).published_keys()]})
    document = seal_document(signed)
    assert read_seal(document) == signed
    assert signed.is_signed_by(keys[signed.seal.key_id])
    for name, value in document.items():
        if name != "signature":
            other = value[:-1] + "3" if isinstance(value, str) else int(str(value)) + 1
            forged = read_seal({**document, name: other})
            assert forged == signed or not forged.is_signed_by(keys[signed.seal.key_id]), name


async def test_every_event_of_a_tenant_is_proved_in_every_seal_since(log: SealedLog) -> None:
    ours = a_tenant()
    proofs = await log.proofs()
    for _ in range(3):
        await log.append(ours, events=50)
        await log.append(a_tenant(), events=2)
        await log.seal()
    events = await log.events(ours)
    assert len(events) == 150
    (newest, last_head), *_ = await proofs.seals(ours, before=1 << 40, limit=1)
    assert last_head is not None
    leaves: list[bytes] = []
    for index, event in enumerate(events):
        proof = await proofs.of_event(ours, event.stream_id, event.version)
        assert proof is not None
        assert proof.index == index
        leaf = event_leaf(event, proof.commitment)
        assert leaf == leaf_hash(proof.record)
        leaves.append(leaf)
        assert root_of_inclusion(leaf, index, 150, proof.path) == last_head.root
        head = proof.head_proof
        assert head.signed == newest
        size = newest.seal.tree_size
        assert root_of_inclusion(head.head.leaf, head.head.leaf_index, size, head.path) == (
            newest.seal.root
        )
        (opening,) = await log.commitments.openings([event])
        assert opening is not None
        assert proof.blinding is not None
        assert hashlib.sha256(proof.blinding + opening.content).digest() == proof.commitment
    assert naive_root(leaves) == last_head.root
    early = await proofs.of_event(
        ours, events[0].stream_id, events[0].version, number=newest.seal.number - 1
    )
    assert early is not None
    assert early.head_proof.head.size == 100
    assert root_of_inclusion(leaves[0], 0, 100, early.path) == naive_root(leaves[:100])


async def test_a_later_seal_is_shown_to_begin_with_an_earlier_one(log: SealedLog) -> None:
    ours = a_tenant()
    for _ in range(4):
        await log.append(ours, events=6)
        await log.append(a_tenant(), events=2)
        await log.seal()
    proofs = await log.proofs()
    numbers = [one.seal.number for one, _ in await proofs.seals(ours, before=1 << 40, limit=4)]
    for second in numbers:
        for first in (number for number in numbers if number <= second):
            proof = await proofs.consistency(ours, first, second)
            assert proof is not None
            older, newer = proof.first.seal, proof.second.seal
            assert is_consistent(
                (older.tree_size, older.root), (newer.tree_size, newer.root), [*proof.path]
            )
            assert proof.first_head is not None
            assert proof.second_head is not None
            assert is_consistent(
                (proof.first_head.size, proof.first_head.root),
                (proof.second_head.size, proof.second_head.root),
                [*proof.tenant_path],
            )
    assert await proofs.consistency(ours, 1, 1 << 40) is None


async def test_what_is_not_sealed_or_not_the_tenants_has_no_proof(log: SealedLog) -> None:
    ours, theirs = a_tenant(), a_tenant()
    (sealed,) = await log.append(ours, events=2)
    (other,) = await log.append(theirs, events=2)
    await log.seal()
    (late,) = await log.append(ours, events=2)
    proofs = await log.proofs()
    assert await proofs.of_event(ours, sealed, 2) is not None
    assert await proofs.of_event(ours, sealed, 3) is None
    assert await proofs.of_event(ours, sealed, 1, number=1 << 40) is None
    assert await proofs.of_event(ours, late, 1) is None
    assert await proofs.of_event(ours, other, 1) is None
    assert await proofs.newest(a_tenant()) is None
    head = await proofs.newest(ours)
    assert head is not None
    assert head.head.size == 2


ODD = """
INSERT INTO events (originator_id, shard, originator_version, topic, state, tenant_id, event_id,
                    actor, traceparent, command_id, causation_id, correlation_id, recorded_at)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
"""


async def test_the_short_way_to_a_leaf_comes_to_the_same_one(
    log: SealedLog, database_url: str
) -> None:
    """Whatever is in an event, whosever it is and whatever became of it."""
    ours, gone = a_tenant(), a_tenant()
    await log.append(ours, events=4)
    await log.append(gone, events=2)
    person = User._create(User.Created, id=IDS.new(), email="a@b.cd", role="USER", name="Ada")
    await log.parts.store.append([person], Envelope(ours, "test"))
    erased = User._create(User.Created, id=IDS.new(), email="a@b.cd", role="USER", name="Eve")
    await log.parts.store.append([erased], Envelope(ours, "test"))
    database = await log.parts.database("writer")
    async with database.connection() as conn:
        await conn.execute("SELECT destroy_tenant_key(%s)", (gone,))
        await conn.execute("SELECT destroy_subject_key(%s, %s)", (ours, erased.id))
    log.parts.keys.forget(gone)
    log.parts.keys.forget(erased.id)
    ids = [None, IDS.new()]
    early, late = datetime(1969, 12, 31, 23, 59, 59, 999_999, UTC), datetime(2099, 1, 1, tzinfo=UTC)
    odd: list[tuple[object, ...]] = [
        ("schlüssel.erzeugt", b'{"a":1}', "user:zoë", None, *ids, None, early),
        ("x", b"", None, "00-" + "a" * 32, ids[1], None, ids[1], late),
        ("tenant.offboarded", b'{"b":2}', "", "", None, None, ids[1], late),
        ("user.erased", b'{"subject_id":"x"}', None, None, *ids, ids[1], early),
        ("y", b"\x01 not sealed by anybody", "test", None, *ids, None, late),
        ("z", b"[1]", "test", None, None, None, None, late),
    ]
    options = "-c search_path=agentledger,pg_catalog"
    async with await Connection.connect(database_url, autocommit=True, options=options) as owner:
        for version, (topic, state, *others) in enumerate(odd, 1):
            stream = IDS.new()
            place = (stream, shard_of(stream), version, topic, state, ours, IDS.new())
            await owner.execute(ODD, (*place, *others))
    statements = PreparedStatements(log.conn)
    events = await read_commit_order(statements, BEGINNING, limit=100_000)
    unsealed = await read_unsealed(statements, BEGINNING, limit=100_000)
    openings = await log.commitments.openings(events)
    slowly = [NO_COMMITMENT if one is None else one.commitment for one in openings]
    assert await log.commitments.commitments(unsealed) == slowly
    # Without those that tell of keys, because of which all of their page goes the long way.
    plain = [n for n, event in enumerate(unsealed) if event.topic not in TELLS_OF_KEYS]
    assert await log.commitments.commitments([unsealed[n] for n in plain]) == [
        slowly[n] for n in plain
    ]
    for event, row, commitment in zip(events, unsealed, slowly, strict=True):
        assert leaf_of(row, commitment) == event_leaf(event, commitment)
        assert position_in(row.head) == event.position
        assert time_of(row.recorded) == event.recorded_at
    assert len({leaf_of(row, c) for row, c in zip(unsealed, slowly, strict=True)}) == len(events)


async def test_erasing_a_tenant_changes_no_leaf_and_leaves_nothing_to_guess_by(
    log: SealedLog,
) -> None:
    ours = a_tenant()
    (stream_id,) = await log.append(ours, events=2)
    await log.seal()
    proofs = await log.proofs()
    before = await proofs.of_event(ours, stream_id, 1)
    database = await log.parts.database("writer")
    async with database.connection() as conn:
        await conn.execute("SELECT destroy_tenant_key(%s)", (ours,))
    log.parts.keys.forget(ours)
    after = await proofs.of_event(ours, stream_id, 1)
    assert before is not None
    assert after is not None
    assert (after.record, after.path) == (before.record, before.path)
    assert before.blinding is not None
    assert after.blinding is None
    await log.append(a_tenant(), events=2)
    assert await log.seal() == 1


async def test_erasing_a_person_leaves_nothing_to_guess_what_was_theirs_by(log: SealedLog) -> None:
    """Although the key of their tenant is still there."""
    ours = a_tenant()
    person = User._create(
        User.Created, id=IDS.new(), email="ada@example.com", role="USER", name="Ada"
    )
    await log.parts.store.append([person], Envelope(ours, "test"))
    (key_id,) = await log.append(ours, events=2)
    await log.seal()
    proofs = await log.proofs()
    before = await proofs.of_event(ours, person.id, 1)
    database = await log.parts.database("writer")
    async with database.connection() as conn:
        await conn.execute("SELECT destroy_subject_key(%s, %s)", (ours, person.id))
    log.parts.keys.forget(person.id)
    after = await proofs.of_event(ours, person.id, 1)
    other = await proofs.of_event(ours, key_id, 1)
    assert before is not None
    assert after is not None
    assert other is not None
    assert before.blinding is not None
    assert (after.record, after.path) == (before.record, before.path)
    assert after.blinding is None
    assert other.blinding is not None


async def test_what_was_erased_before_it_was_sealed_is_sealed_without_its_content(
    log: SealedLog,
) -> None:
    ours = a_tenant()
    (stream_id,) = await log.append(ours, events=2)
    database = await log.parts.database("writer")
    async with database.connection() as conn:
        await conn.execute("SELECT destroy_tenant_key(%s)", (ours,))
    log.parts.keys.forget(ours)
    await log.seal()
    proof = await (await log.proofs()).of_event(ours, stream_id, 1)
    assert proof is not None
    assert (proof.commitment, proof.blinding) == (NO_COMMITMENT, None)


async def test_a_new_key_signs_after_a_while_and_the_old_one_verifies_for_ever(
    log: SealedLog,
) -> None:
    await log.append(a_tenant(), events=2)
    await log.seal()
    log.clock.at += timedelta(days=91)
    await log.append(a_tenant(), events=2)
    await log.seal()
    *_, old, new = await next_seals(log.conn, after=0, limit=1000)
    assert old.seal.key_id != new.seal.key_id
    keys = read_public_keys({"keys": [*await (await log.proofs()).published_keys()]})
    assert old.is_signed_by(keys[old.seal.key_id])
    assert not old.is_signed_by(keys[new.seal.key_id])


async def test_one_of_two_sealers_seals(log: SealedLog) -> None:
    ours = a_tenant()
    await log.append(ours, events=8)
    sealers = [log.sealer(events_max=3), log.sealer(events_max=3)]
    running = [asyncio.create_task(one.run()) for one in sealers]
    await until(lambda: sum(one.sealed_count for one in sealers) == 8, "all is sealed")
    assert [one.is_active for one in sealers].count(True) == 1
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
    head = await (await log.proofs()).newest(ours)
    assert head is not None
    assert head.head.size == 8


async def test_who_lost_the_lock_cannot_seal_a_place_twice(log: SealedLog) -> None:
    await log.append(a_tenant(), events=2)
    late = log.sealer()
    original = late._sealing

    async def delayed(*asked: object) -> object:
        made = await original(*asked)  # type: ignore[arg-type]
        await log.seal()
        return made

    late._sealing = delayed  # type: ignore[method-assign]
    with pytest.raises(UniqueViolation):
        await late.seal_next(log.conn, PreparedStatements(log.conn))


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM log_seals",
        "UPDATE log_seals SET root = ''",
        "UPDATE seal_heads SET root = ''",
        "DELETE FROM seal_heads",
        "DELETE FROM seal_tiles",
        "UPDATE seal_keys SET public_key = ''",
    ],
)
async def test_who_seals_cannot_take_back_what_was_sealed(log: SealedLog, statement: str) -> None:
    with pytest.raises(InsufficientPrivilege):
        await log.conn.execute(statement.encode())


async def test_the_api_cannot_read_what_signs(conninfo: Conninfo) -> None:
    async with await Connection.connect(conninfo("api"), autocommit=True) as conn:
        with pytest.raises(InsufficientPrivilege):
            await conn.execute("SELECT sealed_private FROM seal_keys")
