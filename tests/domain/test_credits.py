"""Credits: what burns first, what comes back, and that nothing is ever made or lost on the way."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given as for_all
from hypothesis import settings
from hypothesis import strategies as st

from domain.credits import (
    EXPIRED,
    GRANTS_MAX,
    ISSUED,
    CreditAccount,
    CreditGrantNotFound,
    NothingLeft,
    TooManyGrants,
    consumed_account,
    grant_account,
)
from tests.domain.given import Act, Story, given

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def day(number: int) -> datetime:
    return NOON + timedelta(days=number)


def an_account() -> Story[CreditAccount]:
    return Story(CreditAccount(id=UUID(int=1)))


def grant(name: str, amount: int, *, ends: int | None = None, **fields: Any) -> Act:
    told = {"priority": 100, "effective_at": NOON, "scope": None, **fields}
    expires_at = None if ends is None else day(ends)
    return lambda story: story.aggregate.grant(
        name, amount, source="promotional", description="", expires_at=expires_at, **told
    )


def burn(invoice: str, amount: int, *, usage: int | None = None, at: datetime = NOON) -> Act:
    return lambda story: story.aggregate.burn(invoice, amount, usage_pico=usage, at=at)


def restore(invoice: str, reference: str = "void", amount: int | None = None) -> Act:
    return lambda story: story.aggregate.restore(
        invoice, reference=reference, amount_pico=amount, at=NOON
    )


def expire(now: datetime) -> Act:
    return lambda story: story.aggregate.expire(now)


def left(story: Story[CreditAccount]) -> dict[str, int]:
    return {one.grant_id: one.left_pico for one in story.aggregate.grants.values()}


def test_a_grant_is_an_entry_of_two_accounts() -> None:
    story = an_account().when(grant("a", 50, ends=30))
    ((topic, fields),) = story.recorded
    assert topic == "credit_account.granted"
    assert fields["postings"] == [["issued", -50], ["grant:a", 50]]
    story.then_it_replays()
    assert story.aggregate.due_at == day(30)


def test_what_burns_first_is_by_priority_then_by_expiry_then_by_age() -> None:
    story = given(
        an_account(),
        grant("old", 10),
        grant("new", 10),
        grant("late", 10, ends=60),
        grant("soon", 10, ends=30),
        grant("first", 10, priority=1),
    )
    story.when(burn("i", 45)).then_topics("credit_account.burned")
    assert story.answer == 45
    assert story.recorded[0][1]["postings"] == [
        ["grant:first", -10],
        ["grant:soon", -10],
        ["grant:late", -10],
        ["grant:old", -10],
        ["grant:new", -5],
        ["consumed:i", 45],
    ]


def test_an_invoice_burns_once_however_often_it_asks() -> None:
    story = given(an_account(), grant("a", 50), burn("i", 30))
    story.when(burn("i", 30)).then()
    assert (story.answer, left(story)) == (30, {"a": 20})


def test_credits_for_usage_pay_for_nothing_else() -> None:
    story = given(an_account(), grant("u", 50, scope="usage", priority=1), grant("a", 15))
    story.when(burn("i", 40, usage=10))
    assert (story.answer, left(story)) == (25, {"u": 40, "a": 0})


def test_what_pays_for_everything_pays_first_for_what_nothing_else_may() -> None:
    story = given(an_account(), grant("a", 30, priority=1), grant("u", 50, scope="usage"))
    story.when(burn("i", 60, usage=40))
    assert (story.answer, left(story)) == (60, {"a": 0, "u": 20})


def test_what_is_not_effective_yet_or_over_does_not_burn() -> None:
    story = given(an_account(), grant("later", 50, effective_at=day(1)), grant("over", 50, ends=3))
    story.when(burn("i", 10)).when(burn("j", 100, at=day(3)))
    assert (story.answer, left(story)) == (50, {"later": 0, "over": 40})


def test_what_is_restored_goes_back_to_where_it_came_from_the_last_first() -> None:
    story = given(an_account(), grant("a", 10, priority=1), grant("b", 10), burn("i", 15))
    story.when(restore("i", "note-1", 7)).then_topics("credit_account.restored")
    assert left(story) == {"a": 2, "b": 10}
    story.when(restore("i", "note-1", 7)).then()
    assert story.answer == 7
    story.when(restore("i"))
    assert (story.answer, left(story)) == (8, {"a": 10, "b": 10})
    story.when(restore("i", "again")).then()
    story.when(restore("unknown")).then()


def test_what_expires_is_gone_and_what_comes_back_to_it_too() -> None:
    story = given(an_account(), grant("a", 10, ends=30), burn("i", 4))
    story.when(expire(day(29))).then()
    story.when(expire(day(30))).then_topics("credit_account.expired")
    assert story.aggregate.balances[EXPIRED] == 6
    assert story.aggregate.due_at is None
    story.when(restore("i"))
    assert story.aggregate.due_at == day(30)
    story.when(expire(day(40)))
    assert story.aggregate.balances == {
        ISSUED: -10,
        grant_account("a"): 0,
        consumed_account("i"): 0,
        EXPIRED: 10,
    }


def test_what_should_not_have_been_given_is_withdrawn_as_far_as_it_is_there() -> None:
    story = given(an_account(), grant("a", 10), burn("i", 4))
    withdraw = lambda told: told.aggregate.withdraw("a", reason="twice", now=NOON)  # noqa: E731 # an act
    story.when(withdraw).then_topics("credit_account.withdrawn")
    assert story.aggregate.balances[ISSUED] == -4
    with pytest.raises(NothingLeft):
        withdraw(story)
    with pytest.raises(CreditGrantNotFound):
        story.aggregate.withdraw("b", reason="", now=NOON)


def test_there_are_only_so_many_grants_at_a_time() -> None:
    story = given(an_account(), *(grant(str(number), 1) for number in range(GRANTS_MAX)))
    with pytest.raises(TooManyGrants):
        grant("more", 1)(story)
    burn("i", 1)(story)
    grant("more", 1)(story)


AMOUNTS = st.integers(1, 60)
INVOICES = st.sampled_from(["i", "j", "k"])
ACTS = st.one_of(
    st.builds(
        lambda amount, ends, priority, scope: (
            lambda story: grant(
                f"g{story.aggregate.grants_count}",
                amount,
                ends=ends,
                priority=priority,
                scope=scope,
            )(story)
        ),
        AMOUNTS,
        st.sampled_from([None, 3, 9]),
        st.sampled_from([1, 2]),
        st.sampled_from([None, "usage"]),
    ),
    st.builds(
        lambda invoice, amount, usage, at: burn(
            invoice, amount, usage=min(usage, amount), at=day(at)
        ),
        INVOICES,
        AMOUNTS,
        AMOUNTS,
        st.integers(0, 10),
    ),
    st.builds(restore, INVOICES, st.sampled_from(["void", "n1", "n2"]), AMOUNTS),
    st.builds(lambda number: expire(day(number)), st.integers(0, 10)),
)


@settings(max_examples=60)
@for_all(st.lists(ACTS, min_size=1, max_size=25))
def test_nothing_is_made_or_lost_whatever_happens(acts: Sequence[Act]) -> None:
    story = an_account()
    for act in acts:
        before = dict(story.aggregate.balances)
        story.when(act)
        for _, fields in story.recorded:
            assert sum(amount for _, amount in fields.get("postings", [])) == 0
        after = story.aggregate.balances
        assert sum(after.values()) == 0
        assert all(amount >= 0 for account, amount in after.items() if account != ISSUED)
        assert left(story) == {name: after[grant_account(name)] for name in story.aggregate.grants}
        if not story.recorded:
            assert after == before
    burns = story.aggregate.burns
    for invoice, burned in burns.items():
        spent = burned.amount_pico - sum(burned.restored.values())
        assert story.aggregate.balances[consumed_account(invoice)] == spent
    story.then_it_replays()
