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
that in which things happened.
"""

import hashlib
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from fractions import Fraction
from typing import NamedTuple, TypeAlias
from uuid import UUID

import orjson

from domain.billing_periods import Period
from domain.errors import Refused
from domain.money import PICO_PER_USD
from domain.rating import OWN_METERS

# (era, tx_id, notification_id): a place in the commit order of the log.
Place: TypeAlias = tuple[int, int, int]
BEGINNING: Place = (0, 0, 0)
# Of one invoice; its digests and sums are held in memory.
FACTS_MAX = 5_000_000


class TooManyFacts(Refused):
    """More was used than fits on one invoice: close the period earlier."""

    code = "too_many_facts"


class Fact(NamedTuple):
    """What one paid attempt used, or one event that a tenant sent, as its event says. happened_at:
    UTC. lines: [meter, quantity, cost in pico-USD or None]. lines None: nobody knows yet.
    """

    place: Place
    happened_at: datetime
    stream_id: UUID
    path: str
    attempt: int
    model: str
    prices: str
    lines: Sequence[tuple[str, int, int | None]] | None

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


# When it happened, what orders things that happened at once, of what model, how much, its cost.
Ordered: TypeAlias = tuple[datetime, UUID, str, int, str, int, int]
# What is included: a meter, and a model, `provider/*` or `*`.
Pool: TypeAlias = tuple[str, str]


class Free(NamedTuple):
    """quantity: that was free. usd: what it would have cost. left: for what comes late."""

    quantity: Fraction
    usd: Fraction
    left: Fraction


@dataclass(slots=True)
class GatheredFacts:
    """What was taken so far. included: by the beginning of a period, how much of each pool is free.
    next_from: what lies behind this place the next invoice has to look at; None: behind closed_to.
    """

    periods: Sequence[Period]
    billed_to: Place
    included: Mapping[datetime, Mapping[Pool, Fraction]] = field(
        default_factory=dict[datetime, Mapping[Pool, Fraction]]
    )
    sums: dict[Group, Sum] = field(default_factory=dict[Group, Sum])
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
        for meter, quantity, cost in lines:
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
                one = (happened_at, stream_id, path, attempt, model, quantity, cost)
                start = self.periods[number].start
                self.ordered.setdefault((start, meter), []).append(one)

    def sha256(self) -> str:
        """Of the set, in whatever order it was stored."""
        whole = hashlib.sha256()
        for digest in sorted(self.digests):
            whole.update(digest)
        return whole.hexdigest()

    def free(self, start: datetime) -> dict[Pool, Free]:
        """How much of what is included in the period that begins then was used. A fact takes from
        the pool of its model first, then of its provider, then of all.
        """
        pools = self.included[start]
        left = dict(pools)
        usd = dict.fromkeys(pools, Fraction(0))
        for meter in sorted({meter for meter, _ in pools}):
            for *_, model, quantity, cost in sorted(self.ordered.get((start, meter), ())):
                rest = Fraction(quantity)
                for pool in _pools_of(meter, model or OWN_METERS):
                    # Of a correction of what was counted, below 0, nothing is taken.
                    covered = max(min(rest, left.get(pool, Fraction(0))), Fraction(0))
                    if covered:
                        left[pool] -= covered
                        rest -= covered
                        usd[pool] += Fraction(cost, quantity) * covered
        return {
            pool: Free(pools[pool] - left[pool], usd[pool] / PICO_PER_USD, left[pool])
            for pool in pools
        }


def _pools_of(meter: str, model: str) -> tuple[Pool, Pool, Pool]:
    return (meter, model), (meter, f"{model.partition('/')[0]}/*"), (meter, "*")
