"""A tenant keeps its settings, and is suspended and resumed by those who may."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from domain.tenants import (
    OffboardedByOperator,
    SuspendedByOperator,
    Tenant,
    TenantLeaves,
    TenantStays,
)
from tests.domain.given import Act, Story, given

DUE = datetime(2026, 12, 24, tzinfo=UTC)
TENANT_ID = UUID("01890000-0000-7000-8000-0000000000aa")


def a_tenant() -> Story[Tenant]:
    tenant = Tenant(id=TENANT_ID, name="Acme", region="us", time_zone="UTC", reseller_id=None)
    return Story(tenant)


def suspend(reason: str = "unpaid", *, is_by_operator: bool = True) -> Act:
    return lambda story: story.aggregate.suspend(reason, is_by_operator=is_by_operator)


def limit(**limits: Any) -> Act:
    return lambda story: story.aggregate.limit(limits)


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


def leave(*, is_by_operator: bool = False) -> Act:
    return lambda story: story.aggregate.request_offboarding(DUE, is_by_operator=is_by_operator)


def stay(*, is_by_operator: bool = False) -> Act:
    return lambda story: story.aggregate.cancel_offboarding(is_by_operator=is_by_operator)


def test_a_tenant_leaves_and_stays_after_all() -> None:
    story = given(a_tenant()).when(leave())
    story.then(
        ("tenant.offboarding_requested", {"due_at": DUE.isoformat(), "is_by_operator": False})
    )
    assert story.aggregate.standing == "offboarding"
    story = given(a_tenant(), leave()).when(stay()).then(("tenant.offboarding_cancelled", {}))
    assert story.aggregate.standing == "active"


def test_a_tenant_that_was_suspended_and_stays_is_suspended() -> None:
    story = given(a_tenant(), suspend(), leave(is_by_operator=True))
    assert story.aggregate.standing == "offboarding"
    story.when(stay(is_by_operator=True)).then_topics("tenant.offboarding_cancelled")
    assert story.aggregate.standing == "suspended"


def test_leaving_twice_is_refused_so_that_the_grace_is_not_shortened() -> None:
    story = given(a_tenant(), leave())
    with pytest.raises(TenantLeaves):
        story.aggregate.request_offboarding(DUE, is_by_operator=True)


def test_whoever_is_not_leaving_has_nothing_to_cancel() -> None:
    with pytest.raises(TenantStays):
        a_tenant().aggregate.cancel_offboarding(is_by_operator=True)


def test_a_tenant_does_not_cancel_what_the_operator_began() -> None:
    story = given(a_tenant(), leave(is_by_operator=True))
    with pytest.raises(OffboardedByOperator):
        story.aggregate.cancel_offboarding(is_by_operator=False)


def test_the_end_of_a_tenant_is_the_end_of_its_key_and_the_last_that_is_known() -> None:
    story = given(a_tenant(), leave()).when(lambda story: story.aggregate.offboard())
    story.then_topics("tenant.key_destroyed", "tenant.offboarded")
    assert story.aggregate.standing == "offboarded"
    with pytest.raises(TenantStays):
        story.aggregate.cancel_offboarding(is_by_operator=True)


def test_limits_of_its_own_take_the_place_of_those_before() -> None:
    story = given(a_tenant()).when(limit(concurrent_calls=3, tokens_per_min=None))
    story.then(("tenant.limited", {"limits": {"concurrent_calls": 3}}))
    story.when(limit(concurrent_calls=3)).then()
    story.when(limit(cost_usd_per_min="2")).then(
        ("tenant.limited", {"limits": {"cost_usd_per_min": "2"}})
    )
    story.when(limit()).then(("tenant.limited", {"limits": {}}))
