"""Plans on a real database: what is counted is never one too many, whoever comes at the same time,
and what is known of a plan is known until the log tells otherwise.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack
from uuid import UUID

import pytest

from commands.agents import CreateAgent, DeleteAgent, ExecuteAgent
from commands.authorization import Caller
from commands.credentials import CreateApiKey, RevokeApiKey
from commands.decisions import Command
from commands.dispatch import Answer, Dispatcher, Origin
from commands.execution_commands import RetryExecution
from commands.executions import CancelExecution
from commands.identity import DeactivateUser, InviteUser, RenewInvitation
from commands.plans import AssignPlan, CreatePlan, RevisePlan
from commands.ports import Ports
from commands.secrets import PutSecret, RemoveSecret
from commands.tenants import CreateTenant
from commands.workflows import CreateWorkflow
from domain.errors import DomainError
from domain.identifiers import Json, JsonObject, TenantId
from domain.plans import STANDARD_ID
from domain.quotas import ExecutionQuotaReached, QuotaReached
from domain.tenants import TenantNotFound
from infra.admission import EveryoneAdmitted
from infra.clock import SystemClock
from infra.mail_outbox import SealedMailbox
from infra.plan_usage import PlanUsage
from infra.secrets_source import SecretsSource
from infra.tenant_features import PostgresFeatures
from infra.tenant_memory import REMEMBERED_S, STALE_S
from infra.tenant_plans import TenantPlans
from infra.users import PostgresUsers
from infra.vault import PostgresVault
from tests.infra.conftest import Conninfo, Parts, build_parts
from tests.infra.log_steps import IDS

OPERATOR = Caller("operator", None, frozenset(), is_operator=True)
PROFILE: JsonObject = {
    "name": "Writer",
    "role": None,
    "model": "offline/echo",
    "instructions": "",
    "tools": [],
    "parameters": {},
}
DEFINITION: JsonObject = {
    "nodes": [{"id": "start", "type": "start"}, {"id": "end", "type": "end"}],
    "edges": [{"from": "start", "to": "end"}],
}
LIMIT = 3


class Ticks:
    """A minute at a time, so that nothing is remembered."""

    def __init__(self) -> None:
        self.time_s = 0.0

    def __call__(self) -> float:
        self.time_s += STALE_S
        return self.time_s


class Process:
    """One of those that take commands."""

    def __init__(self, parts: Parts, plans: TenantPlans, ports: Ports) -> None:
        self.parts = parts
        self.plans = plans
        self.dispatcher = Dispatcher(ports)

    @classmethod
    async def begun(cls, parts: Parts) -> "Process":
        database = await parts.database("api")
        plans = TenantPlans(database, monotonic_s=lambda: 0.0)
        ports = Ports(
            parts.store,
            SystemClock(),
            IDS,
            SecretsSource(bcrypt_cost=4),
            EveryoneAdmitted(),
            users=PostgresUsers(database, "a key for look-ups", proof_keys=["a master key"]),
            sealing=parts.keys,
            mailbox=SealedMailbox(parts.keys, IDS, has_server=True),
            vault=PostgresVault(database, parts.keys),
            plans=plans,
            features=PostgresFeatures(database, monotonic_s=Ticks()),
        )
        return cls(parts, plans, ports)

    async def when(self, command: Command, caller: Caller = OPERATOR) -> Answer:
        return await self.dispatcher.dispatch(command, caller, Origin(IDS.new()))


@pytest.fixture
async def processes(conninfo: Conninfo) -> AsyncIterator[list[Process]]:
    """Two, each with its own writers, on one database."""
    async with AsyncExitStack() as stack:
        parts = [await stack.enter_async_context(build_parts(conninfo)) for _ in range(2)]
        yield [await Process.begun(one) for one in parts]


class Tenant:
    """One on a plan of its own, with its administrator."""

    def __init__(self, processes: Sequence[Process], created: JsonObject) -> None:
        self.processes = processes
        self.id = TenantId(UUID(str(created["tenant_id"])))
        user_id = UUID(str(created["user_id"]))
        scopes = frozenset({"*", "tenants:manage"})
        self.admin = Caller(f"user:{user_id}", self.id, scopes, user_id)

    @classmethod
    async def on_a_plan(cls, processes: Sequence[Process], **limits: Json) -> "Tenant":
        first = processes[0]
        email = f"{IDS.new()}@example.com"
        made = await first.when(CreateTenant("Acme", email, "correct horse battery"))
        tenant = cls(processes, made.result)
        plan = await first.when(CreatePlan("Small", limits, is_for_resellers=True))
        await tenant.put_on(UUID(str(plan.result["plan_id"])))
        return tenant

    async def put_on(self, plan_id: UUID, **overrides: Json) -> None:
        await self.processes[0].when(AssignPlan(self.id, plan_id, None, overrides))
        for process in self.processes:
            process.plans.forget(self.id)

    async def when(self, command: Command, process: int = 0) -> Answer:
        return await self.processes[process].when(command, self.admin)

    async def at_once(self, commands: Sequence[Command]) -> list[DomainError]:
        """Half of them to each process. Those that were refused."""
        answers = await asyncio.gather(
            *(self.when(one, place % 2) for place, one in enumerate(commands)),
            return_exceptions=True,
        )
        for one in answers:
            assert isinstance(one, Answer | DomainError), one
        return [one for one in answers if isinstance(one, DomainError)]

    async def quotas(self) -> dict[str, JsonObject]:
        views = PlanUsage(await self.processes[0].parts.database("api"))
        told = await views.of_tenant(self.id, reseller_id=None)
        assert isinstance(told["quotas"], list)
        return {str(one["name"]): one for one in told["quotas"] if isinstance(one, dict)}

    async def used(self, name: str) -> Json:
        return (await self.quotas())[name]["used"]


def agents(count: int) -> list[Command]:
    return [CreateAgent({**PROFILE, "name": f"Agent {n}"}) for n in range(count)]


def workflows(count: int) -> list[Command]:
    return [CreateWorkflow(f"Workflow {n}", None, False, DEFINITION) for n in range(count)]


def keys(count: int) -> list[Command]:
    return [CreateApiKey(f"Key {n}", ["read"]) for n in range(count)]


def secrets(count: int) -> list[Command]:
    return [PutSecret(f"secret_{n}", "hush") for n in range(count)]


def people(count: int) -> list[Command]:
    return [InviteUser(f"{IDS.new()}@example.com", "USER") for _ in range(count)]


@pytest.mark.parametrize(
    ("quota", "made", "before"),
    [
        ("agents", agents, 0),
        ("workflows", workflows, 0),
        ("api_keys", keys, 1),
        ("secrets", secrets, 0),
        ("users", people, 1),
    ],
    ids=["agents", "workflows", "api_keys", "secrets", "users"],
)
async def test_many_at_once_in_two_processes_are_exactly_as_many_as_the_plan_says(
    processes: list[Process], quota: str, made: Callable[[int], list[Command]], before: int
) -> None:
    """before: what the administrator that came with the tenant has."""
    tenant = await Tenant.on_a_plan(processes, **{quota: LIMIT + before})
    refused = await tenant.at_once(made(LIMIT + 5))
    assert len(refused) == 5
    for refusal in refused:
        assert isinstance(refusal, QuotaReached)
        count = LIMIT + before
        assert refusal.detail == f"The plan Small allows {quota} of {count}, and {count} are used."
    told = (await tenant.quotas())[quota]
    assert told == {**told, "limit": LIMIT + before, "used": LIMIT + before, "remaining": 0}


async def test_what_is_given_up_makes_room(processes: list[Process]) -> None:
    tenant = await Tenant.on_a_plan(processes, agents=1, secrets=1, api_keys=2, users=2)
    made = await tenant.when(agents(1)[0])
    key = await tenant.when(keys(1)[0])
    await tenant.when(secrets(1)[0])
    invited = (await tenant.when(people(1)[0])).result
    user_id = UUID(str(invited["user_id"]))
    assert len(await tenant.at_once([*agents(1), *keys(1), *people(1)])) == 3
    # A new value of a secret that is there is not one more.
    assert await tenant.at_once([PutSecret("secret_0", "other")]) == []
    for gives_up in (
        DeleteAgent(UUID(str(made.result["agent_id"]))),
        RevokeApiKey(UUID(str(key.result["api_key_id"]))),
        RemoveSecret("secret_0"),
        DeactivateUser(user_id),
    ):
        await tenant.when(gives_up)
    assert await tenant.at_once([*agents(1), *keys(1), *secrets(1), *people(1)]) == []
    # Whoever comes back takes a place, too.
    with pytest.raises(QuotaReached):
        await tenant.when(RenewInvitation(user_id))


async def test_below_what_there_is_nothing_is_taken_and_nothing_new_made(
    processes: list[Process],
) -> None:
    tenant = await Tenant.on_a_plan(processes)
    for command in agents(3):
        await tenant.when(command)
    await tenant.put_on(STANDARD_ID, agents=1)
    with pytest.raises(QuotaReached) as refusal:
        await tenant.when(agents(1)[0])
    assert refusal.value.detail == "The plan standard allows agents of 1, and 3 are used."
    told = (await tenant.quotas())["agents"]
    assert (told["limit"], told["used"], told["remaining"]) == (1, 3, 0)
    await tenant.put_on(STANDARD_ID)
    await tenant.when(agents(1)[0])
    assert await tenant.used("agents") == 4


@pytest.mark.parametrize("quota", ["executions_per_month", "concurrent_executions"])
async def test_executions_begun_at_once_are_exactly_as_many_as_the_plan_says(
    processes: list[Process], quota: str
) -> None:
    tenant = await Tenant.on_a_plan(processes, **{quota: LIMIT})
    agent = await tenant.when(agents(1)[0])
    execute = ExecuteAgent(UUID(str(agent.result["agent_id"])), "hi")
    refused = await tenant.at_once([execute] * (LIMIT + 5))
    assert len(refused) == 5
    for refusal in refused:
        assert isinstance(refusal, ExecutionQuotaReached)
        assert refusal.retry_after_s > 0
        assert f"The plan Small allows {quota} of {LIMIT}" in refusal.detail
    told = (await tenant.quotas())[quota]
    assert (told["limit"], told["used"], told["remaining"]) == (LIMIT, LIMIT, 0)
    assert (told["resets_at"] is not None) is (quota == "executions_per_month")


async def test_a_run_that_goes_on_after_its_end_needs_room_and_is_none_more_in_its_month(
    processes: list[Process],
) -> None:
    limits = {"concurrent_executions": 1, "executions_per_month": 2}
    tenant = await Tenant.on_a_plan(processes, **limits)
    agent = await tenant.when(agents(1)[0])
    execute = ExecuteAgent(UUID(str(agent.result["agent_id"])), "hi")
    first = UUID(str((await tenant.when(execute)).result["execution_id"]))
    await tenant.when(CancelExecution(first))
    second = UUID(str((await tenant.when(execute)).result["execution_id"]))
    with pytest.raises(ExecutionQuotaReached):
        await tenant.when(RetryExecution(first))
    await tenant.when(CancelExecution(second))
    await tenant.when(RetryExecution(first))
    assert await tenant.used("executions_per_month") == 2


async def test_a_tenant_without_a_limit_counts_no_executions(processes: list[Process]) -> None:
    tenant = await Tenant.on_a_plan(processes)
    assert await tenant.used("executions_per_month") is None
    assert await tenant.used("concurrent_executions") == 0


async def test_a_plan_that_follows_the_newest_version_is_narrowed_with_it(
    processes: list[Process],
) -> None:
    tenant = await Tenant.on_a_plan(processes)
    before = await processes[1].plans.of(tenant.id)
    assert (before.name, before.plan_version, before.whole("users")) == ("Small", 1, None)
    await processes[0].when(RevisePlan(before.plan_id, "Smaller", {"users": 1}, None))
    assert await processes[1].plans.of(tenant.id) == before
    processes[1].plans.forget(before.plan_id)
    after = await processes[1].plans.of(tenant.id)
    assert (after.name, after.plan_version, after.whole("users")) == ("Smaller", 2, 1)


async def test_a_plan_is_known_without_waiting_and_learnt_meanwhile(parts: Parts) -> None:
    time_s = [0.0]
    process = await Process.begun(parts)
    tenant = await Tenant.on_a_plan([process], users=9)
    plans = TenantPlans(await parts.database("worker"), monotonic_s=lambda: time_s[0])
    assert plans.known(tenant.id).whole("users") is None
    assert (await plans.of(tenant.id)).whole("users") == 9
    assert plans.known(tenant.id).whole("users") == 9
    await tenant.put_on(STANDARD_ID, users=8)
    time_s[0] = REMEMBERED_S
    assert plans.known(tenant.id).whole("users") == 9  # And is asked for anew.
    async with asyncio.timeout(60):
        while plans.known(tenant.id).whole("users") != 8:
            await asyncio.sleep(0)


async def test_what_was_on_its_way_when_the_log_told_is_not_remembered(parts: Parts) -> None:
    process = await Process.begun(parts)
    tenant = await Tenant.on_a_plan([process], users=9)
    asked = asyncio.ensure_future(process.plans.of(tenant.id))
    await asyncio.sleep(0)
    process.plans.forget(tenant.id)
    await asked
    await process.when(AssignPlan(tenant.id, STANDARD_ID, None, {"users": 8}))
    assert (await process.plans.of(tenant.id)).whole("users") == 8


async def test_nobody_reads_the_quotas_of_a_tenant_that_somebody_else_manages(
    parts: Parts,
) -> None:
    process = await Process.begun(parts)
    tenant = await Tenant.on_a_plan([process], users=9)
    views = PlanUsage(await parts.database("api"))
    with pytest.raises(TenantNotFound):
        await views.of_tenant(tenant.id, reseller_id=TenantId(IDS.new()))
    with pytest.raises(TenantNotFound):
        await views.of_tenant(TenantId(IDS.new()), reseller_id=None)
    async with (await parts.database("api")).connection() as conn:
        assert await (await conn.execute("SELECT * FROM own_quotas()")).fetchall() == []
