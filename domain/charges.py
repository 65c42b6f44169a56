"""Charge: one line of an invoice before it is rounded, exact. Whoever knows what is owed says it in
charges: usage, subscriptions, late facts. An invoice rounds each of them once.
"""

from datetime import datetime
from fractions import Fraction
from typing import Literal, NamedTuple, TypeAlias

ChargeKind: TypeAlias = Literal[
    "usage", "included", "recurring", "proration", "minimum", "adjustment"
]


class Charge(NamedTuple):
    """For what lies in [start, end). amount_usd: negative gives back.

    key: what it is charged for, the same in every period, as `usage/offline/echo/output_tokens` or
    `plan/<id>/2`. Lines are in the order of kind, key and start.
    """

    kind: ChargeKind
    key: str
    description: str
    quantity: Fraction
    unit: str
    amount_usd: Fraction
    start: datetime
    end: datetime
