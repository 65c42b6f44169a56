"""The event store against a model of it, on the fake and on PostgreSQL: what was acknowledged is
there, whole and in order, and nothing else is.
"""

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass, field
from typing import Any, TypeVar
from uuid import UUID

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    rule,
    run_state_machine_as_test,
)

from commands.ports import DuplicateCommand, EventStore
from domain.agents import Agent
from domain.errors import Stale
from domain.identifiers import TenantId
from tests.commands.event_store_contract import a_record, an_agent, an_envelope, new_id
from tests.commands.fakes import FakeEventStore
from tests.effort import EFFORT
from tests.infra.conftest import Conninfo, build_parts, conninfo

__all__ = ["conninfo"]

Answer = TypeVar("Answer")

FAKE = settings(max_examples=100, stateful_step_count=30, deadline=None)
REAL = settings(
    max_examples=20 * EFFORT,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)


@dataclass(eq=False)
class Copy:
    """An agent as somebody read it; version: at that time."""

    agent: Agent
    version: int


@dataclass(eq=False)
class Told:
    """What was acknowledged: the roles of each stream by version, and the answers by command."""

    roles: dict[UUID, list[str | None]] = field(default_factory=dict)
    answers: dict[UUID, bytes] = field(default_factory=dict)


class EventStoreMachine(RuleBasedStateMachine):
    """Several writers that read, decide and append, each with the copy that it has."""

    streams = Bundle("streams")
    copies = Bundle("copies")
    command_ids = Bundle("command_ids")

    def __init__(self, loop: asyncio.AbstractEventLoop, store: EventStore) -> None:
        super().__init__()
        self.loop = loop
        self.store = store
        self.told = Told()
        self.count = 0

    @initialize()
    def begin(self) -> None:
        self.tenant_id, self.other_tenant_id = TenantId(new_id()), TenantId(new_id())

    @rule(target=streams)
    def create(self) -> UUID:
        agent = an_agent()
        self._do(self.store.append([agent], an_envelope(self.tenant_id)))
        self.told.roles[agent.id] = [None]
        return agent.id

    @rule(target=copies, stream_id=streams)
    def read_to_write(self, stream_id: UUID) -> Copy:
        return self._read(stream_id)

    def _read(self, stream_id: UUID) -> Copy:
        agent = self._do(self.store.load(Agent, stream_id, self.tenant_id))
        assert agent is not None
        # The store may hand this object out only once: what others read must not change with it.
        roles = [agent.profile(n)[1]["role"] for n in range(1, agent.version + 1)]
        assert roles == self.told.roles[stream_id]
        return Copy(agent, agent.version)

    @rule(stream_id=streams)
    def read_as_another_tenant(self, stream_id: UUID) -> None:
        assert self._do(self.store.load(Agent, stream_id, self.other_tenant_id)) is None

    @rule(target=command_ids)
    def think_of_a_command(self) -> UUID:
        return new_id()

    @rule(copy=copies, changes=st.integers(1, 4))
    def append(self, copy: Copy, changes: int) -> None:
        self._append([copy], changes, None)

    @rule(copy=copies, command_id=command_ids)
    def append_for_a_command(self, copy: Copy, command_id: UUID) -> None:
        self._append([copy], 1, command_id)

    @rule(one=copies, other=copies, command_id=command_ids)
    def append_to_two(self, one: Copy, other: Copy, command_id: UUID) -> None:
        if one.agent.id != other.agent.id:
            self._append([one, other], 2, command_id)

    @rule(command_id=command_ids)
    def ask_again(self, command_id: UUID) -> None:
        recorded = self._do(self.store.recorded_answer(self.tenant_id, command_id))
        assert (recorded.fingerprint if recorded else None) == self.told.answers.get(command_id)

    @rule(stream_id=streams)
    def write_at_the_same_time(self, stream_id: UUID) -> None:
        """Of those who append at the same version, one succeeds."""
        first, second = (self._read(stream_id) for _ in range(2))
        one, other = self._changed(first, 1), self._changed(second, 1)
        results = self._do(self._both_append(first, second))
        assert sorted(isinstance(result, Stale) for result in results) == [False, True], results
        won = one if not isinstance(results[0], Stale) else other
        self.told.roles[stream_id] += won

    def teardown(self) -> None:
        for stream_id, roles in self.told.roles.items():
            assert len(self._read(stream_id).agent.profiles) == len(roles)
        for command_id in self.told.answers:
            self.ask_again(command_id)

    async def _both_append(self, *copies: Copy) -> list[object]:
        envelope = an_envelope(self.tenant_id)
        appends = [self.store.append([copy.agent], envelope) for copy in copies]
        return list(await asyncio.gather(*appends, return_exceptions=True))

    def _append(self, copies: list[Copy], changes: int, command_id: UUID | None) -> None:
        roles = {copy.agent.id: self._changed(copy, changes) for copy in copies}
        is_stale = any(copy.version != len(self.told.roles[copy.agent.id]) for copy in copies)
        is_duplicate = command_id in self.told.answers
        fingerprint = str(self.count).encode().rjust(32)
        record = None if command_id is None else a_record(command_id, fingerprint)
        envelope = an_envelope(self.tenant_id, command_id)
        appending = self.store.append([copy.agent for copy in copies], envelope, command=record)
        try:
            self._do(appending)
        except (Stale, DuplicateCommand) as refusal:
            if not (is_stale if isinstance(refusal, Stale) else is_duplicate):
                raise
            # Whoever is refused reads again before they decide again.
            for copy in copies:
                self._renew(copy)
            return
        assert not is_stale
        assert not is_duplicate
        for copy in copies:
            self.told.roles[copy.agent.id] += roles[copy.agent.id]
            self._renew(copy)
        if command_id is not None:
            self.told.answers[command_id] = fingerprint

    def _changed(self, copy: Copy, changes: int) -> list[str | None]:
        roles: list[str | None] = []
        for _ in range(changes):
            self.count += 1
            roles.append(f"role {self.count}")
            copy.agent.revise({"role": roles[-1]})
        return roles

    def _renew(self, copy: Copy) -> None:
        fresh = self._read(copy.agent.id)
        copy.agent, copy.version = fresh.agent, fresh.version

    def _do(self, work: Awaitable[Answer]) -> Answer:
        async def done() -> Answer:
            return await work

        return self.loop.run_until_complete(done())


def _run(machine: Any, how: settings) -> None:
    """machine: makes one; hypothesis asks for the class, and takes whatever makes one."""
    run_state_machine_as_test(machine, settings=how)


@pytest.fixture
def loop() -> Any:
    with asyncio.Runner() as runner:  # Ends what is left running.
        yield runner.get_loop()


def test_the_fake_keeps_what_it_acknowledged(loop: asyncio.AbstractEventLoop) -> None:
    _run(lambda: EventStoreMachine(loop, FakeEventStore()), FAKE)


def test_postgresql_keeps_what_it_acknowledged(
    loop: asyncio.AbstractEventLoop, conninfo: Conninfo
) -> None:
    built = build_parts(conninfo)
    parts = loop.run_until_complete(built.__aenter__())
    try:
        _run(lambda: EventStoreMachine(loop, parts.store), REAL)
    finally:
        loop.run_until_complete(built.__aexit__(None, None, None))
