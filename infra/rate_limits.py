"""Rate limits that hold over all API processes, and cost a request no round trip.

    take ──► this process's copy of the bucket ──► admitted, or refused with 429
                 │ unsettled calls              ▲
                 └──── every SETTLE_PACE_S ─────┴─► PostgreSQL: what everybody has used up

The generic cell rate algorithm: a bucket is one number, the instant at which all its past calls are
paid for. Calls are admitted by the copy and settled afterwards, together with other buckets' in one
statement. A bucket whose process has `lease` calls unsettled waits for that statement. So all
processes together admit at most `processes x lease` calls more than the limit.

What was admitted too much is paid for later: nobody is admitted before the bucket is back within
its limit. Without PostgreSQL the copies go on alone, each with the whole limit, and a gauge says
so; strict limits, which settle every call before it is answered, refuse instead.
"""

import asyncio
import logging
import math
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple

from domain.errors import OverLimit, Unavailable
from infra.metrics import Metrics
from infra.rate_limit_store import RateLimitStore

WINDOW_S = 60.0
# Of the calls of a window, how many a process may leave unsettled.
LEASE_SHARE = 20
BUCKETS_MAX = 50_000
SETTLED_AT_ONCE_MAX = 500
SETTLE_PACE_S = 0.1
SETTLE_TIMEOUT_S = 1.0
# So many rounds a call waits while others use up each lease before it.
ROUNDS_MAX = 20
# How far a bucket may be ahead of its payment: a window that is used up, and what up to 20
# processes admitted beyond it. A clock that jumps back shuts nobody out for longer either.
AHEAD_MAX_S = 2 * WINDOW_S
# The pause between tries while PostgreSQL cannot be reached.
ALONE_PACE_S = 1.0

log = logging.getLogger(__name__)


class TooManyRequests(OverLimit):
    """Too many requests; wait as long as Retry-After says."""

    code = "too_many_requests"

    def __init__(self, standing: "Standing") -> None:
        super().__init__(retry_after_s=standing.ahead_s - standing.limit.window_s)
        self.standing = standing


class TooManyAttempts(TooManyRequests):
    """Too many requests without a valid credential came from this address."""

    code = "too_many_attempts"


class LimitsUnavailable(Unavailable):
    """The rate limits cannot be looked at; try again."""


