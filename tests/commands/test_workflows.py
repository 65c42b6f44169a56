"""A workflow's definition is validated before anything is stored; every change is a new version."""

import asyncio
from itertools import pairwise
from uuid import UUID

import pytest

from commands.authorization import Caller
from commands.decisions import VersionMismatch
from commands.executions import ExecuteWorkflow
from commands.ports import StoredDefinition
from commands.sharing_port import ChangedPublicity
from commands.workflows import CreateWorkflow, DeleteWorkflow, ReviseWorkflow, WorkflowChanges
from domain.definitions import InvalidDefinition
from domain.identifiers import JsonObject, TenantId
from domain.workflows import WorkflowNotFound
from tests.commands.fakes import World

DEFINITION: JsonObject = {
    "nodes": [
        {"id": "start", "type": "start"},
        {"id": "draft", "type": "llm", "config": {"model": "offline/echo", "prompt": "Hello"}},
        {"id": "end", "type": "end", "config": {"output": "{{ nodes.draft.output.text }}"}},
    ],
    "edges": [{"from": "start", "to": "draft"}, {"from": "draft", "to": "end"}],
}
BROKEN: JsonObject = {
    "nodes": [
        {"id": "start", "type": "start"},
        {"id": "draft", "type": "telepathy"},
        {"id": "end", "type": "end"},
    ],
    "edges": [{"from": "start", "to": "draft"}, {"from": "draft", "to": "end"}],
}
ANSWER = CreateWorkflow("Answer", None, is_public=False, definition=DEFINITION)


async def a_workflow(world: World) -> UUID:
    (created,) = await world.given(ANSWER)
    return UUID(str(created["workflow_id"]))


async def test_a_definition_is_stored_under_its_hash_with_the_workflow() -> None:
    world = World()
    answer = await world.when(ANSWER)
    row, _ = world.store.side_rows
    assert isinstance(row, StoredDefinition)
    assert row.definition_hash == answer.result["definition_hash"]
    assert row.definition == world.store.states[0]["definition"]
    assert (answer.result["workflow_version"], answer.result["version"]) == (1, 1)


async def test_a_broken_definition_is_refused_with_places_in_the_request() -> None:
    world = World()
    workflow_id = await a_workflow(world)
    for command in (
        CreateWorkflow("Answer", None, is_public=False, definition=BROKEN),
        ReviseWorkflow(workflow_id, {"definition": BROKEN}),
    ):
        with pytest.raises(InvalidDefinition) as refusal:
            await world.when(command)
        assert [(error.path, error.code) for error in refusal.value.errors] == [
            ("/definition/nodes/1/type", "unknown_node_type")
        ]
    assert world.store.topics == ["workflow.created"]


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "Reply"},
        {"description": "Answers."},
        {"is_public": True},
        {"name": "Reply", "description": None, "is_public": True},
    ],
)
async def test_any_part_can_be_changed_alone(changes: WorkflowChanges) -> None:
    world = World()
    workflow_id = await a_workflow(world)
    answer = await world.when(ReviseWorkflow(workflow_id, changes))
    created, revised = world.store.states
    facts = ("name", "description", "is_public", "definition", "definition_hash")
    expected = {fact: created[fact] for fact in facts} | dict(changes)
    assert {fact: revised[fact] for fact in facts} == expected
    assert answer.result["workflow_version"] == revised["workflow_version"] == 2


async def test_a_large_definition_does_not_hold_up_the_event_loop() -> None:
    world = World()
    creating = asyncio.create_task(
        world.when(CreateWorkflow("Large", None, is_public=False, definition=a_chain_of(300)))
    )
    turns = 0
    async with asyncio.timeout(60):
        while not creating.done():
            turns += 1
            await asyncio.sleep(0)
    assert (await creating).result["workflow_version"] == 1
    assert turns > 10


async def test_a_new_definition_has_a_new_hash() -> None:
    world = World()
    (first,) = await world.given(ANSWER)
    nodes = DEFINITION["nodes"]
    assert isinstance(nodes, list)
    louder = {**DEFINITION, "nodes": [nodes[0], {**_node(nodes[1]), "timeout_s": 5}, nodes[2]]}
    answer = await world.when(
        ReviseWorkflow(UUID(str(first["workflow_id"])), {"definition": louder})
    )
    assert answer.result["definition_hash"] != first["definition_hash"]
    definitions = [row for row in world.store.side_rows if isinstance(row, StoredDefinition)]
    assert len(definitions) == 2


async def test_changing_nothing_makes_no_version() -> None:
    world = World()
    workflow_id = await a_workflow(world)
    for changes in (WorkflowChanges(), WorkflowChanges(definition=DEFINITION)):
        answer = await world.when(ReviseWorkflow(workflow_id, changes))
        assert (answer.result["workflow_version"], answer.position) == (1, None)


async def test_a_workflow_of_another_version_than_expected_is_refused() -> None:
    world = World()
    workflow_id = await a_workflow(world)
    await world.given(ReviseWorkflow(workflow_id, {"name": "Reply"}))
    with pytest.raises(VersionMismatch):
        await world.when(ReviseWorkflow(workflow_id, {"name": "Echo"}, expected_version=1))
    with pytest.raises(VersionMismatch):
        await world.when(DeleteWorkflow(workflow_id, expected_version=1))


async def test_a_deleted_or_foreign_workflow_is_unknown() -> None:
    world = World()
    workflow_id = await a_workflow(world)
    commands = (
        ReviseWorkflow(workflow_id, {"name": "Reply"}),
        ExecuteWorkflow(workflow_id, {}),
        DeleteWorkflow(workflow_id),
    )
    stranger = Caller("api_key:x", TenantId(world.ids.new()), frozenset({"*"}))
    for command in commands:
        with pytest.raises(WorkflowNotFound):
            await world.when(command, caller=stranger)
    await world.given(DeleteWorkflow(workflow_id))
    for command in commands:
        with pytest.raises(WorkflowNotFound):
            await world.when(command)
    assert world.store.topics == ["workflow.created", "workflow.deleted"]


def a_chain_of(nodes_count: int) -> JsonObject:
    config: JsonObject = {"model": "offline/echo", "prompt": "{{ input.question }}"}
    names = [f"draft{number}" for number in range(nodes_count)]
    path = ["start", *names, "end"]
    return {
        "nodes": [
            {"id": "start", "type": "start"},
            *({"id": name, "type": "llm", "config": config} for name in names),
            {"id": "end", "type": "end"},
        ],
        "edges": [{"from": one, "to": other} for one, other in pairwise(path)],
    }


def _node(node: object) -> JsonObject:
    assert isinstance(node, dict)
    return node


async def test_what_is_not_public_any_more_is_so_from_the_append_on() -> None:
    world = World()
    create = CreateWorkflow("w", None, is_public=True, definition=DEFINITION)
    made = await world.when(create)
    workflow_id = UUID(str(made.result["workflow_id"]))
    for is_public in (False, False, True):
        await world.when(ReviseWorkflow(workflow_id, {"is_public": is_public}))
    await world.when(ReviseWorkflow(workflow_id, {"name": "other"}))
    await world.when(DeleteWorkflow(workflow_id))
    changes = [row for row in world.store.side_rows if isinstance(row, ChangedPublicity)]
    assert changes == [ChangedPublicity(workflow_id, told) for told in (False, True, False)]
