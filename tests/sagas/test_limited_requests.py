"""Requests of `http` nodes, and calls of one workflow, that wait for their turn under a limit."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from uuid import UUID

import pytest

from commands.executions import ExecuteWorkflow
from commands.workflows import CreateWorkflow
from domain.call_limits import type_scope
from domain.identifiers import JsonObject
from sagas import limiting
from sagas.limiting import WAIT_S_MAX
from tests.domain.given import a_graph, a_node, an_llm
from tests.sagas.limited import HeldHttp, Limited, requesting
from tests.sagas.steps import read, until


@pytest.fixture
async def limited(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Limited]:
    for name in ("LOOK_MIN_S", "LOOK_MAX_S", "LOOK_LATEST_S", "AGAIN_S"):
        monkeypatch.setattr(limiting, name, 0.01)
    async with AsyncExitStack() as stack:
        yield Limited(stack)


@pytest.fixture
def http(limited: Limited) -> HeldHttp:
    held = HeldHttp()
    parts = limited.worker.saga.parts
    parts.effects = replace(parts.effects, http=held)
    return held


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_requests_of_http_nodes_are_made_one_after_the_other(
    limited: Limited, http: HeldHttp, method: str
) -> None:
    await limited.begins(concurrent_http_calls=1)
    for _ in range(3):
        await limited.runs(requesting(method))
    for place in range(3):
        if place < 2:
            await limited.waits(type_scope(limited.world.tenant_id, "http"))
        await http.answers(place)
    await limited.ends(3)
    assert "execution.node_failed" not in limited.world.store.topics
    await until(lambda: len(limited.places.ended) == 3, "not settled")
    assert limited.places.held == {}


async def test_requests_and_models_do_not_take_each_others_places(
    limited: Limited, http: HeldHttp
) -> None:
    await limited.begins(concurrent_http_calls=1, concurrent_calls=1)
    await limited.runs(requesting("POST"))
    await until(lambda: bool(http.requests), "no request was made")
    await limited.runs()
    await limited.asked(1)
    assert {tuple(scopes) for scopes in limited.places.held.values()} == {
        (type_scope(limited.world.tenant_id, "http"),),
        (limited.world.tenant_id,),
    }


async def test_without_a_limit_of_its_own_a_request_asks_for_no_place(
    limited: Limited, http: HeldHttp
) -> None:
    await limited.begins(concurrent_calls=1)
    await limited.runs(requesting("GET"))
    await http.answers(0)
    await limited.ends(1)
    assert limited.places.takes_count == 0
    assert not {"execution.node_started", "execution.node_failed"} & {*limited.world.store.topics}


async def test_a_workflow_says_how_many_calls_its_runs_make_at_once(
    limited: Limited, http: HeldHttp
) -> None:
    await limited.begins()
    both = a_graph(
        [an_llm("call"), a_node("http", "ask", method="GET", url="https://example.org/")],
        ["start -> call", "start -> ask", "call -> end", "ask -> end"],
    )
    mine = await a_workflow(limited, {**both, "concurrent_calls": 1})
    other = await a_workflow(limited, both)
    await limited.world.given(ExecuteWorkflow(mine, None))
    await limited.worker.deliver()
    await limited.waits(mine)
    assert len(limited.models.calls) + len(http.requests) == 1
    await limited.world.given(ExecuteWorkflow(mine, None), ExecuteWorkflow(other, None))
    await limited.worker.deliver()
    await until(lambda: len(limited.models.calls) + len(http.requests) == 3, "the other's")
    assert limited.slots.lines.lengths() == {mine: 3}
    assert [*limited.places.held.values()] == [[mine]]


async def test_a_request_that_waits_for_too_long_says_for_what(
    limited: Limited, http: HeldHttp
) -> None:
    await limited.begins(concurrent_http_calls=1)
    await limited.runs(requesting("POST", timeout_s=WAIT_S_MAX * 2))
    await until(lambda: bool(http.requests), "no request was made")
    await limited.runs(requesting("POST", timeout_s=7, retry={"max_attempts": 1}))
    await limited.waits(type_scope(limited.world.tenant_id, "http"))
    limited.world.clock.pass_time(seconds=8)
    await limited.ends(1)
    (failed,) = [e for e in limited.world.store.events if e.topic == "execution.node_failed"]
    said = b"the limits of the tenant did not allow the call within 7 s: concurrent_http_calls"
    assert said in failed.state
    assert len(http.requests) == 1


async def test_what_undoes_waits_until_it_is_its_turn(limited: Limited, http: HeldHttp) -> None:
    await limited.begins(concurrent_http_calls=1)
    await limited.runs(requesting("POST", timeout_s=WAIT_S_MAX * 9))
    await until(lambda: bool(http.requests), "no request was made")
    undo = {"type": "http", "config": {"method": "DELETE", "url": "https://example.org/book"}}
    booked = [an_llm("book", compensate=undo), an_llm("last")]
    run_id = await limited.runs(a_graph(booked, ["start -> book", "book -> last", "last -> end"]))
    await limited.asked(1)
    limited.models.answer(0, "7")
    await limited.asked(2)
    limited.models.fail(1, retryable=False)
    await limited.waits(type_scope(limited.world.tenant_id, "http"))
    takes = limited.places.takes_count
    limited.world.clock.pass_time(seconds=WAIT_S_MAX * 8)
    await until(lambda: limited.places.takes_count > takes, "nobody looked again")
    await http.answers(0)
    await http.answers(1)
    await until(lambda: "execution.compensated" in limited.world.store.topics, "not undone")
    run = await read(limited.world, run_id)
    assert run.runs.get("book/compensate").attempt == 1


async def test_a_call_that_waits_for_its_workflow_for_too_long_says_so(limited: Limited) -> None:
    await limited.begins()
    waits = a_graph([an_llm("call", timeout_s=7)], ["start -> call", "call -> end"])
    workflow_id = await a_workflow(limited, {**waits, "concurrent_calls": 1})
    for _ in range(2):
        await limited.world.given(ExecuteWorkflow(workflow_id, None))
        await limited.worker.deliver()
    await limited.waits(workflow_id)
    limited.world.clock.pass_time(seconds=8)
    await until(lambda: "execution.node_failed" in limited.world.store.topics, "it waits on")
    failed = next(e for e in limited.world.store.events if e.topic == "execution.node_failed")
    assert b"the limits of the workflow did not allow the call within 7 s" in failed.state


async def a_workflow(limited: Limited, definition: JsonObject) -> UUID:
    command = CreateWorkflow("W", description=None, is_public=False, definition=definition)
    (told,) = await limited.world.given(command)
    return UUID(str(told["workflow_id"]))
