"""Charges of usage: what is owed for the facts that were gathered, exact, before anything is
rounded. What is included in a plan is a charge of its own, which gives back.
"""

from collections.abc import Iterator, Sequence
from fractions import Fraction

from domain.billing_periods import Period
from domain.charges import Charge
from domain.invoice_facts import GatheredFacts, Group, Sum
from domain.invoice_groups import OWN_UNIT, UsageGroup, usage_key, what, words
from domain.money import PICO_PER_USD
from domain.period_charges import period_groups, period_included
from domain.usage import METERS

# Of usage, on one invoice; what is left is one line more.
LINES_MAX = 300
OTHER = "other"
EVERY_MODEL = "*"


def usage_charges(gathered: GatheredFacts) -> list[Charge]:
    """Of the period, and adjustments of earlier ones. Groups that cost nothing are left out."""
    costly = [*_plain(gathered), *period_groups(gathered)]
    costly.sort(key=lambda one: (-one.cost_usd_pico, one.key))
    charges: list[Charge] = []
    rest: list[UsageGroup] = []
    for group in costly:
        if len(charges) + len(group.charges) <= LINES_MAX:
            charges.extend(group.charges)
        else:
            rest.append(group)
    charges.extend(_others(gathered, rest))
    charges.extend(_included(gathered))
    charges.extend(period_included(gathered))
    return charges


def _plain(gathered: GatheredFacts) -> Iterator[UsageGroup]:
    for group, told in gathered.sums.items():
        if told.cost_usd_pico:
            charge = _charge(gathered, group, told)
            yield UsageGroup(group.period, charge.key, told.cost_usd_pico, told.facts, [charge])


def usage_usd(charges: Sequence[Charge], period: Period) -> Fraction:
    """What the usage of the period costs, given what is included; never below 0."""
    of_period = [one for one in charges if (one.start, one.end) == period]
    return max(sum((one.amount_usd for one in of_period), Fraction(0)), Fraction(0))


def _charge(gathered: GatheredFacts, group: Group, told: Sum) -> Charge:
    is_late = group.period != gathered.period
    return Charge(
        kind="adjustment" if is_late else "usage",
        key=usage_key(gathered, group),
        description=what(group.model, group.meter),
        quantity=Fraction(told.quantity),
        unit=METERS.get(group.meter, OWN_UNIT),
        amount_usd=Fraction(told.cost_usd_pico, PICO_PER_USD),
        start=group.period.start,
        end=group.period.end,
    )


def _others(gathered: GatheredFacts, rest: Sequence[UsageGroup]) -> Iterator[Charge]:
    """One line for each period, of what has no line of its own."""
    by_period: dict[Period, list[UsageGroup]] = {}
    for one in rest:
        by_period.setdefault(one.period, []).append(one)
    for period, groups in by_period.items():
        facts = sum(one.facts for one in groups)
        cost = sum((Fraction(one.cost_usd_pico) for one in groups), Fraction(0))
        charge = _charge(gathered, Group(period, "", OTHER), Sum(quantity=facts))
        yield charge._replace(amount_usd=cost / PICO_PER_USD)


def _included(gathered: GatheredFacts) -> Iterator[Charge]:
    for start in gathered.included:
        period = next(one for one in gathered.periods if one.start == start)
        is_late = period != gathered.period
        at = f"adjustment/{start.isoformat()}/included" if is_late else "included"
        for (meter, model), free in gathered.free(start).items():
            if not free.usd:
                continue
            of_model = "" if model == EVERY_MODEL else f" of {model}"
            yield Charge(
                kind="adjustment" if is_late else "included",
                key=f"{at}/{model}/{meter}",
                description=f"Included: {words(meter)}{of_model}",
                quantity=-free.quantity,
                unit=METERS.get(meter, OWN_UNIT),
                amount_usd=-free.usd,
                start=period.start,
                end=period.end,
            )
