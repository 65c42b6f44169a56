"""Whatever happens to a tenant that is billed, and in whatever order it is told: what it used is on
its invoices, once, or not billed yet; no credit is made or lost; no byte of an invoice changes.
"""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import commands.invoice_writing
import commands.usage_events
from commands.invoice_writing import Bounds
from domain.billing_accounts import BillingAccount
from domain.credits import CreditAccount
from domain.invoice_facts import BEGINNING, GatheredFacts, Place
from infra.billing_facts import PostgresBilling
from infra.postgres import Role, role_conninfo
from tests.effort import EFFORT
from tests.infra.billing_steps import Installation
from tests.infra.conftest import build_parts
from tests.infra.log_steps import IDS
from tests.projections.billing_story import NAMES, BillingStory, Step
from tests.projections.ledger import Ledger

STEPS = st.lists(
    st.tuples(st.sampled_from(NAMES), st.integers(0, 11), st.integers(0, 11)),
    min_size=8,
    max_size=24,
)
# Of each kind of step one, and of what is late, early, doubled or given back.
EVERYTHING: list[Step] = [
    ("grant", 11, 0),
    ("send", 6, 0),
    ("send", 7, 0),
    ("send", 6, 1),
    ("send", 10, 1),
    ("ran", 6, 0),
    ("ran", 0, 0),
    ("lost", 3, 0),
    ("again", 0, 1),
    ("other", 1, 0),
    ("die", 1, 1),
    ("ran", 5, 0),
    ("send", 9, 4),
    ("reprice", 0, 0),
    ("send", 8, 0),
    ("reprice", 0, 0),
    ("send", 8, 0),
    ("known", 0, 0),
    ("deliver", 3, 4),
    ("pass", 3, 0),
    ("send", 8, 4),
    ("send", 10, 4),
    ("send", 10, 7),
    ("note", 0, 1),
    ("note", 1, 0),
    ("void", 1, 0),
    ("rebuild", 1, 5),
    ("die", 2, 3),
    ("send", 6, 3),
]


@pytest.fixture
async def installation(ledger: Ledger) -> AsyncIterator[Installation]:
    def conninfo(role: Role) -> str:
        return role_conninfo(ledger.url, role, master_key=ledger.master_key, statement_timeout_s=20)

    async with build_parts(conninfo) as parts:
        yield Installation(parts, PostgresBilling(await parts.database("api"), parts.keys))


@settings(
    max_examples=2 * EFFORT,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=STEPS)
async def test_what_was_used_is_billed_once_after_any_history(
    ledger: Ledger, installation: Installation, steps: list[Step]
) -> None:
    await lived_through(ledger, installation, steps)


async def lived_through(
    ledger: Ledger, installation: Installation, steps: list[Step]
) -> BillingStory:
    story = await BillingStory.begun(ledger, installation)
    await story.when(steps)
    await story.require_everything_holds()
    return story


async def test_it_is_so_when_all_of_it_happens(ledger: Ledger, installation: Installation) -> None:
    story = await lived_through(ledger, installation, EVERYTHING)
    kinds = {line["kind"] for one in await story.invoices() for line in lines_of(one)}
    assert kinds >= {"recurring", "usage", "included", "adjustment"}
    tiers = {line["kind"] for one in await story.invoices() for line in tiers_of(one)}
    assert tiers == {"usage", "included", "adjustment"}
    statuses = {one.status for one in await story.invoices()}
    assert "paid" in statuses


def lines_of(invoice: Any) -> Any:
    return invoice.document["lines"]


def tiers_of(invoice: Any) -> Any:
    """Of prices over a period."""
    return [line for line in lines_of(invoice) if "#" in line["key"]]


@contextmanager
def replaced(owner: Any, name: str, other: Any) -> Iterator[None]:
    real = owner.__dict__[name]
    setattr(owner, name, other)
    try:
        yield
    finally:
        setattr(owner, name, real)


def what_came_early_is_forgotten() -> Any:
    """The next invoice reads on from where the one before was closed."""

    def after(_: Any, account: BillingAccount, closed_to: Place) -> Bounds:
        closed = account.closed
        billed_to = BEGINNING if closed is None else tuple(closed.closed_to)
        return Bounds(billed_to, billed_to, closed_to)  # type: ignore[arg-type]

    return replaced(Bounds, "after", classmethod(after))


def what_was_billed_is_billed_again() -> Any:
    def after(_: Any, account: BillingAccount, closed_to: Place) -> Bounds:
        del account
        return Bounds(BEGINNING, BEGINNING, closed_to)

    return replaced(Bounds, "after", classmethod(after))


def what_is_late_is_lost() -> Any:
    take = GatheredFacts.take

    def in_time(self: GatheredFacts, facts: Any) -> None:
        take(self, [one for one in facts if one.happened_at >= self.period.start])

    return replaced(GatheredFacts, "take", in_time)


def tiers_begin_anew_for_what_is_late() -> Any:
    return replaced(commands.invoice_writing, "_counted", lambda _: {})


def what_is_sent_twice_counts_twice() -> Any:
    return replaced(commands.usage_events, "usage_event_id", lambda *_: IDS.new())


def credits_come_back_for_every_asking() -> Any:
    restore = CreditAccount.restore

    def restored(self: CreditAccount, invoice_id: str, **told: Any) -> int:
        return restore(self, invoice_id, **{**told, "amount_pico": None})

    return replaced(CreditAccount, "restore", restored)


# Each with the history that shows it, and that holds without it as all others do.
BUGS: tuple[tuple[Callable[[], Any], list[Step]], ...] = (
    (what_came_early_is_forgotten, [("ran", 6, 0), ("pass", 1, 0)]),
    (what_was_billed_is_billed_again, [("ran", 3, 0), ("pass", 3, 0)]),
    (what_is_late_is_lost, [("pass", 1, 0), ("ran", 1, 0)]),
    (tiers_begin_anew_for_what_is_late, [("send", 1, 0), ("pass", 1, 0), ("send", 1, 6)]),
    (what_is_sent_twice_counts_twice, [("send", 6, 0), ("again", 0, 0)]),
    (credits_come_back_for_every_asking, [("grant", 9, 0), ("pass", 1, 0), ("note", 0, 1)]),
)


@pytest.mark.parametrize(("bug", "steps"), BUGS, ids=lambda one: getattr(one, "__name__", ""))
async def test_a_planted_bug_is_found(
    ledger: Ledger, installation: Installation, bug: Callable[[], Any], steps: list[Step]
) -> None:
    await lived_through(ledger, installation, steps)
    with bug(), pytest.raises(AssertionError):
        await lived_through(ledger, installation, steps)
