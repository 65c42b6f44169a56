"""Charges of usage: what is owed for the facts that were gathered, exact, before anything is
rounded. What is included in a plan is a charge of its own, which gives back.
"""

from collections.abc import Iterator, Sequence
from fractions import Fraction

from domain.billing_periods import Period
from domain.charges import Charge
from domain.invoice_facts import GatheredFacts, Group, Sum
from domain.money import PICO_PER_USD
from domain.usage import METERS

# Of usage, on one invoice; what is left is one line more.
LINES_MAX = 300
OTHER = "other"
OWN_UNIT = "units"
EVERY_MODEL = "*"


def usage_charges(gathered: GatheredFacts) -> list[Charge]:
    """Of the period, and adjustments of earlier ones. Groups that cost nothing are left out."""
    costly = [(group, told) for group, told in gathered.sums.items() if told.cost_usd_pico]
    costly.sort(key=lambda one: (-one[1].cost_usd_pico, _key(gathered, one[0])))
    charges = [_charge(gathered, group, told) for group, told in costly[:LINES_MAX]]
    charges.extend(_others(gathered, costly[LINES_MAX:]))
    charges.extend(_included(gathered))
    return charges


def usage_usd(charges: Sequence[Charge], period: Period) -> Fraction:
    """What the usage of the period costs, given what is included; never below 0."""
    of_period = [one for one in charges if (one.start, one.end) == period]
    return max(sum((one.amount_usd for one in of_period), Fraction(0)), Fraction(0))


def _charge(gathered: GatheredFacts, group: Group, told: Sum) -> Charge:
    what = f"{group.model}, {words(group.meter)}" if group.model else words(group.meter)
    return Charge(
        kind="usage" if group.period == gathered.period else "adjustment",
        key=_key(gathered, group),
        description=what[:1].upper() + what[1:] if not group.model else what,
        quantity=Fraction(told.quantity),
        unit=METERS.get(group.meter, OWN_UNIT),
        amount_usd=Fraction(told.cost_usd_pico, PICO_PER_USD),
        start=group.period.start,
        end=group.period.end,
    )


def _key(gathered: GatheredFacts, group: Group) -> str:
    if group.period == gathered.period:
        return f"usage/{group.model}/{group.meter}"
    return f"adjustment/{group.period.start.isoformat()}/{group.model}/{group.meter}"


def _others(gathered: GatheredFacts, rest: Sequence[tuple[Group, Sum]]) -> Iterator[Charge]:
    """One line for each period, of what has no line of its own."""
    by_period: dict[Period, list[Sum]] = {}
    for group, told in rest:
        by_period.setdefault(group.period, []).append(told)
    for period, sums in by_period.items():
        yield _charge(
            gathered,
            Group(period, "", OTHER),
            Sum(
                quantity=sum(one.facts for one in sums),
                cost_usd_pico=sum(one.cost_usd_pico for one in sums),
            ),
        )


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


def words(meter: str) -> str:
    """A meter as people read it: cached_input_tokens -> cached input tokens."""
    return meter.replace("_", " ") if meter in METERS else meter
