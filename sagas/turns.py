"""Whose turn it is among tenants that wait for the same scarce thing.

Self-clocked fair queueing (Golestani, INFOCOM 1994), which is weighted round robin in logarithmic
time: a tenant that begins to wait, or was served, takes a place one weighted step behind the tenant
served last, and the foremost place is served. A tenant's history is not kept while it waits for
nothing, so there is no credit to save up.
"""

from collections.abc import Callable, Hashable, Mapping
from heapq import heapify, heappop, heappush
from typing import Generic, TypeVar
from uuid import UUID

from domain.identifiers import TenantId

Item = TypeVar("Item", bound=Hashable)

# The second number is unique: earlier callers stand before later ones of the same first number.
Place = tuple[float, int]
WeightOf = Callable[[TenantId], float]

# A heap is made anew when it is mostly leavings, which keeps memory in proportion to the items.
LEAVINGS_MIN = 32


def equal_weights(_tenant_id: TenantId) -> float:
    return 1.0


def weights(chosen: Mapping[UUID, float]) -> WeightOf:
    """Whoever is not named weighs 1."""
    if not chosen:
        return equal_weights
    return lambda tenant_id: chosen.get(tenant_id, 1.0)


class Ordered(Generic[Item]):
    """Items by their places, of which any may leave at any time. All in O(log n), amortised."""

    def __init__(self) -> None:
        self._heap: list[tuple[Place, Item]] = []
        self._places: dict[Item, Place] = {}

    def __len__(self) -> int:
        return len(self._places)

    def put(self, item: Item, place: Place) -> None:
        """Moves an item that is there."""
        if self._places.get(item) != place:
            self._places[item] = place
            heappush(self._heap, (place, item))
            self._tidy()

    def discard(self, item: Item) -> None:
        if self._places.pop(item, None) is not None:
            self._tidy()

    def first(self) -> tuple[Place, Item] | None:
        while self._heap:
            place, item = self._heap[0]
            if self._places.get(item) == place:
                return place, item
            heappop(self._heap)
        return None

    def _tidy(self) -> None:
        if len(self._heap) > 2 * len(self._places) + LEAVINGS_MIN:
            self._heap = [(place, item) for item, place in self._places.items()]
            heapify(self._heap)


class Turns:
    """The places of the tenants that wait. weight_of: above 0; with twice the weight, twice the
    turns.
    """

    def __init__(self, weight_of: WeightOf = equal_weights) -> None:
        self._weight_of = weight_of
        self._places: dict[TenantId, Place] = {}
        self._served_at = 0.0
        self._joined_count = 0

    def join(self, tenant_id: TenantId) -> Place:
        """The place it has, or a new one at the end of the round."""
        place = self._places.get(tenant_id)
        if place is None:
            place = self._places[tenant_id] = self._end_of_round(tenant_id)
        return place

    def serve(self, tenant_id: TenantId) -> Place:
        """Its next place. A tenant that others overtook while it was held back by a limit catches
        up one turn, not all of them.
        """
        self._served_at = max(self._served_at, self._places[tenant_id][0])
        place = self._places[tenant_id] = self._end_of_round(tenant_id)
        return place

    def leave(self, tenant_id: TenantId) -> None:
        self._places.pop(tenant_id, None)

    def _end_of_round(self, tenant_id: TenantId) -> Place:
        self._joined_count += 1
        return self._served_at + 1 / self._weight_of(tenant_id), self._joined_count
