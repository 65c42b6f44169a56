"""Who says whether a feature is on, and that it stays so."""

from collections.abc import Callable
from uuid import UUID

import pytest

from domain.feature_flags import (
    BUCKETS,
    FeatureFlag,
    FeatureFlagNotFound,
    FlagText,
    Override,
    Reason,
    bucket,
    decided,
    flag_id,
)
from domain.tenants import OVERRIDES_MAX, Tenant, TooManyOverrides
from tests.domain.given import Story

TENANT, ADA, BOB = UUID(int=1), UUID(int=2), UUID(int=3)
TEXT = FlagText("beta", is_enabled=False)
OPERATORS = {Override(ADA, is_by_operator=True): True, Override(None, is_by_operator=True): False}
TENANTS = {Override(ADA, is_by_operator=False): True, Override(None, is_by_operator=False): False}


def a_flag() -> Story[FeatureFlag]:
    return Story(FeatureFlag(id=flag_id("beta"), name="beta"))


def test_a_flag_is_defined_removed_and_defined_again() -> None:
    story = a_flag()
    defined = ("feature_flag.defined", TEXT.told())
    story.when(lambda told: told.aggregate.define(TEXT)).then(defined)
    story.when(lambda told: told.aggregate.define(TEXT)).then()
    story.when(lambda told: told.aggregate.remove()).then(("feature_flag.removed", {}))
    with pytest.raises(FeatureFlagNotFound):
        story.aggregate.remove()
    story.when(lambda told: told.aggregate.define(TEXT)).then(defined)


@pytest.mark.parametrize(
    ("overrides", "is_for_tenants", "user_id", "expected"),
    [
        ({}, True, ADA, (False, "default")),
        (TENANTS, True, ADA, (True, "user")),
        (TENANTS, True, BOB, (False, "tenant")),
        (TENANTS, True, None, (False, "tenant")),
        (TENANTS, False, ADA, (False, "default")),
        ({**TENANTS, **OPERATORS}, True, ADA, (True, "operator")),
        ({**TENANTS, **OPERATORS}, True, BOB, (False, "operator")),
        ({**TENANTS, **OPERATORS}, True, None, (False, "operator")),
    ],
)
def test_the_first_that_says_anything_decides(
    overrides: dict[Override, bool],
    is_for_tenants: bool,
    user_id: UUID | None,
    expected: tuple[bool, Reason],
) -> None:
    text = FlagText("beta", is_enabled=False, is_for_tenants=is_for_tenants)
    assert decided("beta", text, overrides, tenant_id=TENANT, user_id=user_id) == expected


def test_an_administrator_cannot_switch_on_what_the_operator_switched_off() -> None:
    own = {Override(user, is_by_operator=False): True for user in (None, ADA)}
    overrides = {**own, Override(None, is_by_operator=True): False}
    text = FlagText("beta", is_for_tenants=True)
    for user_id in (None, ADA, BOB):
        told = decided("beta", text, overrides, tenant_id=TENANT, user_id=user_id)
        assert told == (False, "operator")


def test_a_rollout_has_always_the_same_ones_and_more_of_them() -> None:
    subjects = [UUID(int=n << 64) for n in range(2000)]

    def on(percentage: int) -> set[UUID]:
        text = FlagText("beta", is_enabled=False, percentage=percentage)
        return {
            one for one in subjects if decided("beta", text, {}, tenant_id=one, user_id=None)[0]
        }

    assert (on(0), on(100)) == (set(), set(subjects))
    assert on(10) < on(30) < on(100)
    assert 500 < len(on(30)) < 700
    assert on(30) == on(30)


def test_the_bucket_is_what_the_documents_say() -> None:
    """Whoever computes it elsewhere gets the same."""
    assert bucket("scim", UUID("01890000-0000-7000-8000-000000000001")) == 5_530
    assert all(0 <= bucket("beta", UUID(int=n)) < BUCKETS for n in range(100))


def test_people_of_one_tenant_may_be_told_apart_by_a_rollout_and_keys_go_with_the_tenant() -> None:
    text = FlagText("beta", is_enabled=False, percentage=50, rollout_by="user")
    people = [UUID(int=n << 64) for n in range(64)]
    told = {decided("beta", text, {}, tenant_id=TENANT, user_id=one)[0] for one in people}
    assert told == {True, False}
    by_tenant = FlagText("beta", is_enabled=False, percentage=50)
    assert decided("beta", text, {}, tenant_id=TENANT, user_id=None) == decided(
        "beta", by_tenant, {}, tenant_id=TENANT, user_id=ADA
    )


def test_overrides_are_recorded_once_and_bounded() -> None:
    story = Story(Tenant(id=TENANT, name="A", region="us", time_zone="UTC", reseller_id=None))

    def override(
        flag: str, *, is_enabled: bool | None = True, is_by_operator: bool = False
    ) -> Callable[[Story[Tenant]], None]:
        return lambda told: told.aggregate.override_feature(
            flag, None, is_enabled=is_enabled, is_by_operator=is_by_operator
        )

    fact = {"flag": "beta", "user_id": None, "is_enabled": True, "is_by_operator": False}
    story.when(override("beta")).then(("tenant.feature_overridden", fact))
    story.when(override("beta")).then()
    story.when(override("other", is_enabled=None)).then()
    gone = {**fact, "is_enabled": None}
    story.when(override("beta", is_enabled=None)).then(("tenant.feature_overridden", gone))
    for number in range(OVERRIDES_MAX):
        override(f"flag_{number}")(story)
    with pytest.raises(TooManyOverrides):
        override("one_more")(story)
    override("flag_0", is_enabled=False)(story)
    override("one_more", is_by_operator=True)(story)
