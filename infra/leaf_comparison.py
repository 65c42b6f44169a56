"""What differs between the events that were sealed and those that are found: one that was changed,
one that is missing, one that was put in, two that changed places.
"""

from collections.abc import Callable, Iterator
from typing import Literal, NamedTuple

Kind = Literal["changed", "missing", "added", "reordered"]

# How far ahead is looked for what is not where it should be, and after how many differences nobody
# looks any further: what is wrong with a list is told by the first few.
WINDOW = 1000
DIFFERENCES_MAX = 20


class Difference(NamedTuple):
    """sealed: the place among the sealed. found: the place among those found, or where it would
    be.
    """

    kind: Kind
    sealed: int
    found: int


# Whether the event that was sealed at a place is the one that is found at a place.
IsSame = Callable[[int, int], bool]


def differences(
    sealed_count: int, found_count: int, is_same: IsSame, *, is_all: bool = True
) -> list[Difference]:
    """The first few, in order. What is found may go on where what is sealed ends. is_all: False
    when more would be found, so that what is sealed may go on, too.
    """
    found: list[Difference] = []
    for difference in _differences(sealed_count, found_count, is_same):
        if difference.found >= found_count and not is_all:
            break
        found.append(difference)
        if len(found) == DIFFERENCES_MAX:
            break
    return found


def _differences(sealed_count: int, found_count: int, is_same: IsSame) -> Iterator[Difference]:
    at, here = 0, 0
    while at < sealed_count:
        if here < found_count and is_same(at, here):
            at, here = at + 1, here + 1
            continue
        difference = Difference(
            _kind(at, here, is_same, ends=(sealed_count, found_count)), at, here
        )
        yield difference
        at += difference.kind != "added"
        here += difference.kind != "missing"
        # The other half of neighbours that changed places is no second difference.
        if (
            difference.kind == "reordered"
            and max(at - sealed_count, here - found_count) < 0
            and is_same(at, here - 1)
            and is_same(at - 1, here)
        ):
            at, here = at + 1, here + 1


def _kind(at: int, here: int, is_same: IsSame, *, ends: tuple[int, int]) -> Kind:
    sealed_count, found_count = ends
    if here >= found_count:
        return "missing"
    is_sealed_later = any(
        is_same(later, here) for later in range(at + 1, min(at + WINDOW, sealed_count))
    )
    is_found_later = any(
        is_same(at, later) for later in range(here + 1, min(here + WINDOW, found_count))
    )
    if is_sealed_later:
        return "reordered" if is_found_later else "missing"
    return "added" if is_found_later else "changed"
