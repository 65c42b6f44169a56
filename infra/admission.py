"""Refuses executions while the engine is behind, or their tenant has too many, from memory.

    run ── every second ──► admission_sample (0011) ──► per tenant: open executions, lag
                                                              │
    require_admitted ◄────────────────────────────────────────┘

A command costs no query. A sample is bounded: it asks only about tenants that began executions
lately, those first whose sample is oldest, for a tenth of the time; it counts exactly up to
COUNTED_MAX, and beyond that estimates from one row in 32 (2 % off at 100,000). Between samples,
what this process admits is added. Without a fresh sample everybody is admitted: what is accepted is
stored, so refusing is a courtesy, and not what keeps the promises.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import LiteralString
from uuid import UUID

from commands.admission_port import EngineBehind, TooManyOpenExecutions
from commands.ports import Clock
from domain.errors import OverLimit, Unavailable
from domain.identifiers import TenantId
from infra.metrics import METRICS, Metrics
from infra.postgres import Database
from infra.settings import Settings

log = logging.getLogger(__name__)

SAMPLE_PAUSE_S = 1.0
SAMPLE_BUDGET_S = 0.1
SAMPLE_VALID_S = 60.0
TENANTS_PER_SAMPLE = 16
TENANTS_MAX = 10_000
COUNTED_MAX = 2_000
TOO_MANY_RETRY_AFTER_S = 5.0
BEHIND_RETRY_AFTER_S = 10.0
# The lag is known as the largest of these, times admission_lag_s_max, that it has reached.
LAG_STEPS = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0)

SAMPLE: LiteralString = (
    "SELECT tenant_id, open_count, lag_s"
    " FROM agentledger.admission_sample(%s::uuid[], %s, %s, %s::float8[], %s::uuid[])"
)


@dataclass(slots=True)
class _Tenant:
    """open_count: as sampled, and what this process admitted since."""

    asked_at_s: float
    sampled_at_s: float = float("-inf")
    open_count: int = 0
    lag_s: float = 0.0


class EveryoneAdmitted:
    """Implements commands.admission_port.Admission, for tools that run beside the engine."""

    def require_admitted(self, tenant_id: TenantId) -> None:
        pass

    def require_room(self, tenant_id: TenantId) -> None:
        pass


class SampledAdmission:
    """Implements commands.admission_port.Admission. database: the role `api`.

    Refuses nobody until `run` has sampled.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        metrics: Metrics,
        *,
        open_executions_max: int,
        lag_s_max: float,
        monotonic_s: Callable[[], float],
    ) -> None:
        self._database = database
        self._clock = clock
        self._metrics = metrics
        self._open_executions_max = open_executions_max
        self._lag_s_max = lag_s_max
        self._monotonic_s = monotonic_s
        self._tenants: OrderedDict[TenantId, _Tenant] = OrderedDict()
        self._is_engine_behind = False
        self._judged_at_s = float("-inf")

    def require_admitted(self, tenant_id: TenantId) -> None:
        self._require(tenant_id, must_keep_up=True)

    def require_room(self, tenant_id: TenantId) -> None:
        self._require(tenant_id, must_keep_up=False)

    def _require(self, tenant_id: TenantId, *, must_keep_up: bool) -> None:
        now_s = self._monotonic_s()
        tenant = self._tenants.get(tenant_id)
        if tenant is None:
            tenant = self._tenants[tenant_id] = _Tenant(now_s)
            if len(self._tenants) > TENANTS_MAX:
                self._tenants.popitem(last=False)
        else:
            tenant.asked_at_s = now_s
            self._tenants.move_to_end(tenant_id)
        refusal = (self._behind(tenant, now_s) if must_keep_up else None) or self._full(
            tenant, now_s
        )
        if refusal is not None:
            self._metrics.admission_refusals.labels(refusal.code).inc()
            raise refusal
        tenant.open_count += 1

    async def run(self) -> None:
        """Sample every second, until cancelled."""
        while True:
            try:
                await self.sample()
            except Unavailable as error:
                log.warning("admission is not sampled: %s", error)
            await asyncio.sleep(SAMPLE_PAUSE_S)

    async def sample(self) -> None:
        """As many of the tenants that asked lately as the time allows."""
        started_at_s = self._monotonic_s()
        lately = [
            (tenant.sampled_at_s, tenant_id)
            for tenant_id, tenant in self._tenants.items()
            if started_at_s - tenant.asked_at_s <= SAMPLE_VALID_S
        ]
        wanted = [tenant_id for _, tenant_id in sorted(lately)]
        for first in range(0, len(wanted), TENANTS_PER_SAMPLE):
            await self._sample_page(wanted[first : first + TENANTS_PER_SAMPLE])
            if self._monotonic_s() - started_at_s > SAMPLE_BUDGET_S:
                break
        self._judge(wanted)

    async def _sample_page(self, page: Sequence[TenantId]) -> None:
        ages_s = [step * self._lag_s_max for step in LAG_STEPS]
        now = self._clock.now()
        bounds = [_smallest_id((now - timedelta(seconds=age_s)).timestamp()) for age_s in ages_s]
        counted_max = min(COUNTED_MAX, self._open_executions_max)
        params = (list(page), counted_max, self._open_executions_max, ages_s, bounds)
        async with self._database.connection() as conn:
            cursor = conn.cursor(binary=True)
            await cursor.execute(SAMPLE, params, prepare=True)
            rows = await cursor.fetchall()
        for tenant_id, open_count, lag_s in rows:
            tenant = self._tenants.get(tenant_id)
            if tenant is not None:
                tenant.open_count, tenant.lag_s = open_count, lag_s
                tenant.sampled_at_s = self._monotonic_s()

    def _judge(self, lately: Sequence[TenantId]) -> None:
        """The engine is behind when most tenants are: one that floods is behind by its own doing,
        since executions begin in turn by tenant.
        """
        lags_s = [tenant.lag_s for each in lately if (tenant := self._tenants.get(each))]
        behind_count = sum(lag_s >= self._lag_s_max for lag_s in lags_s)
        self._judged_at_s = self._monotonic_s()
        self._is_engine_behind = 2 * behind_count > len(lags_s)
        self._metrics.open_executions_lag_seconds.set(max(lags_s, default=0.0))

    def _behind(self, tenant: _Tenant, now_s: float) -> OverLimit | None:
        is_fresh = now_s - tenant.sampled_at_s <= SAMPLE_VALID_S
        is_engine_behind = self._is_engine_behind and now_s - self._judged_at_s <= SAMPLE_VALID_S
        if is_engine_behind or (is_fresh and tenant.lag_s >= self._lag_s_max):
            return EngineBehind(retry_after_s=BEHIND_RETRY_AFTER_S)
        return None

    def _full(self, tenant: _Tenant, now_s: float) -> OverLimit | None:
        is_fresh = now_s - tenant.sampled_at_s <= SAMPLE_VALID_S
        if is_fresh and tenant.open_count >= self._open_executions_max:
            return TooManyOpenExecutions(retry_after_s=TOO_MANY_RETRY_AFTER_S)
        return None


def build_admission(database: Database, clock: Clock, settings: Settings) -> SampledAdmission:
    return SampledAdmission(
        database,
        clock,
        METRICS,
        open_executions_max=settings.tenant_open_executions_max,
        lag_s_max=settings.admission_lag_s_max,
        monotonic_s=asyncio.get_running_loop().time,
    )


def _smallest_id(timestamp_s: float) -> UUID:
    """No UUIDv7 of that millisecond or later is smaller (RFC 9562, section 5.7)."""
    return UUID(int=max(0, int(timestamp_s * 1000)) << 80)
