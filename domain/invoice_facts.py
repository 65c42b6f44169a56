"""The closed set of facts that an invoice is made of, and their sums.

The log is read in commit order from `read_from` to `closed_to`. A fact is of an invoice if it
happened before the end of the period, and no earlier invoice has it: that is, it lies behind
`billed_to`, or it happened in this very period. So three places and a period name the set, however
many facts it has, and whoever reads the log again finds the same ones:

          billed_to (where the last invoice was closed)      closed_to
    log ──────┼──────────────────────────────────────────────────┼────►
     happened in the period: on this one  │  in an earlier one: an adjustment
     happened later: on the next one, which therefore reads from the first of these on

Sums do not depend on the order in which facts were stored. Included usage does depend on an order:
that in which things happened. Where a price is over a period, a fact adds its quantity, and no
cost, to what is charged by tier (domain/period_prices.py); how much earlier invoices of that period
have counted is known to the account.
"""

import hashlib
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from fractions import Fraction
from typing import Any, NamedTuple, TypeAlias
from uuid import UUID

import orjson

from domain.billing_periods import Period
from domain.errors import Refused
from domain.identifiers import JsonObject
from domain.money import PICO_PER_USD
from domain.period_prices import Counted
from domain.rating import OWN_METERS

# (era, tx_id, notification_id): a place in the commit order of the log.
Place: TypeAlias = tuple[int, int, int]
BEGINNING: Place = (0, 0, 0)
# Of one invoice; its digests and sums are held in memory.
FACTS_MAX = 5_000_000


class TooManyFacts(Refused):
    """More was used than fits on one invoice: close the period earlier."""

    code = "too_many_facts"


# [meter, quantity, cost in pico-USD or None]; and of a price over a period, which one it is.
FactLine: TypeAlias = tuple[str, int, int | None] | tuple[str, int, int | None, JsonObject]
MEMBERS_WITHOUT_PRICE = 3


class Fact(NamedTuple):
    """What one paid attempt used, or one event that a tenant sent, as its event says. happened_at:
    UTC. lines None: nobody knows yet.
    """

    place: Place
    happened_at: datetime
    stream_id: UUID
    path: str
    attempt: int
    model: str
    prices: str
    lines: Sequence[FactLine] | None

    def digest(self) -> bytes:
        # As JSON a time is what its isoformat says, and an id what it is as text.
        told = [
            self.happened_at,
            self.stream_id,
            self.path,
            self.attempt,
            self.model,
            self.prices,
            self.lines,
        ]
        return hashlib.sha256(orjson.dumps(told)).digest()


class Group(NamedTuple):
    """period: of an adjustment, the one that it is of; else that of the invoice."""

    period: Period
    model: str
    meter: str


@dataclass(slots=True)
class Sum:
    """unpriced: how many facts of it have no price; their quantity is in unpriced_quantity."""

    quantity: int = 0
    cost_usd_pico: int = 0
    facts: int = 0
    unpriced: int = 0
    unpriced_quantity: int = 0


class PricedGroup(NamedTuple):
    """What is charged as one sum, of one period. price_id: of a price over a period."""

    model: str
    meter: str
    price_id: str


@dataclass(slots=True)
class PeriodSum:
    """price: as domain/period_prices.py tells it."""

    price: JsonObject
    quantity: int = 0
    facts: int = 0


# When it happened, what orders things that happened at once, of what model, how much, its cost,
# and the id of its price if that is over a period.
Ordered: TypeAlias = tuple[datetime, UUID, str, int, str, int, int, str]
# What is included: a meter, and a model, `provider/*` or `*`.
Pool: TypeAlias = tuple[str, str]


class Free(NamedTuple):
    """quantity: that was free, without what is priced over a period. usd: what it would have cost.
    left: for what comes late.
    """

    quantity: Fraction
    usd: Fraction
    left: Fraction


NOTHING_FREE: Mapping[PricedGroup, Fraction] = {}


class _Taken(NamedTuple):
    """Of what is included in a period. groups: how much of what is priced over it was free."""

    pools: Mapping[Pool, Free]
    groups: Mapping[PricedGroup, Fraction]


