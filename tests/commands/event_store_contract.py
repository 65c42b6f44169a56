"""What every event store does: the fake (test_fakes.py) and the real one run this same suite.

A subclass gives the fixtures `store` (an EventStore) and `tenant_id` and `other_tenant_id` (two
tenants of it).
"""

import asyncio
from uuid import UUID

import pytest

from commands.ports import (
    CommandRecord,
    DuplicateCommand,
    EventStore,
    Position,
    PositionToken,
    StoredDefinition,
)
from domain.agents import Agent
from domain.envelope import Envelope
from domain.errors import Stale
from domain.execution_commands import signal
from domain.executions import Execution
from domain.identifiers import Json, TenantId, shard_of
from domain.payloads import INLINE_BYTES_MAX
from domain.workflows import Workflow
from infra.clock import Uuid7Ids

new_id = Uuid7Ids().new

PROFILE = {"name": "Writer", "model": "offline/echo", "role": None}


def an_agent() -> Agent:
    return Agent._create(Agent.Created, id=new_id(), profile=PROFILE)


def an_envelope(tenant_id: TenantId, command_id: UUID | None = None) -> Envelope:
    return Envelope(tenant_id, actor="api_key:contract", command_id=command_id)


def a_record(command_id: UUID, fingerprint: bytes = b"f" * 32) -> CommandRecord:
    return CommandRecord(command_id, fingerprint, {"answer": 42, "nested": {"list": [1, None]}})


async def stored(store: EventStore, tenant_id: TenantId) -> Agent:
    """A fresh agent in the store, loaded again."""
    agent = an_agent()
    await store.append([agent], an_envelope(tenant_id))
    return await loaded(store, agent.id, tenant_id)


async def loaded(store: EventStore, agent_id: UUID, tenant_id: TenantId) -> Agent:
    agent = await store.load(Agent, agent_id, tenant_id)
    assert agent is not None
    return agent


def places(token: PositionToken | None) -> list[Position]:
    assert token is not None
    return list(token.positions().values())


def an_execution(given: Json) -> Execution:
    return Execution._create(
        Execution.Created,
        id=new_id(),
        workflow_id=None,
        workflow_version=None,
        agent_id=None,
        definition_hash="a hash",
        input=given,
        created_by="api_key:contract",
        parent_id=None,
        parent_path=None,
        depth=0,
        forked_from_id=None,
        forked_from_node=None,
        subject_id=None,
        data_subject=None,
    )


