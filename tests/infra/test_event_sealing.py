"""What lies in the log: sealed, and bound to its place in it."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import orjson
import psycopg
import pytest

from commands.ports import Batch, CommandRecord, LoggedEvent, StoredDefinition
from commands.sealing_port import KeyDestroyed
from domain.credentials import ApiKey
from domain.envelope import Envelope
from domain.identifiers import JsonObject, TenantId
from infra.clock import SystemClock
from infra.connections import Connection
from infra.consumer_progress import GroupProgress
from infra.event_codec import decode
from infra.event_log import BEGINNING, read_commit_order
from infra.event_sealing import StoredFact, is_erased
from infra.opened_log import OpenedLog
from infra.prepared_statements import PreparedStatements
from infra.sealing import OVERHEAD_BYTES, is_sealed
from tests.infra.conftest import Parts
from tests.infra.log_steps import IDS, Recorder, a_key

DESTROY = (
    "INSERT INTO agentledger.destroyed_keys (tenant_id, subject_id)"
    " VALUES (%s, '00000000-0000-0000-0000-000000000000')"
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


async def stored(owner: Connection, tenant_id: TenantId) -> list[LoggedEvent]:
    everything = await read_commit_order(PreparedStatements(owner), BEGINNING, limit=10_000)
    return [event for event in everything if event.tenant_id == tenant_id]


async def appended(parts: Parts, tenant_id: TenantId, *, name: str) -> UUID:
    key = a_key()
    vars(key.pending_events[0])["name"] = name
    await parts.store.append([key], Envelope(tenant_id, "test"))
    key.revoke()
    await parts.store.append([key], Envelope(tenant_id, "test"))
    parts.store.forget(key.id, 10**9)
    return key.id


async def test_the_log_holds_no_word_of_what_was_stored_and_readers_do(
    parts: Parts, owner: Connection, tenant_id: TenantId
) -> None:
    stream_id = await appended(parts, tenant_id, name="canary")
    events = await stored(owner, tenant_id)
    assert all(is_sealed(event.state) and b"canary" not in event.state for event in events)
    created, revoked = await parts.seals.opened(events)
    assert orjson.loads(created.state)["name"] == "canary"
    assert len(events[1].state) == len(revoked.state) + OVERHEAD_BYTES
    loaded = await parts.store.load(ApiKey, stream_id, tenant_id)
    assert loaded is not None
    assert loaded.name == "canary"


async def test_an_event_in_the_place_of_another_cannot_be_read_and_stops_no_other(
    parts: Parts, owner: Connection, tenant_id: TenantId
) -> None:
    first = await appended(parts, tenant_id, name="first")
    second = await appended(parts, tenant_id, name="second")
    events = {(e.stream_id, e.version): e for e in await stored(owner, tenant_id)}
    of_other_stream = events[first, 1]._replace(stream_id=second)
    of_other_version = events[first, 1]._replace(version=2)
    of_other_tenant = events[first, 1]._replace(tenant_id=TenantId(IDS.new()))
    moved = [of_other_stream, of_other_version, of_other_tenant]
    *unread, right = await parts.seals.opened([*moved, events[second, 1]])
    assert unread == moved
    for event in unread:
        with pytest.raises(Exception, match="cannot be read"):
            decode(event)
    assert orjson.loads(right.state)["name"] == "second"


async def test_what_was_stored_before_there_were_seals_is_read_as_it_is(
    parts: Parts, owner: Connection, tenant_id: TenantId
) -> None:
    stream_id = await appended(parts, tenant_id, name="old")
    plain = (await parts.seals.opened(await stored(owner, tenant_id)))[0].state
    await owner.execute(
        "UPDATE events SET state = %s WHERE originator_id = %s AND originator_version = 1",
        (plain, stream_id),
    )
    loaded = await parts.store.load(ApiKey, stream_id, tenant_id)
    assert loaded is not None
    assert (loaded.name, loaded.version) == ("old", 2)


async def test_consumers_of_the_log_are_given_what_is_in_the_events(
    parts: Parts, owner: Connection, tenant_id: TenantId
) -> None:
    await appended(parts, tenant_id, name="delivered")
    delivered = Batch(3, await stored(owner, tenant_id), "here")

    class OneBatch:
        partitions_count = 8
        topic = "events"

        async def consume(self, group: str, handler: Recorder, *, topics: object) -> None:
            assert (group, topics) == ("group", None)
            await handler.assigned([3])
            await handler.handle([delivered])

    handler = Recorder()
    one: Any = OneBatch()
    log = OpenedLog(one, parts.seals.opened, lambda group: GroupProgress(group, one, SystemClock()))
    await log.consume("group", handler)
    assert [orjson.loads(event.state).get("name") for event in handler.events] == [
        "delivered",
        None,
    ]


async def test_answers_and_definitions_lie_sealed_and_are_read(
    parts: Parts, owner: Connection, tenant_id: TenantId
) -> None:
    definition: JsonObject = {"nodes": "canary"}
    command = CommandRecord(IDS.new(), b"print", {"answer": "canary"})
    await parts.store.append(
        [a_key()],
        Envelope(tenant_id, "test", command_id=command.command_id),
        side_rows=[StoredDefinition("a hash", definition)],
        command=command,
    )
    for query in ("SELECT result FROM commands", "SELECT definition FROM definitions"):
        cursor = await owner.execute(query.encode() + b" WHERE tenant_id = %s", (tenant_id,))
        ((kept,),) = await cursor.fetchall()
        assert is_sealed(kept)
        assert b"canary" not in kept
    assert await parts.store.definition(tenant_id, "a hash") == definition
    answer = await parts.store.recorded_answer(tenant_id, command.command_id)
    assert answer is not None
    assert answer.result == {"answer": "canary"}


async def test_once_the_key_is_destroyed_events_count_and_say_nothing(
    parts: Parts, owner: Connection, tenant_id: TenantId
) -> None:
    stream_id = await appended(parts, tenant_id, name="erased")
    neighbour = TenantId(IDS.new())
    kept = await appended(parts, neighbour, name="kept")
    events = await stored(owner, tenant_id)
    await owner.execute(DESTROY, (tenant_id,))
    parts.keys.forget(tenant_id)
    opened = await parts.seals.opened([*events, *await stored(owner, neighbour)])
    assert [is_erased(event) for event in opened] == [True, True, False, False]
    assert [event.version for event in opened] == [1, 2, 1, 2]
    with pytest.raises(KeyDestroyed):
        decode(opened[0])
    with pytest.raises(KeyDestroyed):
        await parts.store.load(ApiKey, stream_id, tenant_id)
    with pytest.raises(KeyDestroyed):
        await parts.store.append([a_key()], Envelope(tenant_id, "test"))
    fact = StoredFact(tenant_id, stream_id, 1, events[0].topic, events[0].state)
    with pytest.raises(KeyDestroyed):
        await parts.seals.opened_fact(fact)
    assert await parts.store.load(ApiKey, kept, neighbour) is not None


async def test_kafka_and_the_relay_cannot_ask_for_keys(parts: Parts) -> None:
    for role in ("relay", "tail", "writer"):
        async with (await parts.database(role)).connection() as conn:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                await conn.execute("SELECT * FROM data_keys_of(ARRAY[]::uuid[], ARRAY[]::uuid[])")
