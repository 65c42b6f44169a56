"""A tenant keeps its settings, and is suspended and resumed by those who may."""

from uuid import UUID

import pytest

from domain.tenants import SuspendedByOperator, Tenant
from tests.domain.given import Act, Story, given

TENANT_ID = UUID("01890000-0000-7000-8000-0000000000aa")


def a_tenant() -> Story[Tenant]:
    tenant = Tenant(id=TENANT_ID, name="Acme", region="us", time_zone="UTC", reseller_id=None)
    return Story(tenant)


def suspend(reason: str = "unpaid", *, is_by_operator: bool = True) -> Act:
    return lambda story: story.aggregate.suspend(reason, is_by_operator=is_by_operator)


def resume(*, is_by_operator: bool = True) -> Act:
    return lambda story: story.aggregate.resume(is_by_operator=is_by_operator)


def change(name: str | None = None, time_zone: str | None = None) -> Act:
    return lambda story: story.aggregate.change_settings(name=name, time_zone=time_zone)


def test_a_tenant_is_suspended_with_a_reason_and_resumed() -> None:
    story = given(a_tenant()).when(suspend())
    story.then(("tenant.suspended", {"reason": "unpaid", "is_by_operator": True}))
    assert story.aggregate.is_suspended
    story = given(a_tenant(), suspend()).when(resume()).then(("tenant.resumed", {}))
    assert not story.aggregate.is_suspended


def test_suspending_twice_is_once() -> None:
    given(a_tenant(), suspend()).when(suspend("again")).then()


def test_resuming_what_is_active_says_nothing() -> None:
    given(a_tenant()).when(resume()).then()


def test_a_reseller_does_not_resume_what_the_operator_suspended() -> None:
    story = given(a_tenant(), suspend())
    with pytest.raises(SuspendedByOperator):
        story.aggregate.resume(is_by_operator=False)


def test_the_operator_may_suspend_over_the_reseller() -> None:
    story = given(a_tenant(), suspend(is_by_operator=False)).when(suspend("abuse"))
    story.then(("tenant.suspended", {"reason": "abuse", "is_by_operator": True}))
    with pytest.raises(SuspendedByOperator):
        story.aggregate.resume(is_by_operator=False)


def test_settings_that_are_left_out_stay() -> None:
    story = given(a_tenant()).when(change(time_zone="Europe/Oslo"))
    story.then(("tenant.settings_changed", {"name": "Acme", "time_zone": "Europe/Oslo"}))
    given(a_tenant()).when(change(name="Acme")).then()


def test_a_reseller_is_told_how_many_customers_it_may_have() -> None:
    story = given(a_tenant()).when(lambda story: story.aggregate.allow_customers(3))
    story.then(("tenant.reseller_quota_changed", {"customers_max": 3}))
    given(a_tenant()).when(lambda story: story.aggregate.allow_customers(0)).then()
