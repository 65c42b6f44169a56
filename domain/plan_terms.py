"""PlanTerms: what a version of a plan costs, and how much usage it includes. All prices are in USD,
exact.
"""

from collections.abc import Mapping
from fractions import Fraction
from typing import Any, Literal, NamedTuple, TypeAlias, cast

from domain.identifiers import JsonObject

Interval: TypeAlias = Literal["month", "year"]
INCLUDED_MAX = 100


class Included(NamedTuple):
    """So much of a meter in each period. model: its name, `provider/*` or `*`."""

    meter: str
    model: str
    quantity: int


class PlanTerms(NamedTuple):
    """recurring_usd: for each period, in advance. minimum_usd: what the usage of a period costs at
    least. trial_days: before the first period, without the recurring amount and the minimum.
    """

    interval: Interval
    recurring_usd: Fraction
    minimum_usd: Fraction
    trial_days: int
    included: tuple[Included, ...]


FREE_TERMS = PlanTerms("month", Fraction(0), Fraction(0), 0, ())


def terms_from(document: JsonObject | None) -> PlanTerms:
    """document: as events have it, `{interval, recurring_usd, minimum_usd, trial_days, included:
    [{meter, model, quantity}]}` with money as decimal strings. A plan without one costs nothing.
    """
    if document is None:
        return FREE_TERMS
    told = cast("Mapping[str, Any]", document)
    return PlanTerms(
        interval=told["interval"],
        recurring_usd=Fraction(told["recurring_usd"]),
        minimum_usd=Fraction(told["minimum_usd"]),
        trial_days=told["trial_days"],
        included=tuple(
            Included(one["meter"], one["model"], one["quantity"]) for one in told["included"]
        ),
    )
