"""How what was used is named on an invoice: keys, which are the same in every period, and words."""

from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

from domain.billing_periods import Period
from domain.charges import Charge
from domain.invoice_facts import GatheredFacts, Group
from domain.usage import METERS

OWN_UNIT = "units"


class UsageGroup(NamedTuple):
    """What is shown together, or not at all. facts: how many it is the sum of."""

    period: Period
    key: str
    cost_usd_pico: Fraction | int
    facts: int
    charges: Sequence[Charge]


def usage_key(gathered: GatheredFacts, group: Group) -> str:
    if group.period == gathered.period:
        return f"usage/{group.model}/{group.meter}"
    return f"adjustment/{group.period.start.isoformat()}/{group.model}/{group.meter}"


def what(model: str, meter: str) -> str:
    if model:
        return f"{model}, {words(meter)}"
    told = words(meter)
    return told[:1].upper() + told[1:]


def words(meter: str) -> str:
    """A meter as people read it: cached_input_tokens -> cached input tokens."""
    return meter.replace("_", " ") if meter in METERS else meter
