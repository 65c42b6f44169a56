"""A store that cannot be reached while a runner reads what its attempt needs."""

from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from commands.agents import CreateAgent
from commands.workflows import CreateWorkflow
from domain.attempts import Attempt, Failure
from domain.errors import Unavailable
from domain.identifiers import JsonObject
from infra.models.offline import OfflineModels
from sagas.attempts import perform
from sagas.effects import ChildWanted, Outcome, Run
from sagas.nodes import RUNNERS
from tests.commands.fakes import FakeEventStore, World
from tests.sagas.steps import ToldHttp, effects_of, one_call
from tests.simulation.loop import in_virtual_time

LONG_S = 60.0
SHORT_S = 0.05
HEARTBEAT_S = 0.4


class UnreachableStore(FakeEventStore):
    """The next loads fail, as many as `failures_left` says."""

    def __init__(self) -> None:
        super().__init__()
        self.failures_left = 0

    async def load(self, *args: Any) -> Any:
        if self.failures_left:
            self.failures_left -= 1
            raise Unavailable
        return await super().load(*args)


class Outage:
    """A world whose store will not answer while an attempt of this node type begins."""

    def __init__(self) -> None:
        self.store = UnreachableStore()
        self.world = World(self.store)

    async def request(self, node_type: str) -> JsonObject:
        if node_type == "agent":
            profile: JsonObject = {"name": "a", "model": "offline/echo"}
            (agent,) = await self.world.given(CreateAgent(profile=profile))
            return {"agent_id": agent["agent_id"], "input": "why?"}
        (workflow,) = await self.world.given(
            CreateWorkflow(name="w", description=None, is_public=False, definition=one_call())
        )
        policy: JsonObject = {"wait": True, "on_parent_close": "cancel"}
        return {"workflow_id": workflow["workflow_id"], "input": None, **policy}

    async def outcome(self, attempt: Attempt, *, failures: int) -> Outcome | ChildWanted | Failure:
        request = await self.request(attempt.node_type)
        self.store.failures_left = failures
        effects = effects_of(self.world, OfflineModels(), ToldHttp())
        run = Run(self.world.tenant_id, UUID(int=7))
        return await perform(replace(attempt, request=request), run, effects, RUNNERS)


def an_attempt(
    node_type: str, timeout_s: float = LONG_S, heartbeat_s: float | None = None
) -> Attempt:
    return Attempt("it", node_type, 1, {}, timeout_s, "key", heartbeat_s=heartbeat_s)


@pytest.mark.parametrize(
    ("node_type", "outcome"), [("agent", Outcome), ("sub_workflow", ChildWanted)]
)
@in_virtual_time
async def test_an_attempt_waits_for_the_store(node_type: str, outcome: type) -> None:
    assert isinstance(await Outage().outcome(an_attempt(node_type), failures=1), outcome)


@pytest.mark.parametrize("node_type", ["agent", "sub_workflow"])
@in_virtual_time
async def test_an_attempt_whose_time_is_over_may_be_made_again(node_type: str) -> None:
    ended = await Outage().outcome(an_attempt(node_type, timeout_s=SHORT_S), failures=1)
    assert isinstance(ended, Failure)
    assert (ended.code, ended.is_retryable) == ("unavailable", True)


@in_virtual_time
async def test_waiting_for_the_store_is_a_sign_of_life() -> None:
    attempt = an_attempt("sub_workflow", heartbeat_s=HEARTBEAT_S)
    assert isinstance(await Outage().outcome(attempt, failures=3), ChildWanted)
