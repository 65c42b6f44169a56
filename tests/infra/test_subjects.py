"""What is of one data subject of a tenant: sealed with a key of its own, and gone with it."""

from collections.abc import AsyncIterator
from dataclasses import fields
from uuid import UUID

import pytest

from commands.plan_port import NobodyLimited
from commands.ports import CommandRecord, LoggedEvent, OpenedExecution, Ports
from commands.sealing_port import DestroyedSubjectKey, KeyDestroyed, Tampered
from domain.directory_users import DirectoryUser
from domain.envelope import Envelope
from domain.execution_commands import signal
from domain.executions import Execution
from domain.identifiers import Json, TenantId
from domain.identity import User
from domain.sessions import Session
from domain.subjects import DataSubject
from infra.admission import EveryoneAdmitted
from infra.clock import SystemClock
from infra.connections import Connection
from infra.data_keys import DataKeys
from infra.erasure import DestroyedKey, destroyed_keys, replay_ledger
from infra.event_codec import decode
from infra.event_log import BEGINNING, read_commit_order
from infra.event_sealing import is_without_personal
from infra.personal_members import ERASED_TOPICS, PERSONAL_MEMBERS
from infra.prepared_statements import PreparedStatements
from infra.price_books import PriceBooks
from infra.secrets_source import SecretsSource
from infra.subjects import PostgresDataSubjects, PostgresSubjectErasures, subject_id
from infra.users import PostgresUsers
from sagas.subjects import DataSubjectSaga
from tests.commands.event_store_contract import an_execution
from tests.infra.conftest import Parts
from tests.infra.keys import MASTER_KEY, data_keys_on
from tests.infra.log_steps import IDS
from tests.infra.test_payload_offloading import events as every_event

CANARY = "canary of the subject"
# What every run tells of itself, whoever it is about.
FACTS = frozenset(
    {
        *("path", "paths", "node_type", "attempt", "ports", "idempotency_key", "code", "retry_at"),
        *("index", "until", "wake_at", "child_id", "status", "name", "decision", "decided_by"),
        *("model", "tokens_in", "tokens_out", "cost_usd_pico", "usage", "reason", "outcome"),
        *("workflow_id", "workflow_version", "agent_id", "definition_hash", "created_by"),
        *("parent_id", "parent_path", "depth", "forked_from_id", "forked_from_node", "subject_id"),
        *("stopped_paths", "done_paths", "payload_days", "keeps_results", "is_awaited"),
        *("on_parent_close", "role", "expires_at", "user_id", "factors", "provider_id"),
        "reserved",
    }
)


@pytest.fixture
async def owner(database_url: str) -> AsyncIterator[Connection]:
    async with await Connection.connect(
        database_url, autocommit=True, options="-c search_path=agentledger,pg_catalog"
    ) as conn:
        yield conn


@pytest.fixture
def tenant_id() -> TenantId:
    return TenantId(IDS.new())


def a_run(tenant_id: TenantId, name: str, given: Json = CANARY) -> Execution:
    run = an_execution(given)
    own = subject_id(MASTER_KEY, tenant_id, name)
    begun = run.pending_events[0]
    vars(begun).update(subject_id=str(own), data_subject=name)
    run.subject_id, run.data_subject = own, name
    return run


async def begun(parts: Parts, tenant_id: TenantId, name: str, given: Json = CANARY) -> Execution:
    run = a_run(tenant_id, name, given)
    await parts.store.append(
        [run], Envelope(tenant_id, "test"), side_rows=[OpenedExecution(run.id)]
    )
    signal(run, "news", {"text": given})
    await parts.store.append([run], Envelope(tenant_id, "test"))
    return run


async def erase(parts: Parts, tenant_id: TenantId, own: UUID) -> None:
    subject = DataSubject._create(DataSubject.Created, id=own)
    subject.erase()
    row = DestroyedSubjectKey(own)
    await parts.store.append([subject], Envelope(tenant_id, "test"), side_rows=[row])


async def stored(owner: Connection, tenant_id: TenantId) -> list[LoggedEvent]:
    everything = await read_commit_order(PreparedStatements(owner), BEGINNING, limit=10_000)
    return [event for event in everything if event.tenant_id == tenant_id]


