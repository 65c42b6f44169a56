"""What an attempt claims, and how much of each limit is in use."""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from domain.identifiers import TenantId


class Claim(NamedTuple):
    """One attempt's wish to run. Claims that are equal are held back by the same limits.

    A named tuple, because one is made for every attempt: a frozen dataclass takes four times as
    long. workflow_id: None for an agent that runs alone, which no workflow's limit holds back.
    """

    tenant_id: TenantId
    workflow_id: str | None
    node_type: str


@dataclass(frozen=True, slots=True)
class ClaimLimits:
    """How many attempts one process may have in flight, in total and of the same kind. None: as
    many as the total allows. own_max_of: what a tenant's plan says, before per_tenant_max.
    """

    total_max: int
    per_tenant_max: int | None = None
    per_workflow_max: int | None = None
    per_node_type_max: Mapping[str, int] = field(default_factory=dict[str, int])
    own_max_of: Callable[[TenantId], int | None] | None = None


class Usage:
    """The attempts in flight, counted along every limit there is."""

    def __init__(self, limits: ClaimLimits) -> None:
        self._total_max = limits.total_max
        self.in_flight = 0
        self.of_tenant = _Counted(limits.per_tenant_max, own_limit_of=limits.own_max_of)
        self.of_workflow = _Counted(limits.per_workflow_max, {None: None})
        self.of_node_type = _Counted(None, limits.per_node_type_max)
        places = enumerate((self.of_tenant, self.of_workflow, self.of_node_type))
        # Most installations set no limit but the total, and pay for none.
        self._limited = [(place, counted) for place, counted in places if counted.is_limited]

    @property
    def is_full(self) -> bool:
        return self.in_flight >= self._total_max

    def try_take(self, claim: Claim) -> bool:
        if self.in_flight >= self._total_max:
            return False
        held_to: list[tuple[_Counted, Hashable]] = []
        for place, counted in self._limited:
            key = claim[place]
            limit = counted.limit_of(key)
            if limit is None:
                continue
            if counted.count_of(key) >= limit:
                return False
            held_to.append((counted, key))
        self.in_flight += 1
        for counted, key in held_to:
            counted.take(key)
        return True

    def give_back(self, claim: Claim) -> None:
        assert self.in_flight > 0
        self.in_flight -= 1
        for place, counted in self._limited:
            # Mostly nothing is counted, and to hash a key is a function of Python's.
            if counted.counts:
                counted.give_back(claim[place])


class _Counted:
    """Counts only what has a limit, so that it holds no key for longer than an attempt lasts."""

    def __init__(
        self,
        limit: int | None,
        exceptions: Mapping[Any, int | None] | None = None,
        own_limit_of: Callable[[Any], int | None] | None = None,
    ) -> None:
        self._limit = limit
        self._own_limit_of = own_limit_of
        self._exceptions: dict[Hashable, int | None] = dict(exceptions or {})
        self.counts: dict[Hashable, int] = {}
        is_limited = limit is not None or any(self._exceptions.values())
        self.is_limited = is_limited or own_limit_of is not None

    def is_full(self, key: Hashable) -> bool:
        limit = self.limit_of(key)
        return limit is not None and self.count_of(key) >= limit

    def count_of(self, key: Hashable) -> int:
        return self.counts.get(key, 0)

    def take(self, key: Hashable) -> None:
        """Of a key that has a limit."""
        self.counts[key] = self.counts.get(key, 0) + 1

    def give_back(self, key: Hashable) -> None:
        count = self.counts.get(key)
        if count is None:
            return
        if count > 1:
            self.counts[key] = count - 1
        else:
            del self.counts[key]

    def limit_of(self, key: Hashable) -> int | None:
        if self._own_limit_of is not None and (own := self._own_limit_of(key)) is not None:
            return own
        # Hashing a UUID is a call in Python: a third of the whole cost, where nothing is excepted.
        return self._exceptions.get(key, self._limit) if self._exceptions else self._limit
