"""Runs that a run begins count like those that a client begins; where there is no room for one, its
node fails and may try again.
"""

from typing import Any
from uuid import UUID

from commands.admission_port import TooManyOpenExecutions
from commands.plan_port import AdmittedExecution, NobodyLimited, TenantPlan
from commands.workflows import CreateWorkflow
from domain.identifiers import JsonObject, TenantId
from domain.plans import STANDARD_ID
from domain.quotas import ExecutionQuotaReached
from tests.commands.fakes import World
from tests.domain.given import a_graph, a_node
from tests.sagas.steps import Worker, an_execution, one_call, read, topics_of, until
from tests.sagas.test_sleeping_runs import with_timers

CHILD_STARTED = "execution.child_started"


class Limited(NobodyLimited):
    def known(self, tenant_id: TenantId) -> TenantPlan:
        del tenant_id
        return TenantPlan(STANDARD_ID, 1, "Small", {"concurrent_executions": 3})


def without_room(world: World, *, from_child: int) -> list[int]:
    """The store refuses appends with so many new runs, as the database does. How many each had."""
    counts: list[int] = []
    append = world.store.append

    async def limited(*given: Any, side_rows: Any = (), **more: Any) -> Any:
        counts.append(sum(row == AdmittedExecution() for row in side_rows))
        if counts[-1] >= from_child:
            raise ExecutionQuotaReached("The plan Small allows 3.", retry_after_s=5.0)
        return await append(*given, side_rows=side_rows, **more)

    world.store.append = limited
    return counts


async def a_working_parent(world: World, map_over: int, **sub: Any) -> tuple[Worker, UUID]:
    """That begins a child for each of so many elements at once."""
    made = CreateWorkflow(name="child", description=None, is_public=False, definition=one_call())
    (workflow,) = await world.given(made)
    node = {**a_node("sub_workflow", "sub", workflow_id=str(workflow["workflow_id"])), **sub}
    body: JsonObject = a_graph([node], ["start -> sub", "sub -> end"])
    over = str(list(range(map_over)))
    each = a_node("map", "each", over=over, on_item_error="collect", body=body)
    parent_id = await an_execution(world, a_graph([each], ["start -> each", "each -> end"]))
    worker = Worker(world)
    worker.saga.parts.plans = Limited()
    await worker.own_everything()
    return worker, parent_id


async def test_a_child_for_which_there_is_no_room_fails_its_node_and_is_tried_again() -> None:
    world = World()
    retry = {"max_attempts": 2, "initial_backoff_s": 1}
    worker, parent_id = await a_working_parent(world, 1, retry=retry)
    world.admission.refusal = TooManyOpenExecutions(retry_after_s=60)
    await worker.deliver()
    await until(lambda: worker.saga.driven_count() == 0, "it waits for its second attempt")
    (failed,) = [e for e in world.store.events if e.topic == "execution.node_failed"]
    assert b"too_many_open_executions" in failed.state
    world.admission.refusal = None
    world.clock.pass_time(seconds=61)
    await with_timers(worker, lambda: CHILD_STARTED in topics_of(world, parent_id), "it begins")


async def test_as_many_children_begin_as_the_plan_has_room_for() -> None:
    world = World()
    counts = without_room(world, from_child=3)
    worker, parent_id = await a_working_parent(world, 8)
    await worker.deliver()
    await until(lambda: topics_of(world, parent_id).count("execution.node_failed") == 6, "the rest")
    assert [count for count in counts if count] == [8, 4, 2]
    assert topics_of(world, parent_id).count(CHILD_STARTED) == 2
    assert (await read(world, parent_id)).status == "WAITING"


async def test_where_there_is_no_room_at_all_the_run_comes_to_its_end() -> None:
    world = World()
    without_room(world, from_child=1)
    worker, parent_id = await a_working_parent(world, 4)
    await worker.deliver()
    await until(lambda: worker.saga.driven_count() == 0, "the parent ends")
    parent = await read(world, parent_id)
    output: Any = parent.output
    assert [one["code"] for one in output["errors"]] == ["execution_quota"] * 4
