"""A tenant is seen off once its grace is over, whoever does it and however often they die."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import pytest

from commands.offboarding_port import DueOffboarding
from commands.ports import ClosedExecution, OpenedExecution
from commands.sealing_port import DestroyedTenantKey
from commands.standing_port import ClosedOffboarding, OpenedOffboarding
from commands.tenants import KeepTenant, OffboardTenant
from domain.envelope import Envelope
from domain.errors import Unavailable
from domain.identifiers import TenantId
from domain.tenants import Tenant
from sagas import offboarding
from sagas.offboarding import OffboardingSaga
from tests.commands.fakes import World
from tests.commands.steps import a_chain, a_run, an_llm, loaded

CHAIN = a_chain(an_llm("a"))


class FakeOffboardings:
    """Read off the side rows that the store kept; leases are never there."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def claim(self, lease_s: float, *, now: datetime) -> DueOffboarding | None:
        del lease_s
        due_at: datetime | None = None
        for row in self._world.store.side_rows:
            if isinstance(row, OpenedOffboarding):
                due_at = row.due_at
            elif isinstance(row, ClosedOffboarding):
                due_at = None
        is_due = due_at is not None and due_at <= now
        return DueOffboarding(self._world.tenant_id) if is_due else None

    async def release(self, tenant_id: TenantId, *, pause_s: float) -> None: ...

    async def open_executions(
        self, tenant_id: TenantId, *, after: UUID | None, limit: int
    ) -> Sequence[UUID]:
        del tenant_id
        rows = self._world.store.side_rows
        closed = {row.execution_id for row in rows if isinstance(row, ClosedExecution)}
        opened = {row.execution_id for row in rows if isinstance(row, OpenedExecution)} - closed
        return sorted(one for one in opened if after is None or one > after)[:limit]


@pytest.fixture
async def world(monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(offboarding, "PAGE", 2)
    made = World()
    tenant = Tenant._create(
        Tenant.Created,
        id=made.tenant_id,
        name="Acme",
        region="us",
        time_zone="UTC",
        reseller_id=None,
    )
    await made.store.append([tenant], Envelope(made.tenant_id, "operator"))
    return made


def a_saga(world: World) -> OffboardingSaga:
    return OffboardingSaga(
        FakeOffboardings(world),
        world.store,
        world.dispatcher,
        world.clock,
        world.ids,
        "worker:1",
        poll_s=1,
    )


async def leaves(world: World, grace_days: int = 1) -> None:
    await world.when(OffboardTenant(world.tenant_id, grace_days), caller=world.operator)


async def test_nothing_happens_before_the_grace_is_over(world: World) -> None:
    await leaves(world)
    world.clock.pass_time(hours=23)
    assert not await a_saga(world).work_once()
    assert world.store.topics[-1] == "tenant.offboarding_requested"


async def test_its_runs_are_cancelled_and_its_key_ends_with_it(world: World) -> None:
    made = [await a_run(world, CHAIN) for _ in range(5)]
    await leaves(world)
    world.clock.pass_time(days=1)
    saga = a_saga(world)
    assert await saga.work_once()
    assert [(await loaded(world, each)).status for each in made] == ["CANCELLED"] * 5
    assert world.store.topics[-2:] == ["tenant.key_destroyed", "tenant.offboarded"]
    assert world.store.side_rows[-2:] == [ClosedOffboarding("offboarded"), DestroyedTenantKey()]
    assert not await saga.work_once()


async def test_whoever_stays_within_the_grace_keeps_everything(world: World) -> None:
    execution_id = await a_run(world, CHAIN)
    await leaves(world)
    await world.when(KeepTenant(world.tenant_id), caller=world.operator)
    world.clock.pass_time(days=2)
    assert not await a_saga(world).work_once()
    assert (await loaded(world, execution_id)).status == "PENDING"


async def test_one_that_changed_its_mind_after_it_was_claimed_stays(world: World) -> None:
    execution_id = await a_run(world, CHAIN)
    await leaves(world)
    await world.when(KeepTenant(world.tenant_id), caller=world.operator)
    await a_saga(world)._see_off(DueOffboarding(world.tenant_id))
    assert (await loaded(world, execution_id)).status == "PENDING"
    assert "tenant.offboarded" not in world.store.topics


@pytest.mark.parametrize(
    "point", ["offboarding.after_claim", "offboarding.after_cancel", "offboarding.before_end"]
)
async def test_a_step_that_died_is_done_again(
    world: World, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    made = [await a_run(world, CHAIN) for _ in range(3)]
    await leaves(world, 0)

    def dies(reached: str) -> None:
        if reached == point:
            raise Unavailable

    with monkeypatch.context() as crash:
        crash.setattr(offboarding, "reach", dies)
        with pytest.raises(Unavailable):
            await a_saga(world).work_once()
    assert "tenant.offboarded" not in world.store.topics
    assert await a_saga(world).work_once()
    assert world.store.topics.count("tenant.offboarded") == 1
    assert world.store.topics.count("execution.cancelled") == len(made)
