"""What a plan says, version by version."""

from uuid import UUID

import pytest

from domain.errors import Invalid
from domain.plans import (
    LIMITS,
    STANDARD_ID,
    Plan,
    PlanArchived,
    PlanVersionNotFound,
    StandardPlanStays,
    require_narrower,
    said,
)
from domain.tenants import Tenant
from tests.domain.given import Story

PLAN_ID = UUID(int=7)


def team(plan_id: UUID = PLAN_ID) -> Story[Plan]:
    plan = Plan(id=plan_id, name="Team", limits={"users": 5}, is_for_resellers=False, terms=None)
    return Story(plan)


def revised(
    plan_version: int, limits: dict[str, object], *, name: str = "Team", shared: bool = False
) -> tuple[str, dict[str, object]]:
    told = {"plan_version": plan_version, "name": name, "limits": limits}
    return ("plan.revised", {**told, "is_for_resellers": shared, "terms": None})


def revise(**changes: object):  # an act of a story
    given = {"name": None, "limits": {}, "is_for_resellers": None, "terms": None, **changes}
    return lambda story: story.aggregate.revise(**given)


def test_a_revision_is_a_new_version_and_the_old_one_stays_as_it_was() -> None:
    story = team()
    story.when(revise(limits={"agents": 3})).then(revised(2, {"users": 5, "agents": 3}))
    story.when(revise(limits={"users": None}, name="Club")).then(
        revised(3, {"agents": 3}, name="Club")
    )
    assert [story.aggregate.limits(n) for n in (1, 2, 3)] == [
        {"users": 5},
        {"agents": 3, "users": 5},
        {"agents": 3},
    ]


def test_saying_the_same_again_records_nothing() -> None:
    team().when(revise(name="Team", limits={"users": 5, "agents": None})).then()


def test_a_version_that_there_is_not_is_not_found() -> None:
    with pytest.raises(PlanVersionNotFound):
        team().aggregate.limits(2)


def test_an_archived_plan_is_not_revised_and_archived_once() -> None:
    story = team()
    story.when(lambda told: told.aggregate.archive()).then(("plan.archived", {}))
    story.when(lambda told: told.aggregate.archive()).then()
    for late in (story.aggregate.require_offered, lambda: revise(name="Late")(story)):
        with pytest.raises(PlanArchived):
            late()


def test_the_standard_plan_is_never_archived() -> None:
    with pytest.raises(StandardPlanStays):
        team(STANDARD_ID).aggregate.archive()


def test_what_is_said_is_what_limits() -> None:
    assert said({"users": None, "agents": 0}) == {"agents": 0}
    assert list(said(dict.fromkeys(reversed(list(LIMITS)), 1))) == list(LIMITS)


@pytest.mark.parametrize(
    ("overrides", "wider"),
    [
        ({"users": 5, "agents": 9, "run_cost_usd": "0.5"}, []),
        ({"users": 6}, ["/overrides/users"]),
        ({"users": None}, ["/overrides/users"]),
        ({"run_cost_usd": "1.000000000001"}, ["/overrides/run_cost_usd"]),
    ],
)
def test_overrides_of_a_reseller_are_no_wider_than_the_plan(
    overrides: dict[str, object], wider: list[str]
) -> None:
    limits = {"users": 5, "run_cost_usd": "1"}
    if not wider:
        require_narrower(overrides, limits)  # pyright: ignore[reportArgumentType] # JSON
        return
    with pytest.raises(Invalid) as refusal:
        require_narrower(overrides, limits)  # pyright: ignore[reportArgumentType] # JSON
    assert [mistake.path for mistake in refusal.value.errors] == wider


def test_a_tenant_is_put_on_a_plan_once() -> None:
    tenant = Tenant(id=UUID(int=1), name="A", region="us", time_zone="UTC", reseller_id=None)
    story = Story(tenant)

    def change(told: Story[Tenant]) -> None:
        told.aggregate.change_plan(str(PLAN_ID), plan_version=None, overrides={"users": None})

    told = {"plan_id": str(PLAN_ID), "plan_version": None, "overrides": {"users": None}}
    story.when(change).then(("tenant.plan_changed", told))
    story.when(change).then()