@dataclass(slots=True)
class GatheredFacts:
    """What was taken so far. included: by the beginning of a period, how much of each pool is free.
    counted: so too, what earlier invoices of it have counted where a price is over a period.
    next_from: what lies behind this place the next invoice has to look at; None: behind closed_to.
    """

    periods: Sequence[Period]
    billed_to: Place
    included: Mapping[datetime, Mapping[Pool, Fraction]] = field(
        default_factory=dict[datetime, Mapping[Pool, Fraction]]
    )
    counted: Mapping[datetime, Mapping[PricedGroup, Counted]] = field(
        default_factory=dict[datetime, Mapping[PricedGroup, Counted]]
    )
    sums: dict[Group, Sum] = field(default_factory=dict[Group, Sum])
    period_sums: dict[Period, dict[PricedGroup, PeriodSum]] = field(
        default_factory=dict[Period, dict[PricedGroup, PeriodSum]]
    )
    ordered: dict[tuple[datetime, str], list[Ordered]] = field(
        default_factory=dict[tuple[datetime, str], list[Ordered]]
    )
    digests: list[bytes] = field(default_factory=list[bytes])
    held: set[tuple[UUID, str, int]] = field(default_factory=set[tuple[UUID, str, int]])
    prices: set[str] = field(default_factory=set[str])
    next_from: Place | None = None
    _starts: list[datetime] = field(init=False)
    _free_meters: list[set[str]] = field(init=False)
    # As sums, by the number of the period: to hash a time for every line takes long.
    _sums: dict[tuple[int, str, str], Sum] = field(
        init=False, default_factory=dict[tuple[int, str, str], Sum]
    )

    _period_sums: dict[tuple[int, PricedGroup], PeriodSum] = field(
        init=False, default_factory=dict[tuple[int, PricedGroup], PeriodSum]
    )
    # Found once: to put a hundred thousand facts in order takes long.
    _taken: dict[datetime, _Taken] = field(init=False, default_factory=dict[datetime, _Taken])

    def __post_init__(self) -> None:
        """periods: one after the other; the last one is that of the invoice."""
        self._starts = [period.start for period in self.periods]
        self._free_meters = [
            {meter for meter, _ in self.included.get(start, ())} for start in self._starts
        ]

    @property
    def period(self) -> Period:
        return self.periods[-1]

    def take(self, facts: Iterable[Fact]) -> None:
        """In the order of the log. Raises TooManyFacts."""
        self._taken.clear()
        start, end = self.period
        latest = len(self.periods) - 1
        for fact in facts:
            happened_at = fact.happened_at
            if happened_at >= end:
                if self.next_from is None:
                    era, tx_id, notification_id = fact.place
                    self.next_from = (era, tx_id, notification_id - 1)
                continue
            if happened_at >= start:
                self._add(latest, fact)
            elif fact.place > self.billed_to:
                number = bisect_right(self._starts, happened_at) - 1
                if number >= 0:  # Nothing from before the first period is ever billed.
                    self._add(number, fact)
        if len(self.digests) > FACTS_MAX:
            raise TooManyFacts(facts_max=FACTS_MAX)

    def _add(self, number: int, fact: Fact) -> None:
        """number: of the period."""
        _, happened_at, stream_id, path, attempt, model, prices, lines = fact
        if lines is None:
            self.held.add((stream_id, path, attempt))
            return
        if self.held:
            self.held.discard((stream_id, path, attempt))
        self.digests.append(fact.digest())
        if prices:
            self.prices.add(prices)
        free_meters = self._free_meters[number]
        for line in lines:
            meter, quantity, cost = line[:3]
            if len(line) > MEMBERS_WITHOUT_PRICE:
                self._add_to_period(number, fact, line)
                continue
            found = self._sums.get((number, model, meter))
            if found is None:
                found = self._sums[number, model, meter] = Sum()
                self.sums[Group(self.periods[number], model, meter)] = found
            found.facts += 1
            if cost is None:
                found.unpriced += 1
                found.unpriced_quantity += quantity
                continue
            found.quantity += quantity
            found.cost_usd_pico += cost
            if meter in free_meters:
                one = (happened_at, stream_id, path, attempt, model, quantity, cost, "")
                start = self.periods[number].start
                self.ordered.setdefault((start, meter), []).append(one)

    def _add_to_period(self, number: int, fact: Fact, line: Any) -> None:
        meter, quantity, _, price = line
        group = PricedGroup(fact.model, meter, price["id"])
        found = self._period_sums.get((number, group))
        if found is None:
            found = self._period_sums[number, group] = PeriodSum(price)
            self.period_sums.setdefault(self.periods[number], {})[group] = found
        found.quantity += quantity
        found.facts += 1
        if meter in self._free_meters[number]:
            one = (*fact[1:5], fact.model, quantity, 0, price["id"])
            self.ordered.setdefault((self.periods[number].start, meter), []).append(one)

    def sha256(self) -> str:
        """Of the set, in whatever order it was stored."""
        whole = hashlib.sha256()
        for digest in sorted(self.digests):
            whole.update(digest)
        return whole.hexdigest()

    def free(self, start: datetime) -> Mapping[Pool, Free]:
        """How much of what is included in the period that begins then was used. A fact takes from
        the pool of its model first, then of its provider, then of all.
        """
        return self._taken_from(start).pools

    def counted_after(self, period: Period) -> dict[PricedGroup, Counted]:
        """With what earlier invoices of it have counted."""
        found = dict(self.counted.get(period.start, {}))
        is_any_free = period.start in self.included
        free = self._taken_from(period.start).groups if is_any_free else NOTHING_FREE
        for group, told in self.period_sums.get(period, {}).items():
            known = found.get(group, Counted())
            covered = known.free + free.get(group, Fraction(0))
            found[group] = Counted(known.quantity + told.quantity, covered)
        return found

    def _taken_from(self, start: datetime) -> _Taken:
        known = self._taken.get(start)
        if known is None:
            known = self._taken[start] = self._take_free(start)
        return known

    def _take_free(self, start: datetime) -> _Taken:
        pools = self.included[start]
        left = dict(pools)
        given = dict.fromkeys(pools, Fraction(0))
        usd_pico = dict.fromkeys(pools, Fraction(0))
        groups: dict[PricedGroup, Fraction] = {}
        for meter in sorted({meter for meter, _ in pools}):
            for one in sorted(self.ordered.get((start, meter), ())):
                *_, model, quantity, cost, price_id = one
                rest = Fraction(quantity)
                for pool in _pools_of(meter, model or OWN_METERS):
                    # Of a correction of what was counted, below 0, nothing is taken.
                    covered = max(min(rest, left.get(pool, Fraction(0))), Fraction(0))
                    if not covered:
                        continue
                    left[pool] -= covered
                    rest -= covered
                    if price_id:
                        group = PricedGroup(model, meter, price_id)
                        groups[group] = groups.get(group, Fraction(0)) + covered
                    else:
                        given[pool] += covered
                        usd_pico[pool] += Fraction(cost, quantity) * covered
        free = {
            pool: Free(given[pool], usd_pico[pool] / PICO_PER_USD, left[pool]) for pool in pools
        }
        return _Taken(free, groups)


def _pools_of(meter: str, model: str) -> tuple[Pool, Pool, Pool]:
    return (meter, model), (meter, f"{model.partition('/')[0]}/*"), (meter, "*")