async def count(owner: Connection, table: str, tenant_id: TenantId) -> int:
    query = f"SELECT count(*) FROM {table} WHERE tenant_id = %s"
    row = await (await owner.execute(query.encode(), (tenant_id,))).fetchone()
    assert row is not None
    return row[0]


async def saga_of(parts: Parts) -> DataSubjectSaga:
    worker = await parts.database("worker")
    ports = Ports(
        parts.store,
        SystemClock(),
        IDS,
        SecretsSource(bcrypt_cost=4),
        EveryoneAdmitted(),
        users=PostgresUsers(await parts.database("api"), MASTER_KEY),
        prices=PriceBooks(worker, parts.store, NobodyLimited()),
    )
    return DataSubjectSaga(
        PostgresSubjectErasures(worker),
        ports,
        "worker:test",
        poll_s=1,
    )


def test_every_member_is_personal_or_a_fact() -> None:
    """A member that is new is decided about before it is stored."""
    subjects = tuple(kind.TOPIC + "." for kind in (Execution, User, Session, DirectoryUser))
    surroundings = {"originator_id", "originator_version", "timestamp", "originator_topic"}
    undecided = {
        (topic, field.name)
        for topic, kind in every_event()
        if topic.startswith(subjects)
        for field in fields(kind)
        if field.name not in PERSONAL_MEMBERS.get(topic, ()) and field.name not in FACTS
    }
    assert {one for one in undecided if one[1] not in surroundings} == set()
    assert {topic for topic in ERASED_TOPICS if PERSONAL_MEMBERS.get(topic)} == set()


async def test_a_subject_is_another_one_in_every_tenant_and_with_every_key() -> None:
    ours, theirs = TenantId(IDS.new()), TenantId(IDS.new())
    told = {
        subject_id(key, tenant, name)
        for key in ("a key", "another")
        for tenant in (ours, theirs)
        for name in ("customer-1", "customer-2")
    }
    assert len(told) == 8


async def test_of_an_erased_subject_the_facts_are_left(
    parts: Parts, owner: Connection, tenant_id: TenantId
) -> None:
    run = await begun(parts, tenant_id, "customer-1")
    other = await begun(parts, tenant_id, "customer-2")
    neighbour = TenantId(IDS.new())
    namesake = await begun(parts, neighbour, "customer-1")
    assert run.subject_id is not None
    before = await parts.seals.opened(await stored(owner, tenant_id))
    assert [CANARY.encode() in event.state for event in before] == [True] * 4
    await erase(parts, tenant_id, run.subject_id)

    # A process that had the key in memory hears of it from the log, as its readers do.
    seals = parts.seals
    opened = await seals.opened(await stored(owner, tenant_id))
    assert [is_without_personal(event) for event in opened[:4]] == [True, True, False, False]
    created, signalled = (decode(event) for event in opened[:2])
    assert (vars(created)["input"], vars(created)["data_subject"]) == (None, None)
    assert vars(created)["definition_hash"] == "a hash"
    assert (vars(signalled)["name"], vars(signalled)["payload"]) == ("news", None)
    assert all(CANARY.encode() in event.state for event in opened[2:4])
    of_neighbour = await seals.opened(await stored(owner, neighbour))
    assert all(CANARY.encode() in event.state for event in of_neighbour)

    gone = await parts.store.load(Execution, run.id, tenant_id)
    assert gone is not None
    assert (gone.input, gone.data_subject, gone.has_payloads) == (None, None, False)
    for tenant, one in ((tenant_id, other), (neighbour, namesake)):
        kept = await parts.store.load(Execution, one.id, tenant)
        assert kept is not None
        assert (kept.input, kept.has_payloads) == (CANARY, True)


