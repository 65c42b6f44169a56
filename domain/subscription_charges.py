"""What is owed for a subscription in a time, exactly, and how much usage it includes.

Each line falls due at one instant and belongs to the time that has it: the recurring amount where
its period begins, the two lines of a change where the plan changes, what is given back where it
ends. So the charges of adjoining times add up to those of the whole. What is included, and the
minimum, lie evenly in their period, and add up too.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from fractions import Fraction
from itertools import pairwise
from typing import NamedTuple

from domain.billing_periods import Cycle, Period, share
from domain.charges import Charge
from domain.subscription_phases import Life, Phase


class Allowance(NamedTuple):
    """Usage that costs nothing more. model: its name, `provider/*` or `*`."""

    meter: str
    model: str
    quantity: Fraction


def charges(lives: Sequence[Life], start: datetime, end: datetime) -> list[Charge]:
    """Of what falls due in [start, end): `recurring` and `proration`, in order of kind, key and
    start.
    """
    due = [
        charge
        for life in lives
        for charge in _of_life(life, start, end)
        if start <= charge.start < end
    ]
    kinds = ("recurring", "proration")
    return sorted(due, key=lambda one: (kinds.index(one.kind), one.key, one.start))


def included(lives: Sequence[Life], start: datetime, end: datetime) -> list[Allowance]:
    """In [start, end), by meter and model."""
    sums: dict[tuple[str, str], Fraction] = {}
    for phase, part in _shares(lives, start, end):
        for one in phase.plan.terms.included:
            key = one.meter, one.model
            sums[key] = sums.get(key, Fraction(0)) + one.quantity * part
    return [Allowance(meter, model, quantity) for (meter, model), quantity in sorted(sums.items())]


def minimum(
    lives: Sequence[Life], start: datetime, end: datetime, usage_usd: Fraction
) -> Charge | None:
    """What is missing in [start, end) to the least that usage costs; usage_usd: what it costs."""
    least = sum(
        (
            phase.plan.terms.minimum_usd * part
            for phase, part in _shares(lives, start, end)
            if phase.cycle is not None
        ),
        Fraction(0),
    )
    if least <= usage_usd:
        return None
    text = "Minimum of usage"
    missing = least - usage_usd
    return Charge("minimum", "minimum", text, Fraction(1), "period", missing, start, end)


def _of_life(life: Life, start: datetime, end: datetime) -> Iterator[Charge]:
    paid = [phase for phase in life.phases() if phase.cycle is not None]
    for place, (before, phase) in enumerate(pairwise((None, *paid))):
        assert phase is not None
        if before is not None and before.cycle == phase.cycle:
            yield from _changed(before, phase, place)
        elif before is not None:
            yield from _given_back(before, place)
        yield from _recurring(phase, start, end)
    if paid and paid[-1].end is not None:
        yield from _given_back(paid[-1], len(paid))


def _recurring(phase: Phase, start: datetime, end: datetime) -> Iterator[Charge]:
    """For each whole period that begins in the phase."""
    due = phase.within(start, end)
    cycle, plan = phase.cycle, phase.plan
    if due is None or cycle is None or not plan.terms.recurring_usd:
        return
    index = cycle.index_at(due.start)
    while (period := cycle.period(index)).start < due.end:
        if period.start >= due.start:
            yield Charge(
                "recurring",
                plan.key,
                plan.name,
                Fraction(1),
                cycle.interval,
                plan.terms.recurring_usd,
                *period,
            )
        index += 1


def _changed(before: Phase, phase: Phase, place: int) -> Iterator[Charge]:
    """In the middle of a period: what is left of it is given back for the one plan and charged for
    the other. Both lines are there, whatever they come to.
    """
    rest = _rest(before.cycle, phase.start)
    if rest is not None:
        yield _prorated(before, rest, -1, place)
        yield _prorated(phase, rest, 1, place)


def _given_back(phase: Phase, place: int) -> Iterator[Charge]:
    """It ends, or another cycle begins, in the middle of a period."""
    assert phase.end is not None
    rest = _rest(phase.cycle, phase.end)
    if rest is not None:
        yield _prorated(phase, rest, -1, place)


def _rest(cycle: Cycle | None, instant: datetime) -> tuple[Period, Fraction] | None:
    """What is left of the period that has the instant, and its share of it; None: the instant is
    where it begins, and nothing was charged for it yet.
    """
    assert cycle is not None
    period = cycle.period_at(instant)
    if period.start == instant:
        return None
    rest = Period(instant, period.end)
    return rest, share(rest, period)


def _prorated(phase: Phase, rest: tuple[Period, Fraction], sign: int, place: int) -> Charge:
    period, part = rest
    terms, plan = phase.plan.terms, phase.plan
    word = "Unused" if sign < 0 else "Remaining"
    return Charge(
        "proration",
        f"{plan.key}/{word.lower()}/{place}",
        f"{word} time on {plan.name}",
        part,
        terms.interval,
        sign * terms.recurring_usd * part,
        *period,
    )


def _shares(
    lives: Sequence[Life], start: datetime, end: datetime
) -> Iterator[tuple[Phase, Fraction]]:
    """Of each period that a phase has a part of in [start, end): how much of it that is."""
    for life in lives:
        for phase in life.phases():
            part = phase.within(start, end)
            if part is None:
                continue
            if phase.cycle is None:
                yield phase, share(part, Period(life.starts_at, life.paid_from))
                continue
            index = phase.cycle.index_at(part.start)
            while (period := phase.cycle.period(index)).start < part.end:
                yield phase, share(part, period)
                index += 1
