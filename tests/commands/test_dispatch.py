"""Authorised, decided and stored once, whatever is sent again and whoever writes in between."""

import asyncio
from uuid import UUID

import pytest

from commands.agents import CreateAgent, DeleteAgent, ReviseAgent
from commands.authorization import Caller, MissingScope
from commands.decisions import VersionMismatch
from commands.dispatch import (
    ATTEMPTS_MAX,
    CommandInProgress,
    Contended,
    IdempotencyKeyReused,
)
from commands.ports import AnyAggregate
from commands.tenants import CreateTenant
from domain.agents import Agent, AgentNotFound
from domain.envelope import Envelope
from domain.errors import Unavailable
from domain.identifiers import JsonObject, TenantId
from tests.commands.fakes import FakeEventStore, World

PROFILE: JsonObject = {"name": "Writer", "model": "offline/echo"}


class RacedEventStore(FakeEventStore):
    """Somebody else revises every agent between its load and its append, for the first
    `races_count` loads.
    """

    def __init__(self, races_count: int) -> None:
        super().__init__()
        self.races_count = races_count

    async def load(
        self, kind: type[AnyAggregate], stream_id: UUID, tenant_id: TenantId
    ) -> AnyAggregate | None:
        loaded = await super().load(kind, stream_id, tenant_id)
        if self.races_count > 0:
            self.races_count -= 1
            rival = await super().load(Agent, stream_id, tenant_id)
            assert rival is not None
            rival.revise({"role": f"with {self.races_count} races to come"})
            await super().append([rival], Envelope(tenant_id, "api_key:rival"))
        return loaded


class SlowEventStore(FakeEventStore):
    """Its appends wait until they may go on."""

    def __init__(self) -> None:
        super().__init__()
        self.may_go_on = asyncio.Event()
        self.is_reached = asyncio.Event()

    async def append(self, *args, **kwargs):
        self.is_reached.set()
        await self.may_go_on.wait()
        return await super().append(*args, **kwargs)


class FailingEventStore(FakeEventStore):
    async def append(self, *args, **kwargs):  # noqa: ARG002 # It fails whatever it is given.
        raise Unavailable


async def an_agent(world: World) -> UUID:
    (created,) = await world.given(CreateAgent(PROFILE))
    return UUID(str(created["agent_id"]))


async def test_a_command_without_its_scope_is_refused_before_anything_is_read() -> None:
    world = World()
    with pytest.raises(MissingScope):
        await world.when(CreateAgent(PROFILE), caller=world.caller_with("read", "agents:execute"))
    assert world.store.appends_count == world.store.answers_read_count == 0


async def test_events_carry_the_actor_the_tenant_and_the_request() -> None:
    world = World()
    await world.when(CreateAgent(PROFILE))
    (envelope,) = world.store.envelopes
    assert (envelope.actor, envelope.tenant_id) == ("api_key:test", world.tenant_id)
    assert envelope.command_id == envelope.correlation_id is not None


async def test_a_fresh_idempotency_key_costs_no_read() -> None:
    world = World()
    await world.when(CreateAgent(PROFILE), key="k")
    assert world.store.answers_read_count == 0


async def test_the_same_key_is_answered_with_the_first_answer() -> None:
    world = World()
    first = await world.when(CreateAgent(PROFILE), key="k")
    again = await world.when(CreateAgent(PROFILE), key="k")
    assert (again.result, again.position) == (first.result, first.position)
    assert (first.is_replayed, again.is_replayed) == (False, True)
    assert world.store.topics == ["agent.created"]


async def test_the_order_of_members_does_not_make_another_request() -> None:
    world = World()
    await world.when(CreateAgent({"name": "Writer", "model": "offline/echo"}), key="k")
    again = await world.when(CreateAgent({"model": "offline/echo", "name": "Writer"}), key="k")
    assert again.is_replayed


async def test_the_same_key_with_another_request_is_refused() -> None:
    world = World()
    agent_id = await an_agent(world)
    await world.when(CreateAgent(PROFILE), key="k")
    for other in (CreateAgent({**PROFILE, "name": "Other"}), DeleteAgent(agent_id)):
        with pytest.raises(IdempotencyKeyReused):
            await world.when(other, key="k")
    assert world.store.topics == ["agent.created", "agent.created"]


async def test_the_same_key_of_another_caller_is_another_command() -> None:
    world = World()
    await world.when(CreateAgent(PROFILE), key="k")
    other = await world.when(
        CreateAgent(PROFILE), key="k", caller=world.caller_with("*", actor="api_key:other")
    )
    stranger = Caller("api_key:test", TenantId(world.ids.new()), frozenset({"*"}))
    third = await world.when(CreateAgent(PROFILE), key="k", caller=stranger)
    assert not other.is_replayed
    assert not third.is_replayed
    assert len(world.store.topics) == 3