async def test_what_is_written_after_the_erasure_says_nothing_either(
    parts: Parts, owner: Connection, tenant_id: TenantId
) -> None:
    """By a process that drives the run and has not heard."""
    run = await begun(parts, tenant_id, "customer-1")
    assert run.subject_id is not None
    await erase(parts, tenant_id, run.subject_id)
    signal(run, "late", {"text": CANARY * 10_000})
    await parts.store.append([run], Envelope(tenant_id, "test"))
    last = (await parts.seals.opened(await stored(owner, tenant_id)))[-1]
    assert is_without_personal(last)
    assert vars(decode(last))["payload"] is None
    assert await count(owner, "blobs", tenant_id) == 0


async def test_payloads_snapshots_and_answers_go_with_the_subject(
    parts: Parts, owner: Connection, tenant_id: TenantId
) -> None:
    run = a_run(tenant_id, "customer-1", CANARY * 10_000)
    assert run.subject_id is not None
    command = CommandRecord(IDS.new(), b"print", {"answer": CANARY})
    envelope = Envelope(tenant_id, "test", command_id=command.command_id)
    await parts.store.append([run], envelope, command=command)
    for _ in range(10):
        signal(run, "news", CANARY)
    await parts.store.append([run], Envelope(tenant_id, "test"))
    await parts.snapshots.written()
    answer = await parts.store.recorded_answer(tenant_id, command.command_id)
    assert answer is not None
    assert (answer.fingerprint, answer.result) == (b"print", {"answer": CANARY})
    found = await (await owner.execute("SELECT fingerprint FROM commands")).fetchall()
    assert all(b"print" not in row[0] for row in found)
    loaded = await parts.store.load(Execution, run.id, tenant_id)
    assert loaded is not None
    assert loaded.input == CANARY * 10_000
    hashes = await (
        await owner.execute("SELECT sha256 FROM blobs WHERE tenant_id = %s", (tenant_id,))
    ).fetchall()
    assert await count(owner, "snapshots", tenant_id) == 1

    await erase(parts, tenant_id, run.subject_id)
    with pytest.raises(KeyDestroyed):
        await parts.store.recorded_answer(tenant_id, command.command_id)
    assert await parts.blobs.read(tenant_id, [bytes(row[0]) for row in hashes]) == {}
    gone = await parts.store.load(Execution, run.id, tenant_id)
    assert gone is not None
    assert (gone.version, gone.input) == (run.version, None)


async def test_the_saga_ends_their_runs_and_leaves_nothing_beside_the_log(
    parts: Parts, owner: Connection, tenant_id: TenantId
) -> None:
    runs = [await begun(parts, tenant_id, "customer-1", CANARY * 10_000) for _ in range(2)]
    other = await begun(parts, tenant_id, "customer-2", CANARY * 10_000)
    own = runs[0].subject_id
    assert own is not None
    subjects = PostgresDataSubjects(await parts.database("api"), parts.keys, MASTER_KEY)
    assert await subjects.is_known(tenant_id, own)
    assert not await subjects.is_erased(tenant_id, own)
    await erase(parts, tenant_id, own)
    assert await subjects.is_erased(tenant_id, own)
    saga = await saga_of(parts)
    while await saga.work_once():
        pass
    for run in runs:
        ended = await parts.store.load(Execution, run.id, tenant_id)
        assert ended is not None
        assert (ended.status, ended.is_erased) == ("FAILED", True)
        assert ended.error is not None
        assert ended.error["code"] == "data_subject_erased"
    assert not await subjects.is_known(tenant_id, own)
    kept = await parts.store.load(Execution, other.id, tenant_id)
    assert kept is not None
    assert (kept.status, kept.input) == ("PENDING", CANARY * 10_000)
    assert await count(owner, "open_executions", tenant_id) == 1
    assert await count(owner, "blobs", tenant_id) == 2
    assert await count(owner, "subject_streams", tenant_id) == 1