class EventStoreContract:
    async def test_what_is_appended_is_loaded_again(
        self, store: EventStore, tenant_id: TenantId
    ) -> None:
        agent = an_agent()
        agent.revise({"model": "offline/script"})
        await store.append([agent], an_envelope(tenant_id))
        again = await loaded(store, agent.id, tenant_id)
        assert (again.version, again.profiles) == (2, agent.profiles)

    async def test_a_later_append_continues_the_stream(
        self, store: EventStore, tenant_id: TenantId
    ) -> None:
        agent = await stored(store, tenant_id)
        agent.revise({"role": "writes"})
        await store.append([agent], an_envelope(tenant_id))
        again = await loaded(store, agent.id, tenant_id)
        assert again.profile() == (2, {**PROFILE, "role": "writes"})

    @pytest.mark.parametrize(
        "payload",
        [
            "x" * INLINE_BYTES_MAX,
            {"items": [{"nested": "é" * INLINE_BYTES_MAX}, None]},
            {"$blob": {"sha256": "00", "bytes": 2}},
            {"$blob": "x" * INLINE_BYTES_MAX},
            {"$$blob": None},
            {"$blob": 1, "more": 2},
            'a text about $blob"',
        ],
        ids=lambda payload: str(payload)[:20],
    )
    async def test_a_payload_is_loaded_as_it_was_however_large_it_is_and_whatever_it_looks_like(
        self, store: EventStore, tenant_id: TenantId, payload: Json
    ) -> None:
        execution = an_execution(payload)
        signal(execution, "news", payload)
        await store.append([execution], an_envelope(tenant_id))
        again = await store.load(Execution, execution.id, tenant_id)
        assert again is not None
        assert (again.input, again.signals.oldest("news")) == (payload, payload)
        assert again == execution

    async def test_an_unknown_stream_is_none(self, store: EventStore, tenant_id: TenantId) -> None:
        assert await store.load(Agent, new_id(), tenant_id) is None

    async def test_a_stream_of_another_kind_is_none(
        self, store: EventStore, tenant_id: TenantId
    ) -> None:
        agent = await stored(store, tenant_id)
        assert await store.load(Workflow, agent.id, tenant_id) is None
        assert await store.load(Agent, agent.id, tenant_id) is not None

    async def test_another_tenant_sees_nothing(
        self, store: EventStore, tenant_id: TenantId, other_tenant_id: TenantId
    ) -> None:
        agent = an_agent()
        command_id = new_id()
        row = StoredDefinition("of one tenant", {"nodes": []})
        await store.append(
            [agent],
            an_envelope(tenant_id, command_id),
            side_rows=[row],
            command=a_record(command_id),
        )
        assert await store.load(Agent, agent.id, other_tenant_id) is None
        assert await store.definition(other_tenant_id, "of one tenant") is None
        assert await store.recorded_answer(other_tenant_id, command_id) is None
        assert await store.load(Agent, agent.id, tenant_id) is not None

    async def test_a_change_that_was_not_appended_is_not_loaded(
        self, store: EventStore, tenant_id: TenantId
    ) -> None:
        agent = await stored(store, tenant_id)
        agent.revise({"role": "never stored"})
        again = await loaded(store, agent.id, tenant_id)
        assert again.profile() == (1, PROFILE)

    async def test_what_was_kept_is_loaded_again(
        self, store: EventStore, tenant_id: TenantId
    ) -> None:
        agent = await stored(store, tenant_id)
        store.keep(agent, tenant_id)
        again = await loaded(store, agent.id, tenant_id)
        assert again.profile() == (1, PROFILE)

    async def test_without_events_no_side_row_is_stored(
        self, store: EventStore, tenant_id: TenantId
    ) -> None:
        agent = await stored(store, tenant_id)
        command_id = new_id()
        row = StoredDefinition("without events", {"nodes": []})
        token = await store.append(
            [agent],
            an_envelope(tenant_id, command_id),
            side_rows=[row],
            command=a_record(command_id),
        )
        assert token is None
        assert await store.definition(tenant_id, "without events") is None

    async def test_who_comes_second_is_stale_and_stores_nothing(
        self, store: EventStore, tenant_id: TenantId
    ) -> None:
        first = await stored(store, tenant_id)
        second = await loaded(store, first.id, tenant_id)
        first.revise({"role": "first"})
        await store.append([first], an_envelope(tenant_id))
        second.revise({"role": "second"})
        command_id = new_id()
        row = StoredDefinition("of the second", {"nodes": []})
        with pytest.raises(Stale):
            await store.append(
                [second],
                an_envelope(tenant_id, command_id),
                side_rows=[row],
                command=a_record(command_id),
            )
        again = await loaded(store, first.id, tenant_id)
        assert again.profile() == (2, {**PROFILE, "role": "first"})
        assert await store.definition(tenant_id, "of the second") is None
        assert await store.recorded_answer(tenant_id, command_id) is None

    async def test_refusals_harm_no_later_append(
        self, store: EventStore, tenant_id: TenantId
    ) -> None:
        agent_id = (await stored(store, tenant_id)).id
        for number in range(6):
            first, second = [await loaded(store, agent_id, tenant_id) for _ in range(2)]
            first.revise({"role": f"in time {number}"})
            second.revise({"role": f"late {number}"})
            await store.append([first], an_envelope(tenant_id))
            row = StoredDefinition(f"late {number}", {"nodes": []})
            with pytest.raises(Stale):
                await store.append([second], an_envelope(tenant_id), side_rows=[row])
        assert (await loaded(store, agent_id, tenant_id)).profile()[0] == 7

    async def test_several_aggregates_are_stored_all_or_none(
        self, store: EventStore, tenant_id: TenantId
    ) -> None:
        first = await stored(store, tenant_id)
        second = await loaded(store, first.id, tenant_id)
        first.revise({"role": "first"})
        await store.append([first], an_envelope(tenant_id))
        second.revise({"role": "second"})
        newcomer = an_agent()
        with pytest.raises(Stale):
            await store.append([newcomer, second], an_envelope(tenant_id))
        assert await store.load(Agent, newcomer.id, tenant_id) is None

    async def test_of_many_at_once_exactly_one_wins(
        self, store: EventStore, tenant_id: TenantId
    ) -> None:
        agent = await stored(store, tenant_id)
        copies = [await loaded(store, agent.id, tenant_id) for _ in range(8)]
        for number, copy in enumerate(copies):
            copy.revise({"role": f"number {number}"})
        outcomes = await asyncio.gather(
            *(store.append([copy], an_envelope(tenant_id)) for copy in copies),
            return_exceptions=True,
        )
        stale = [outcome for outcome in outcomes if isinstance(outcome, Stale)]
        assert len(stale) == len(copies) - 1
        assert (await loaded(store, agent.id, tenant_id)).version == 2

    async def test_a_recorded_answer_is_found_with_its_position(
        self, store: EventStore, tenant_id: TenantId
    ) -> None:
        command_id = new_id()
        token = await store.append(
            [an_agent(), an_agent()],
            an_envelope(tenant_id, command_id),
            command=a_record(command_id, b"fingerprint"),
        )
        answer = await store.recorded_answer(tenant_id, command_id)
        assert answer is not None
        assert answer.fingerprint == b"fingerprint"
        assert answer.result == {"answer": 42, "nested": {"list": [1, None]}}
        assert str(answer.position) == str(token)

    async def test_an_unknown_command_has_no_answer(
        self, store: EventStore, tenant_id: TenantId
    ) -> None:
        assert await store.recorded_answer(tenant_id, new_id()) is None

    async def test_a_command_is_stored_once(self, store: EventStore, tenant_id: TenantId) -> None:
        command_id = new_id()
        envelope = an_envelope(tenant_id, command_id)
        await store.append([an_agent()], envelope, command=a_record(command_id))
        again = an_agent()
        with pytest.raises(DuplicateCommand):
            await store.append([again], envelope, command=a_record(command_id, b"another"))
        assert await store.load(Agent, again.id, tenant_id) is None
        answer = await store.recorded_answer(tenant_id, command_id)
        assert answer is not None
        assert answer.fingerprint == b"f" * 32

    async def test_two_tenants_may_use_one_command_id(
        self, store: EventStore, tenant_id: TenantId, other_tenant_id: TenantId
    ) -> None:
        command_id = new_id()
        for owner, fingerprint in ((tenant_id, b"one"), (other_tenant_id, b"two")):
            record = a_record(command_id, fingerprint)
            await store.append([an_agent()], an_envelope(owner, command_id), command=record)
        answers = [
            await store.recorded_answer(owner, command_id) for owner in (tenant_id, other_tenant_id)
        ]
        assert [answer and answer.fingerprint for answer in answers] == [b"one", b"two"]

    async def test_a_definition_is_found_by_its_hash_however_often_it_is_stored(
        self, store: EventStore, tenant_id: TenantId
    ) -> None:
        row = StoredDefinition("a hash", {"nodes": [{"id": "start", "type": "start"}]})
        for _ in range(2):
            await store.append([an_agent()], an_envelope(tenant_id), side_rows=[row])
        assert await store.definition(tenant_id, "a hash") == row.definition
        assert await store.definition(tenant_id, "another hash") is None

    async def test_a_token_names_the_shards_that_were_written(
        self, store: EventStore, tenant_id: TenantId
    ) -> None:
        agents = [an_agent(), an_agent(), an_agent()]
        token = await store.append(agents, an_envelope(tenant_id))
        assert token is not None
        assert set(token.notification_ids) == {shard_of(agent.id) for agent in agents}
        assert PositionToken.parse(str(token)) == token

    async def test_a_later_append_has_a_later_position(
        self, store: EventStore, tenant_id: TenantId
    ) -> None:
        first = await store.append([an_agent()], an_envelope(tenant_id))
        second = await store.append([an_agent()], an_envelope(tenant_id))
        assert max(places(first)) < min(places(second))

    async def test_a_command_that_changed_nothing_is_recorded_all_the_same(
        self, store: EventStore, tenant_id: TenantId
    ) -> None:
        agent = await stored(store, tenant_id)
        command_id = new_id()
        envelope = an_envelope(tenant_id, command_id)
        assert await store.append([agent], envelope, command=a_record(command_id)) is None
        recorded = await store.recorded_answer(tenant_id, command_id)
        assert recorded is not None
        assert (recorded.result, recorded.position) == (a_record(command_id).result, None)
        with pytest.raises(DuplicateCommand):
            await store.append([an_agent()], envelope, command=a_record(command_id))
