"""Credit grants: what each has left, for what it may be used, and the order in which they burn."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias

Source: TypeAlias = Literal["promotional", "purchased", "included"]
Scope: TypeAlias = Literal["usage"]


@dataclass
class Grant:
    """place: the order in which they were given. priority: the lowest burns first. scope: `usage`
    pays only for usage; None pays for everything. left_pico: in pico-USD. withdrawn_for: why it
    should not have been given, where somebody said so.
    """

    grant_id: str
    place: int
    priority: int
    effective_at: datetime
    expires_at: datetime | None
    scope: Scope | None
    left_pico: int = 0
    withdrawn_for: str | None = None

    def counts(self, at: datetime) -> bool:
        is_over = self.expires_at is not None and self.expires_at <= at
        return self.left_pico > 0 and self.effective_at <= at and not is_over


def in_burn_order(grants: Iterable[Grant]) -> list[Grant]:
    """Priority, then what expires first, then what was given first."""
    return sorted(
        grants,
        key=lambda one: (
            one.priority,
            one.expires_at is None,
            0.0 if one.expires_at is None else one.expires_at.timestamp(),
            one.place,
        ),
    )


def burned(
    grants: Iterable[Grant], amount_pico: int, usage_pico: int, at: datetime
) -> Iterator[tuple[str, int]]:
    """What each gives to an amount, of which so much is for usage. What pays for everything pays
    first for what nothing else may pay for.
    """
    usage, other = usage_pico, amount_pico - usage_pico
    for grant in in_burn_order(one for one in grants if one.counts(at)):
        for_other = 0 if grant.scope == "usage" else min(grant.left_pico, other)
        for_usage = min(grant.left_pico - for_other, usage)
        usage, other = usage - for_usage, other - for_other
        if for_other + for_usage:
            yield grant.grant_id, for_other + for_usage