async def test_a_person_leaves_no_row_beside_the_log(
    parts: Parts, owner: Connection, tenant_id: TenantId
) -> None:
    user_id, other = IDS.new(), IDS.new()
    rows = "INSERT INTO passwords (tenant_id, user_id, password_hash) VALUES (%s, %s, 'x')"
    for one in (user_id, other):
        await owner.execute(rows, (tenant_id, one))
    erasures = PostgresSubjectErasures(await parts.database("worker"))
    await owner.execute(
        "INSERT INTO destroyed_keys (tenant_id, subject_id) VALUES (%s, %s)", (tenant_id, user_id)
    )
    claimed = await erasures.claim(30)
    assert claimed is not None
    assert claimed == (tenant_id, user_id, None)
    assert await erasures.claim(30) is None
    assert await erasures.erase_rows(claimed) == 1
    # Nobody else is touched, whoever asks for it.
    assert await erasures.erase_rows(claimed._replace(subject_id=other)) == 0
    assert await erasures.erase_rows(claimed._replace(subject_id=UUID(int=0))) == 0
    assert await count(owner, "passwords", tenant_id) == 1


async def test_a_restored_backup_brings_no_key_back(
    parts: Parts, owner: Connection, tenant_id: TenantId
) -> None:
    run = await begun(parts, tenant_id, "customer-1")
    other = await begun(parts, tenant_id, "customer-2")
    own = run.subject_id
    assert own is not None
    backup = await (
        await owner.execute("SELECT * FROM data_keys WHERE tenant_id = %s", (tenant_id,))
    ).fetchall()
    await erase(parts, tenant_id, own)
    ledger = [one for one in await destroyed_keys(owner) if one.tenant_id == tenant_id]
    assert [one.subject_id for one in ledger] == [own]
    # The database as it was before: the key is there, and nobody knows that it was destroyed.
    await owner.execute("DELETE FROM destroyed_keys WHERE tenant_id = %s", (tenant_id,))
    await owner.execute("DELETE FROM data_keys WHERE tenant_id = %s", (tenant_id,))
    for row in backup:
        marks = ", ".join(["%s"] * len(row))
        await owner.execute(f"INSERT INTO data_keys VALUES ({marks})".encode(), row)
    keys = data_keys_on(await parts.database("api"))
    assert not (await keys.of(tenant_id, own)).is_destroyed
    assert await replay_ledger(owner, ledger) == 1
    keys = data_keys_on(await parts.database("api"))
    assert (await keys.of(tenant_id, own)).is_destroyed
    assert other.subject_id is not None
    assert not (await keys.of(tenant_id, other.subject_id)).is_destroyed
    assert await count(owner, "data_keys", tenant_id) == 2
    parts.keys.forget(own)
    saga = await saga_of(parts)
    while await saga.work_once():
        pass
    ended = await parts.store.load(Execution, run.id, tenant_id)
    assert ended is not None
    assert ended.is_erased


async def test_the_key_of_a_subject_goes_with_the_tenants(
    parts: Parts, owner: Connection, tenant_id: TenantId
) -> None:
    run = await begun(parts, tenant_id, "customer-1")
    assert run.subject_id is not None
    nil = UUID(int=0)
    await owner.execute("SELECT destroy_tenant_key(%s)", (tenant_id,))
    assert await count(owner, "data_keys", tenant_id) == 0
    keys = data_keys_on(await parts.database("api"))
    assert (await keys.of(tenant_id, run.subject_id)).is_destroyed
    assert await count(owner, "destroyed_keys", tenant_id) == 1
    ledger = [DestroyedKey(tenant_id, nil, (await destroyed_keys(owner))[-1].destroyed_at)]
    assert await replay_ledger(owner, ledger) == 0


async def test_nobody_opens_with_the_key_of_somebody_else(
    parts: Parts, owner: Connection, tenant_id: TenantId
) -> None:
    """A row that was moved, to another person or to the tenant itself."""
    one, other = IDS.new(), IDS.new()
    keys: DataKeys = parts.keys
    await keys.of(tenant_id, one)
    await keys.of(tenant_id, other)
    await owner.execute(
        "UPDATE data_keys AS mine SET encrypted_key = k.encrypted_key, iv = k.iv,"
        " auth_tag = k.auth_tag FROM data_keys AS k WHERE k.tenant_id = %s AND k.subject_id = %s"
        " AND mine.tenant_id = %s AND mine.subject_id = %s",
        (tenant_id, one, tenant_id, other),
    )
    fresh = data_keys_on(await parts.database("api"))
    with pytest.raises(Tampered):
        await fresh.of(tenant_id, other)
