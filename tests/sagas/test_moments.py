"""What holds for a tenant is looked up once for all its runs that go on together, and kept for no
longer.
"""

import asyncio
from dataclasses import dataclass, field

import pytest

from commands.plan_port import NobodyLimited, TenantPlan
from domain.identifiers import TenantId
from sagas.drive_parts import DriveParts
from tests.commands.fakes import World
from tests.sagas.steps import Worker


@dataclass
class CountedPlans(NobodyLimited):
    looks: list[TenantId] = field(default_factory=list[TenantId])

    def known(self, tenant_id: TenantId) -> TenantPlan:
        self.looks.append(tenant_id)
        return super().known(tenant_id)


@pytest.fixture
def plans() -> CountedPlans:
    return CountedPlans()


@pytest.fixture
def parts(plans: CountedPlans) -> DriveParts:
    parts = Worker(World()).saga.parts
    parts.plans = plans
    return parts


async def test_runs_that_go_on_in_one_turn_share_a_look_and_other_tenants_have_theirs(
    parts: DriveParts, plans: CountedPlans
) -> None:
    one, other = TenantId(World().ids.new()), World().tenant_id
    assert parts.moment(one) is parts.moment(one)
    assert parts.moment(other) is not parts.moment(one)
    assert plans.looks == [one, other]


async def test_in_the_next_turn_everything_is_looked_up_anew(
    parts: DriveParts, plans: CountedPlans
) -> None:
    tenant_id = World().tenant_id
    parts.moment(tenant_id)
    await asyncio.sleep(0)
    parts.moment(tenant_id)
    assert plans.looks == [tenant_id, tenant_id]


async def test_who_asked_for_limits_anew_sees_what_was_answered(parts: DriveParts) -> None:
    tenant_id = World().tenant_id
    before = parts.moment(tenant_id)
    await parts.ask_limits(tenant_id)
    assert parts.moment(tenant_id) is not before
