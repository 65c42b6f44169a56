"""One person is erased: whoever works with a tenant, or whom it named in its runs."""

from uuid import UUID

import pytest

from commands.agents import CreateAgent, ExecuteAgent
from commands.authorization import MissingScope
from commands.decisions import Tenancy
from commands.execution_forks import ForkExecution
from commands.executions import ExecuteWorkflow
from commands.identity import ChangeUser, InviteUser, RenewInvitation
from commands.identity_port import StoredUserAccess
from commands.memberships import EmailTaken, membership_of
from commands.sealing_port import DestroyedSubjectKey
from commands.secrets import PutSecret
from commands.subjects import EraseDataSubject, EraseUser, ended
from commands.workflows import CreateWorkflow
from domain.administrators import LastAdministrator
from domain.errors import Invalid
from domain.executions import Execution
from domain.identifiers import JsonObject
from domain.identity import User, UserErased, UserNotFound
from domain.secrets import Secret, secret_id
from domain.subjects import NAME_CHARACTERS_MAX, DataSubjectErased, DataSubjectNotFound
from tests.commands.fakes import World
from tests.commands.steps import a_chain, an_llm

EMAIL = "grace@example.com"
PROFILE: JsonObject = {
    "name": "a",
    "role": None,
    "model": "offline/echo",
    "instructions": "help",
    "tools": [],
    "parameters": {},
}


async def invited(world: World, role: str = "USER", email: str = EMAIL) -> UUID:
    return UUID(str((await world.when(InviteUser(email, role, "Grace"))).result["user_id"]))


async def begun(world: World, name: str | None) -> UUID:
    made = await world.when(
        CreateWorkflow("chain", None, is_public=False, definition=a_chain(an_llm("draft")))
    )
    workflow_id = UUID(str(made.result["workflow_id"]))
    answer = await world.when(ExecuteWorkflow(workflow_id, {"q": "why"}, data_subject=name))
    return UUID(str(answer.result["execution_id"]))


async def test_the_event_and_the_end_of_the_key_are_one_append() -> None:
    world = World()
    user_id = await invited(world)
    before = len(world.store.events)
    answer = await world.when(EraseUser(user_id, "Grace@Example.com"))
    assert answer.result == {"user_id": str(user_id), "is_erased": True}
    (event,) = world.store.events[before:]
    assert event.topic == "user.erased"
    assert b"grace" not in event.state.lower()
    assert world.store.side_rows[-2:] == [
        StoredUserAccess(user_id, None, "USER", "DEACTIVATED"),
        DestroyedSubjectKey(user_id),
    ]
    again = await world.when(EraseUser(user_id, ""))
    assert (again.result, again.position) == (answer.result, None)


async def test_of_who_is_erased_nothing_changes_and_their_address_is_free_again() -> None:
    world = World()
    user_id = await invited(world)
    with pytest.raises(EmailTaken):
        await invited(world)
    await world.when(EraseUser(user_id, EMAIL))
    for command in (RenewInvitation(user_id), ChangeUser(user_id, {"is_active": True})):
        with pytest.raises(UserErased):
            await world.when(command)
    assert await invited(world) != user_id


async def test_nobody_is_erased_by_a_slip() -> None:
    world = World()
    user_id = await invited(world)
    with pytest.raises(Invalid) as refusal:
        await world.when(EraseUser(user_id, "ada@example.com"))
    assert [one.path for one in refusal.value.errors] == ["/confirm_email"]
    with pytest.raises(UserNotFound):
        await world.when(EraseUser(world.ids.new(), EMAIL))
    with pytest.raises(DataSubjectNotFound):
        await world.when(EraseDataSubject("customer-4711"))


async def test_a_tenant_keeps_its_last_administrator() -> None:
    world = World()
    user_id = await invited(world, "ADMIN")
    user = await world.store.load(User, user_id, world.tenant_id)
    assert user is not None
    user.accept(world.clock.now())
    on = Tenancy(world.ports, world.caller, world.tenant_id)
    membership = await membership_of(on, user)
    await world.store.append(
        membership.aggregates, world.store.envelopes[-1], side_rows=membership.side_rows
    )
    with pytest.raises(LastAdministrator):
        await world.when(EraseUser(user_id, EMAIL))


@pytest.mark.parametrize("scope", ["users:write", "executions:write", "tenant:offboard"])
async def test_it_needs_a_scope_of_its_own(scope: str) -> None:
    world = World()
    caller = world.caller_with(scope)
    for command in (EraseUser(world.ids.new(), EMAIL), EraseDataSubject("customer-4711")):
        with pytest.raises(MissingScope):
            await world.when(command, caller=caller)


async def test_a_run_says_whose_data_it_works_on_and_so_do_its_forks() -> None:
    world = World()
    execution_id = await begun(world, "customer-4711")
    fork = (await world.when(ForkExecution(execution_id, "start"))).result["execution_id"]
    for one in (execution_id, UUID(str(fork))):
        run = await world.store.load(Execution, one, world.tenant_id)
        assert run is not None
        assert run.data_subject == "customer-4711"
        assert run.subject_id == world.data_subjects.subject_id(world.tenant_id, "customer-4711")
    without = await world.store.load(Execution, await begun(world, None), world.tenant_id)
    assert without is not None
    assert without.subject_id is None


async def test_after_their_erasure_no_run_names_them() -> None:
    world = World()
    await begun(world, "customer-4711")
    before = len(world.store.events)
    erased = await world.when(EraseDataSubject("customer-4711"))
    events = world.store.events[before:]
    assert [event.topic for event in events] == ["data_subject.created", "data_subject.erased"]
    assert b"4711" not in b"".join(event.state for event in events)
    again = await world.when(EraseDataSubject("customer-4711"))
    assert (again.result, again.position) == (erased.result, None)
    with pytest.raises(DataSubjectErased):
        await begun(world, "customer-4711")
    agent = await world.when(CreateAgent(PROFILE))
    agent_id = UUID(str(agent.result["agent_id"]))
    with pytest.raises(DataSubjectErased):
        await world.when(ExecuteAgent(agent_id, "x", data_subject="customer-4711"))
    await begun(world, "customer-9")


@pytest.mark.parametrize(
    "name",
    ["", "x" * (NAME_CHARACTERS_MAX + 1), " padded", "a\nline", "nul\x00"],
    ids=["empty", "long", "padded", "of two lines", "with a NUL"],
)
async def test_a_name_that_nobody_could_type_again_is_refused(name: str) -> None:
    with pytest.raises(Invalid) as refusal:
        await begun(World(), name)
    assert [one.path for one in refusal.value.errors] == ["/data_subject"]


async def test_what_is_somebodys_own_ends_with_them() -> None:
    world = World()
    user_id = world.ids.new()
    caller = world.caller_with("*", user_id=user_id)
    await world.when(PutSecret("mine", "value", is_own=True), caller=caller)
    stream_id = secret_id(world.tenant_id, user_id, "mine")
    secret = await world.store.load(Secret, stream_id, world.tenant_id)
    assert secret is not None
    assert secret.subject_id == user_id
    end = await ended(secret, Tenancy(world.ports, world.caller, world.tenant_id))
    assert secret.is_removed
    assert [type(row).__name__ for row in end.side_rows] == ["RemovedVaultEntry"]
    assert secret.collect_events()
    again = await ended(secret, Tenancy(world.ports, world.caller, world.tenant_id))
    assert list(again.aggregates) == [secret]
    assert not secret.pending_events