async def test_a_retry_is_answered_although_it_would_be_refused_by_now() -> None:
    world = World()
    agent_id = await an_agent(world)
    first = await world.when(DeleteAgent(agent_id), key="k")
    again = await world.when(DeleteAgent(agent_id), key="k")
    assert (again.result, again.is_replayed) == (first.result, True)
    with pytest.raises(AgentNotFound):
        await world.when(DeleteAgent(agent_id), key="another")


async def test_a_retry_is_answered_although_it_would_change_nothing_by_now() -> None:
    world = World()
    agent_id = await an_agent(world)
    command = ReviseAgent(agent_id, {"name": "Poet"})
    first = await world.when(command, key="k")
    again = await world.when(command, key="k")
    assert (again.result, again.is_replayed) == (first.result, True)
    assert world.store.topics == ["agent.created", "agent.revised"]


async def test_a_retry_with_an_expected_version_is_answered_although_the_version_moved_on() -> None:
    world = World()
    agent_id = await an_agent(world)
    command = ReviseAgent(agent_id, {"name": "Poet"}, expected_version=1)
    first = await world.when(command, key="k")
    again = await world.when(command, key="k")
    assert (again.result, again.is_replayed) == (first.result, True)


async def test_a_refused_command_is_decided_anew_when_it_is_sent_again() -> None:
    world = World()
    agent_id = await an_agent(world)
    await world.given(ReviseAgent(agent_id, {"name": "Poet"}))
    command = ReviseAgent(agent_id, {"name": "Critic"}, expected_version=1)
    for _ in range(2):
        with pytest.raises(VersionMismatch):
            await world.when(command, key="k")
    assert world.store.topics == ["agent.created", "agent.revised"]


async def test_a_failed_append_leaves_the_key_free() -> None:
    failing = World(FailingEventStore())
    for _ in range(2):
        with pytest.raises(Unavailable):
            await failing.when(CreateAgent(PROFILE), key="k")


async def test_the_same_key_while_the_first_request_runs_is_refused() -> None:
    store = SlowEventStore()
    world = World(store)
    first = asyncio.create_task(world.when(CreateAgent(PROFILE), key="k"))
    async with asyncio.timeout(60):
        await store.is_reached.wait()
    with pytest.raises(CommandInProgress):
        await world.when(CreateAgent(PROFILE), key="k")
    store.may_go_on.set()
    assert not (await first).is_replayed
    assert (await world.when(CreateAgent(PROFILE), key="k")).is_replayed


async def test_of_two_processes_with_one_key_both_give_the_first_answer() -> None:
    store = SlowEventStore()
    worlds = [World(store), World(store)]
    tasks = [
        asyncio.create_task(world.when(CreateAgent(PROFILE), key="k", caller=worlds[0].caller))
        for world in worlds
    ]
    store.may_go_on.set()
    one, other = await asyncio.gather(*tasks)
    assert one.result == other.result
    assert sorted([one.is_replayed, other.is_replayed]) == [False, True]


async def test_a_command_is_decided_again_when_somebody_else_wrote_first() -> None:
    world = World(RacedEventStore(races_count=2))
    agent_id = await an_agent(world)
    answer = await world.when(ReviseAgent(agent_id, {"name": "Poet"}))
    assert answer.result["agent_version"] == 4
    assert world.store.topics == ["agent.created", *["agent.revised"] * 3]


async def test_a_command_with_an_expected_version_is_not_decided_again() -> None:
    world = World(RacedEventStore(races_count=1))
    agent_id = await an_agent(world)
    with pytest.raises(VersionMismatch):
        await world.when(ReviseAgent(agent_id, {"name": "Poet"}, expected_version=1))


async def test_deciding_again_has_an_end() -> None:
    world = World(RacedEventStore(races_count=ATTEMPTS_MAX))
    agent_id = await an_agent(world)
    with pytest.raises(Contended):
        await world.when(ReviseAgent(agent_id, {"name": "Poet"}))


async def test_nothing_changed_has_no_position() -> None:
    world = World()
    agent_id = await an_agent(world)
    answer = await world.when(ReviseAgent(agent_id, PROFILE))
    assert answer.position is None
    assert world.store.topics == ["agent.created"]


async def test_a_secret_is_not_in_the_recorded_fingerprint() -> None:
    world = World()
    first = await world.when(
        CreateTenant("Acme", "ada@example.com", "a long password"), key="k", caller=world.operator
    )
    again = await world.when(
        CreateTenant("Acme", "ada@example.com", "another password"), key="k", caller=world.operator
    )
    assert again.is_replayed
    assert again.result["tenant_id"] == first.result["tenant_id"]
