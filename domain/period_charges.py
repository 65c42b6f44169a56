"""Charges of what is priced over a period: one for each tier of each sum. Of a period that was
billed before they are what late facts change: its total with them, less its total without.
"""

from collections.abc import Iterator
from fractions import Fraction

from domain.billing_periods import Period
from domain.charges import Charge
from domain.invoice_facts import GatheredFacts, Group, PricedGroup
from domain.invoice_groups import OWN_UNIT, UsageGroup, usage_key, what, words
from domain.money import PICO_PER_USD
from domain.period_prices import Counted, differences, given_back, tier_words
from domain.usage import METERS


def period_groups(gathered: GatheredFacts) -> Iterator[UsageGroup]:
    for period, sums in gathered.period_sums.items():
        before, after = gathered.counted.get(period.start, {}), gathered.counted_after(period)
        for group, told in sums.items():
            key = _key(gathered, period, group)
            changed = differences(told.price, before.get(group, Counted()), after[group])
            if any(part.usd_pico for part in changed):
                charges = [
                    Charge(
                        kind="usage" if period == gathered.period else "adjustment",
                        key=f"{key}.{part.tier:02d}",
                        description=_described(group, tier_words(told.price, part.tier)),
                        quantity=part.quantity,
                        unit=METERS.get(group.meter, OWN_UNIT),
                        amount_usd=part.usd_pico / PICO_PER_USD,
                        start=period.start,
                        end=period.end,
                    )
                    for part in changed
                ]
                cost = sum((part.usd_pico for part in changed), Fraction(0))
                yield UsageGroup(period, key, cost, told.facts, charges)


def period_included(gathered: GatheredFacts) -> Iterator[Charge]:
    """What is included is given back. More usage changes it too: the dearer tiers go first."""
    for period, sums in gathered.period_sums.items():
        before, after = gathered.counted.get(period.start, {}), gathered.counted_after(period)
        is_late = period != gathered.period
        at = f"adjustment/{period.start.isoformat()}/included" if is_late else "included"
        for group, told in sums.items():
            was, is_now = before.get(group, Counted()), after[group]
            back = given_back(told.price, is_now) - given_back(told.price, was)
            of_model = f" of {group.model}" if group.model else ""
            if back:
                yield Charge(
                    kind="adjustment" if is_late else "included",
                    key=f"{at}/{group.model}/{group.meter}#{group.price_id}",
                    description=f"Included: {words(group.meter)}{of_model}",
                    quantity=was.free - is_now.free,
                    unit=METERS.get(group.meter, OWN_UNIT),
                    amount_usd=-back / PICO_PER_USD,
                    start=period.start,
                    end=period.end,
                )


def _key(gathered: GatheredFacts, period: Period, group: PricedGroup) -> str:
    return f"{usage_key(gathered, Group(period, group.model, group.meter))}#{group.price_id}"


def _described(group: PricedGroup, tier: str) -> str:
    return f"{what(group.model, group.meter)} ({tier})"
