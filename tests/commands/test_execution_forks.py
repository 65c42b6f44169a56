"""A fork is a new, open execution that has what was done before its node."""

from uuid import UUID

import pytest

from commands.admission_port import TooManyOpenExecutions
from commands.agents import CreateAgent, ExecuteAgent
from commands.execution_forks import ForkExecution
from commands.ports import OpenedExecution
from commands.workflows import DeleteWorkflow
from domain.envelope import Envelope
from domain.errors import Invalid
from domain.execution_commands import PayloadsGone, remove_payloads
from domain.identifiers import JsonObject
from domain.payloads import PAYLOAD_BYTES_MAX
from domain.workflows import WorkflowNotFound, WorkflowVersionNotFound
from tests.commands.fakes import World
from tests.commands.steps import a_chain, a_run, an_llm, done, loaded, refused, revised, worked

CHAIN = a_chain(an_llm("a"), an_llm("b"))
LONGER = a_chain(an_llm("a"), an_llm("b"), an_llm("c"))


async def test_a_fork_begins_open_with_copies_and_leaves_the_original_alone() -> None:
    world = World()
    original_id = await a_run(world, CHAIN, {"question": "Why?"})
    original = await worked(world, original_id, refused("b"))
    answer = await world.when(ForkExecution(original_id, "b"))
    fork_id = UUID(str(answer.result["execution_id"]))
    assert fork_id != original_id
    assert answer.result["status"] == "PENDING"
    assert world.store.side_rows[-1] == OpenedExecution(fork_id)
    assert world.store.topics[-3:] == ["execution.created", *["execution.node_copied"] * 2]
    created = world.store.states[-3]
    assert (created["forked_from_id"], created["forked_from_node"]) == (str(original_id), "b")
    assert (created["input"], created["created_by"]) == ({"question": "Why?"}, "api_key:test")
    assert (await worked(world, fork_id, done)).status == "COMPLETED"
    assert await loaded(world, original_id) == original


async def test_a_fork_may_have_an_input_of_its_own_null_too() -> None:
    world = World()
    original_id = await a_run(world, CHAIN, {"question": "Why?"})
    await worked(world, original_id, done)
    await world.given(ForkExecution(original_id, "b", None, has_input=True))
    created, start = world.store.states[-3:-1]
    assert created["input"] is None
    assert (start["path"], start["output"]) == ("start", None)


async def test_a_fork_may_run_another_version() -> None:
    world = World()
    original_id = await a_run(world, CHAIN)
    await worked(world, original_id, done)
    await revised(world, original_id, LONGER)
    answer = await world.when(ForkExecution(original_id, "c", workflow_version=2))
    fork_id = UUID(str(answer.result["execution_id"]))
    fork = await worked(world, fork_id)
    assert (fork.workflow_version, list(fork.runs.running)) == (2, ["c"])
    with pytest.raises(WorkflowVersionNotFound):
        await world.when(ForkExecution(original_id, "c", workflow_version=3))


async def test_a_fork_without_a_version_runs_though_the_workflow_was_deleted() -> None:
    world = World()
    original_id = await a_run(world, CHAIN)
    original = await worked(world, original_id, done)
    await world.given(DeleteWorkflow(UUID(str(original.workflow_id))))
    await world.given(ForkExecution(original_id, "a"))
    with pytest.raises(WorkflowNotFound):
        await world.when(ForkExecution(original_id, "a", workflow_version=1))


async def test_the_run_of_an_agent_is_forked_but_has_no_versions() -> None:
    world = World()
    profile: JsonObject = {"name": "Writer", "model": "offline/echo", "instructions": "Answer."}
    (agent,) = await world.given(CreateAgent(profile))
    (begun,) = await world.given(ExecuteAgent(UUID(str(agent["agent_id"])), "Why?"))
    original_id = UUID(str(begun["execution_id"]))
    await worked(world, original_id, done)
    await world.given(ForkExecution(original_id, "agent"))
    assert world.store.states[-2]["agent_id"] == agent["agent_id"]
    with pytest.raises(Invalid) as refusal:
        await world.when(ForkExecution(original_id, "agent", workflow_version=1))
    assert [mistake.path for mistake in refusal.value.errors] == ["/version"]


async def test_a_fork_needs_a_node_and_an_input_that_fits() -> None:
    world = World()
    original_id = await a_run(world, CHAIN)
    with pytest.raises(Invalid) as refusal:
        await world.when(ForkExecution(original_id, "z"))
    assert [mistake.path for mistake in refusal.value.errors] == ["/from_node"]
    with pytest.raises(Invalid) as refusal:
        await world.when(ForkExecution(original_id, "a", "x" * PAYLOAD_BYTES_MAX, has_input=True))
    assert [mistake.path for mistake in refusal.value.errors] == ["/input"]


async def test_a_fork_that_is_not_admitted_does_not_begin() -> None:
    world = World()
    original_id = await a_run(world, CHAIN)
    before = len(world.store.events)
    world.admission.refusal = TooManyOpenExecutions(retry_after_s=5)
    with pytest.raises(TooManyOpenExecutions):
        await world.when(ForkExecution(original_id, "a"))
    assert len(world.store.events) == before


async def test_one_idempotency_key_is_one_fork() -> None:
    world = World()
    original_id = await a_run(world, CHAIN)
    command = ForkExecution(original_id, "a")
    first = await world.when(command, key="once")
    assert (await world.when(command, key="once")).result == first.result


async def test_a_run_whose_payloads_were_removed_is_not_forked() -> None:
    world = World()
    original_id = await a_run(world, CHAIN)
    original = await worked(world, original_id, done)
    assert remove_payloads(original, 30)
    await world.store.append([original], Envelope(world.tenant_id, "worker:test"))
    with pytest.raises(PayloadsGone):
        await world.when(ForkExecution(original_id, "a"))