@dataclass(frozen=True, slots=True)
class Limit:
    """per_min calls, refilled evenly over a minute. burst: how many of them at once; 0: all.
    is_strict: settled call by call. window_s: in which what may come at once is refilled.
    """

    name: str
    per_min: int
    burst: int = 0
    is_strict: bool = False
    refusal: type[TooManyRequests] = TooManyRequests
    cost_s: float = field(init=False)
    lease: int = field(init=False)
    window_s: float = field(init=False)

    def __post_init__(self) -> None:
        at_once = self.burst or self.per_min
        object.__setattr__(self, "cost_s", WINDOW_S / self.per_min)
        object.__setattr__(self, "lease", max(1, at_once // LEASE_SHARE))
        object.__setattr__(self, "window_s", at_once * self.cost_s)


class Standing(NamedTuple):
    """How far a limit is used up, with the call that was admitted or refused. ahead_s: until all of
    it is there again.
    """

    limit: Limit
    ahead_s: float

    @property
    def remaining(self) -> int:
        """Calls; the thousandth is for what floating point loses."""
        return max(0, int((self.limit.window_s - self.ahead_s) / self.limit.cost_s + 0.001))


class _Bucket:
    """A process's copy. on_its_way: calls that the round at hand settles."""

    __slots__ = ("cost_s", "name", "on_its_way", "paid_until_s", "unsettled")

    def __init__(self, name: str, cost_s: float) -> None:
        self.name = name
        self.cost_s = cost_s
        self.paid_until_s = 0.0
        self.unsettled = 0
        self.on_its_way = 0

    def is_free(self, limit: Limit) -> bool:
        return self.unsettled + self.on_its_way < limit.lease


_Key = tuple[str, object]


class RateLimits:
    """is_alone: PostgreSQL could not be reached when it was last tried."""

    def __init__(
        self, store: RateLimitStore, metrics: Metrics, monotonic_s: Callable[[], float]
    ) -> None:
        self._store = store
        self._metrics = metrics
        self._monotonic_s = monotonic_s
        self._buckets: OrderedDict[_Key, _Bucket] = OrderedDict()
        self._unsettled: dict[_Key, _Bucket] = {}
        self._round: asyncio.Task[None] | None = None
        self.is_alone = False

    async def take(self, limit: Limit, subject: object) -> Standing:
        """Count one call of `subject`, told apart by its text. Raises the limit's refusal; of a
        strict limit also LimitsUnavailable.
        """
        key = (limit.name, subject)
        bucket = self._bucket(key, limit)
        if limit.is_strict:
            return await self._take_settled(key, bucket, limit)
        if bucket.unsettled + bucket.on_its_way >= limit.lease:
            await self._settle_until_free(bucket, limit)
        return self._count(key, bucket, limit)

    async def run(self) -> None:
        """Settle what is not, until cancelled."""
        while True:
            await asyncio.sleep(ALONE_PACE_S if self.is_alone else SETTLE_PACE_S)
            await self.settle()
            for _ in range(ROUNDS_MAX):
                if len(self._unsettled) < SETTLED_AT_ONCE_MAX or self.is_alone:
                    break
                await self.settle()

    async def settle(self) -> None:
        """The round at hand, or a new one; who waits for it may go away without ending it."""
        if self._round is None:
            self._round = asyncio.create_task(self._settle_batch())
        await asyncio.shield(self._round)

    async def _settle_batch(self) -> None:
        batch = dict(islice(self._unsettled.items(), SETTLED_AT_ONCE_MAX))
        for key, bucket in batch.items():
            del self._unsettled[key]
            bucket.on_its_way, bucket.unsettled = bucket.unsettled, 0
        is_settled = False
        try:
            # Without calls to settle it is only tried whether there is anybody.
            if batch or self.is_alone:
                is_settled = await self._settle(list(batch.values()))
        finally:
            for key, bucket in batch.items():
                if not is_settled:
                    bucket.unsettled += bucket.on_its_way
                    self._unsettled[key] = bucket
                bucket.on_its_way = 0
            self._round = None

    async def _settle(self, batch: list[_Bucket]) -> bool:
        """Whether it could be done."""
        # What is more than a window's worth changes nothing: the bucket is empty.
        spent = [(b.name, min(b.on_its_way * b.cost_s, WINDOW_S)) for b in batch]
        try:
            async with asyncio.timeout(SETTLE_TIMEOUT_S):
                ahead_s = await self._store.settle(spent, ahead_max_s=AHEAD_MAX_S)
        except (Unavailable, TimeoutError) as error:
            if not self.is_alone:
                log.warning("rate limits are held by each process alone: %r", error)
            self.is_alone = True
            self._metrics.rate_limits_alone.set(1)
            return False
        now_s = self._monotonic_s()
        for bucket in batch:
            bucket.paid_until_s = now_s + ahead_s[bucket.name] + bucket.unsettled * bucket.cost_s
        self.is_alone = False
        self._metrics.rate_limits_alone.set(0)
        return True

    async def _settle_until_free(self, bucket: _Bucket, limit: Limit) -> None:
        for _ in range(ROUNDS_MAX):
            if self.is_alone or bucket.is_free(limit):
                return
            await self.settle()
        if not (self.is_alone or bucket.is_free(limit)):
            raise limit.refusal(Standing(limit, limit.window_s + 1))

    async def _take_settled(self, key: _Key, bucket: _Bucket, limit: Limit) -> Standing:
        """The copy only refuses; who passes it is judged by what everybody has used up."""
        if self.is_alone:
            raise LimitsUnavailable
        self._count(key, bucket, limit)
        for _ in range(ROUNDS_MAX):
            if key not in self._unsettled and not bucket.on_its_way:
                break
            await self.settle()
            if self.is_alone:
                raise LimitsUnavailable
        return _admitted(bucket.paid_until_s - self._monotonic_s(), limit)

    def _count(self, key: _Key, bucket: _Bucket, limit: Limit) -> Standing:
        now_s = self._monotonic_s()
        ahead_s = max(bucket.paid_until_s - now_s, 0.0) + limit.cost_s
        standing = _admitted(ahead_s, limit)
        bucket.paid_until_s = now_s + ahead_s
        if not bucket.unsettled:
            self._unsettled[key] = bucket
            if len(self._unsettled) > BUCKETS_MAX:
                del self._unsettled[next(iter(self._unsettled))]
        bucket.unsettled += 1
        return standing

    def _bucket(self, key: _Key, limit: Limit) -> _Bucket:
        """The one longest unused is forgotten first; what it owes is not."""
        bucket = self._buckets.get(key)
        if bucket is not None:
            self._buckets.move_to_end(key)
        else:
            bucket = self._unsettled.get(key) or _Bucket(f"{key[0]}:{key[1]}", limit.cost_s)
            self._buckets[key] = bucket
            if len(self._buckets) > BUCKETS_MAX:
                self._buckets.popitem(last=False)
        bucket.cost_s = limit.cost_s  # A plan may have changed.
        return bucket


def _admitted(ahead_s: float, limit: Limit) -> Standing:
    """ahead_s: with the call. Raises the limit's refusal."""
    if ahead_s - limit.window_s > limit.cost_s / 1000:
        raise limit.refusal(Standing(limit, ahead_s))
    return Standing(limit, ahead_s)


def headers_of(standing: Standing) -> list[tuple[bytes, bytes]]:
    """RateLimit-Policy and RateLimit (draft-ietf-httpapi-ratelimit-headers)."""
    limit = standing.limit
    at_once, window_s = limit.burst or limit.per_min, max(1, math.ceil(limit.window_s - 0.001))
    policy = f'"{limit.name}";q={at_once};w={window_s}'
    left = f'"{limit.name}";r={standing.remaining};t={math.ceil(standing.ahead_s)}'
    return [(b"ratelimit-policy", policy.encode()), (b"ratelimit", left.encode())]
