"""Runs on the fakes, driven as far as a test needs by what a worker would do."""

from collections.abc import Callable
from itertools import pairwise
from uuid import UUID

from commands.execution_families import rows_of
from commands.executions import ExecuteWorkflow
from commands.pinned_definitions import pinned_definition
from commands.workflows import CreateWorkflow, ReviseWorkflow
from domain.attempts import Attempt, Failure, Usage
from domain.envelope import Envelope
from domain.execution_outcomes import complete_node, fail_node
from domain.execution_steps import advance
from domain.executions import Execution
from domain.identifiers import Json, JsonObject
from tests.commands.fakes import World

REFUSED = Failure("invalid", "no")
UNDO: JsonObject = {"type": "llm", "config": {"model": "offline/echo", "prompt": "undo"}}


def a_chain(*nodes: JsonObject) -> JsonObject:
    """Start -> the nodes -> end."""
    ids = ["start", *(str(node["id"]) for node in nodes), "end"]
    edges: list[Json] = [{"from": source, "to": target} for source, target in pairwise(ids)]
    ends: list[JsonObject] = [{"id": "start", "type": "start"}, {"id": "end", "type": "end"}]
    return {"nodes": [*ends, *nodes], "edges": edges}


def an_llm(node_id: str, **fields: Json) -> JsonObject:
    config: JsonObject = {"model": "offline/echo", "prompt": "Hello"}
    return {"id": node_id, "type": "llm", "config": config, **fields}


async def a_run(world: World, definition: JsonObject, given: Json = None) -> UUID:
    """A new execution of a new workflow, nothing of it done."""
    (workflow,) = await world.given(
        CreateWorkflow("Flow", None, is_public=False, definition=definition)
    )
    workflow_id = UUID(str(workflow["workflow_id"]))
    (begun,) = await world.given(ExecuteWorkflow(workflow_id, given))
    return UUID(str(begun["execution_id"]))


async def revised(world: World, execution_id: UUID, definition: JsonObject) -> None:
    """One more version of the workflow that it runs."""
    execution = await loaded(world, execution_id)
    await world.given(ReviseWorkflow(UUID(str(execution.workflow_id)), {"definition": definition}))


async def loaded(world: World, execution_id: UUID) -> Execution:
    execution = await world.store.load(Execution, execution_id, world.tenant_id)
    assert execution is not None
    return execution


async def worked(
    world: World, execution_id: UUID, outcome: Callable[[Attempt], Json | Failure] | None = None
) -> Execution:
    """What a worker does until nothing is to be done. outcome: of its attempts; without it, they
    stay under way.
    """
    execution = await loaded(world, execution_id)
    definition = await pinned_definition(world.store, world.tenant_id, execution.definition_hash)
    now = world.clock.now()
    attempts = advance(execution, definition, now=now)
    while attempts and outcome is not None:
        for attempt in attempts:
            result = outcome(attempt)
            if isinstance(result, Failure):
                fail_node(
                    execution, definition, attempt.path, attempt.number, failure=result, now=now
                )
            else:
                complete_node(execution, attempt.path, attempt.number, result, usage=Usage())
        attempts = advance(execution, definition, now=now)
    envelope = Envelope(world.tenant_id, "worker:1")
    await world.store.append([execution], envelope, side_rows=rows_of(execution))
    return await loaded(world, execution_id)


def done(_attempt: Attempt) -> Json:
    return "done"


def refused(*paths: str) -> Callable[[Attempt], Json | Failure]:
    """These fail for good, and everything else is done."""
    return lambda attempt: REFUSED if attempt.path in paths else "done"
