"""Who was asked decides, once, and the edits fit the form."""

from uuid import UUID

import pytest

from commands.approvals import DecideApproval
from commands.authorization import Caller
from domain.errors import Invalid
from domain.execution_commands import ApprovalDecidedAlready, ApprovalNotFound, NotAnAssignee
from domain.identifiers import Json, JsonObject
from tests.commands.fakes import World
from tests.commands.steps import a_chain, a_run, worked

ADA = UUID("019a0000-0000-7000-8000-00000000ada0")
FORM: JsonObject = {
    "type": "object",
    "properties": {"amount": {"type": "number"}},
    "additionalProperties": False,
}


def an_approval(**config: Json) -> JsonObject:
    """Start -> ok -> end, whatever is decided."""
    node: JsonObject = {"id": "ok", "type": "approval", "config": {"title": "Pay?", **config}}
    chain = a_chain(node)
    return {
        "nodes": chain["nodes"],
        "edges": [
            {"from": "start", "to": "ok"},
            {"from": "ok", "port": "approved", "to": "end"},
            {"from": "ok", "port": "rejected", "to": "end"},
        ],
    }


async def asked(world: World, **config: Json) -> UUID:
    execution_id = await a_run(world, an_approval(**config))
    assert (await worked(world, execution_id)).status == "WAITING"
    return execution_id


async def test_a_decision_ends_the_wait() -> None:
    world = World()
    execution_id = await asked(world, form_schema=FORM)
    decision = DecideApproval(execution_id, "ok", "approve", "fine", {"amount": 90})
    assert (await world.when(decision)).result["status"] == "RUNNING"
    execution = await worked(world, execution_id)
    assert execution.status == "COMPLETED"
    assert execution.runs.get("ok").output == {
        "decision": "approve",
        "comment": "fine",
        "edits": {"amount": 90},
        "decided_by": "api_key:test",
    }


async def test_edits_that_do_not_fit_the_form_decide_nothing() -> None:
    world = World()
    execution_id = await asked(world, form_schema=FORM)
    with pytest.raises(Invalid) as refusal:
        await world.when(DecideApproval(execution_id, "ok", "approve", None, {"amount": "90"}))
    assert [mistake.path for mistake in refusal.value.errors] == ["/edits/amount"]
    assert "execution.approval_decided" not in world.store.topics


async def test_only_those_who_were_asked_decide() -> None:
    world = World()
    execution_id = await asked(world, assignees=[f"user:{ADA}", "api_key:robot"])
    decision = DecideApproval(execution_id, "ok", "reject")
    with pytest.raises(NotAnAssignee):
        await world.when(decision)
    adas_key = Caller("api_key:hers", world.tenant_id, world.caller.scopes, user_id=ADA)
    assert (await world.when(decision, caller=adas_key)).result["status"] == "RUNNING"


async def test_a_key_can_be_asked_itself() -> None:
    world = World()
    execution_id = await asked(world, assignees=["api_key:robot"])
    robot = world.caller_with("approvals:decide", actor="api_key:robot")
    await world.when(DecideApproval(execution_id, "ok", "approve"), caller=robot)


async def test_a_decision_is_made_once() -> None:
    world = World()
    execution_id = await asked(world)
    await world.given(DecideApproval(execution_id, "ok", "approve"))
    with pytest.raises(ApprovalDecidedAlready):
        await world.when(DecideApproval(execution_id, "ok", "reject"))


async def test_nothing_else_of_a_run_is_decided() -> None:
    world = World()
    execution_id = await asked(world)
    for path in ("start", "nothing", "map[0]/ok"):
        with pytest.raises(ApprovalNotFound):
            await world.when(DecideApproval(execution_id, path, "approve"))


async def test_an_approval_inside_of_a_body_is_named_by_its_path() -> None:
    world = World()
    body: JsonObject = an_approval()
    each: JsonObject = {
        "id": "map",
        "type": "map",
        "config": {"over": "{{ [1, 2] }}", "body": body},
    }
    execution_id = await a_run(world, a_chain(each))
    await worked(world, execution_id)
    for index in (1, 0):
        await world.given(DecideApproval(execution_id, f"map[{index}]/ok", "approve"))
    assert (await worked(world, execution_id)).status == "COMPLETED"
