"""The operator says what an attempt used that was cut off."""

from uuid import UUID

import orjson
import pytest

from commands.authorization import Caller, MissingScope
from commands.deadline_port import StoredDeadline
from commands.execution_usage import (
    EmbeddingCallNotFound,
    ImportUsageReport,
    LeaveEmbeddingUnresolved,
    ReportedUsage,
    ResolveUsage,
)
from domain.embedding_calls import EmbeddingCall
from domain.envelope import Envelope
from domain.executions import ExecutionNotFound
from domain.usage import UsageNotUnresolved
from tests.commands.fakes import World
from tests.commands.usage_steps import a_cut_off_call

REASON = "the provider's report"


def resolve(world: World, execution_id: UUID, **usage: int) -> ResolveUsage:
    model = "openai/gpt-4o"
    return ResolveUsage(world.tenant_id, execution_id, "draft", 1, model, usage, REASON)


async def test_what_a_cut_off_attempt_used_is_priced_and_recorded_once() -> None:
    world = World()
    execution_id = await a_cut_off_call(world)
    answer = await world.when(
        resolve(world, execution_id, input_tokens=100, output_tokens=10), caller=world.operator
    )
    assert answer.result["is_priced"] is True
    (event,) = [one for one in world.store.events if one.topic == "execution.usage_resolved"]
    state = orjson.loads(event.state)
    # gpt-4o: 2.50 and 10 USD a million.
    assert state["cost_usd_pico"] == 100 * 2_500_000 + 10 * 10_000_000
    assert (state["tokens_in"], state["tokens_out"]) == (100, 10)
    assert state["usage"]["source"] == "resolved"
    with pytest.raises(UsageNotUnresolved):
        await world.when(resolve(world, execution_id), caller=world.operator)


async def test_an_attempt_that_was_not_billed_costs_nothing() -> None:
    world = World()
    execution_id = await a_cut_off_call(world)
    await world.when(resolve(world, execution_id), caller=world.operator)
    (event,) = [one for one in world.store.events if one.topic == "execution.usage_resolved"]
    assert orjson.loads(event.state)["usage"]["lines"] == [["requests", 1, 0]]


async def test_what_is_known_is_not_changed() -> None:
    world = World()
    execution_id = await a_cut_off_call(world)
    command = ResolveUsage(world.tenant_id, execution_id, "draft", 2, "m/a", {}, REASON)
    with pytest.raises(UsageNotUnresolved):
        await world.when(command, caller=world.operator)


async def test_a_tenant_does_not_say_what_it_owes() -> None:
    world = World()
    execution_id = await a_cut_off_call(world)
    with pytest.raises(MissingScope):
        await world.when(resolve(world, execution_id))


async def test_the_execution_of_another_tenant_is_not_found() -> None:
    world = World()
    execution_id = await a_cut_off_call(world)
    command = ResolveUsage(world.ids.new(), execution_id, "draft", 1, "m/a", {}, REASON)
    with pytest.raises(ExecutionNotFound):
        await world.when(command, caller=world.operator)


async def test_a_report_resolves_what_it_has_and_says_what_does_not_match() -> None:
    """Nothing is resolved twice, however often it is sent, or has the same call."""
    world = World()
    one, other = await a_cut_off_call(world), await a_cut_off_call(world)
    stranger = world.ids.new()
    used = {"input_tokens": 100}
    requests = [f"{one}:draft:1", f"{other}:draft:1", f"{one}:draft:1", f"{one}:draft:2"]
    requests += [f"{stranger}:draft:1", "x:draft:1", f"{one}:draft:first", "nonsense"]
    entries = [ReportedUsage(request, "openai/gpt-4o", used) for request in requests]
    command = ImportUsageReport(world.tenant_id, entries, REASON)
    answer = await world.when(command, caller=world.operator)
    codes = ["usage_not_unresolved", "usage_not_unresolved", "not_found", *["bad_request_id"] * 3]
    missed = [
        {"request_id": request, "code": code}
        for request, code in zip(requests[2:], codes, strict=True)
    ]
    assert answer.result == {"resolved": 2, "not_matched": missed}
    resolved = [one for one in world.store.events if one.topic == "execution.usage_resolved"]
    assert {event.originator_id for event in resolved} == {one, other}
    again = await world.when(command, caller=world.operator)
    assert again.result["resolved"] == 0
    assert len([e for e in world.store.events if e.topic == "execution.usage_resolved"]) == 2


async def test_a_report_resolves_nothing_of_another_tenant() -> None:
    world = World()
    execution_id = await a_cut_off_call(world)
    entry = ReportedUsage(f"{execution_id}:draft:1", "openai/gpt-4o", {})
    command = ImportUsageReport(world.ids.new(), [entry], REASON)
    answer = await world.when(command, caller=world.operator)
    assert answer.result["resolved"] == 0
    with pytest.raises(MissingScope):
        await world.when(ImportUsageReport(world.tenant_id, [entry], REASON))


async def an_embedding(world: World, *, is_over: bool = True) -> UUID:
    call = EmbeddingCall(
        id=world.ids.new(),
        purpose="search",
        model="openai/text-embedding-3-small",
        happened_at="2026-01-01T00:00:00+00:00",
        created_by="user:ada",
        reserved=None,
        usage=None,
        counters=[],
    )
    if is_over:
        call.leave_unresolved("interrupted", "nobody told")
    await world.store.append([call], Envelope(world.tenant_id, "user:ada"))
    return call.id


async def test_a_text_whose_call_nobody_told_the_end_of_is_resolved_as_an_attempt_is() -> None:
    world = World()
    one, other = await an_embedding(world), await an_embedding(world)
    model, used = "openai/text-embedding-3-small", {"embedding_tokens": 100}
    place = (world.tenant_id, one, "search", 1)
    answer = await world.when(ResolveUsage(*place, model, used, REASON), caller=world.operator)
    assert answer.result["is_priced"] is True
    requests = [f"{other}:search:1", f"{one}:search:1", f"{other}:template:1"]
    entries = [ReportedUsage(request, model, used) for request in requests]
    report = ImportUsageReport(world.tenant_id, entries, REASON)
    answer = await world.when(report, caller=world.operator)
    assert answer.result["resolved"] == 1
    resolved = [one for one in world.store.events if one.topic == "embedding_call.usage_resolved"]
    assert [event.originator_id for event in resolved] == [one, other]
    # 0.02 USD a million.
    assert {orjson.loads(event.state)["cost_usd_pico"] for event in resolved} == {2_000_000}


async def test_a_call_whose_maker_is_gone_is_unresolved_when_its_time_has_come() -> None:
    world = World()
    call_id = await an_embedding(world, is_over=False)
    worker = Caller("worker:1", world.tenant_id, frozenset({"deadlines:meet"}))
    for _ in range(2):
        await world.when(LeaveEmbeddingUnresolved(call_id), caller=worker)
    assert world.store.topics[-1] == "embedding_call.usage_unresolved"
    assert world.store.topics.count("embedding_call.usage_unresolved") == 1
    assert world.store.side_rows == [StoredDeadline("embedding", call_id, None)]
    with pytest.raises(MissingScope):
        await world.when(LeaveEmbeddingUnresolved(call_id))
    with pytest.raises(EmbeddingCallNotFound):
        await world.when(LeaveEmbeddingUnresolved(world.ids.new()), caller=worker)
