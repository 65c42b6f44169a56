"""How often a caller with a valid credential may call: by its key, its person and its tenant, never
by its address.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

from starlette.types import Scope

from commands.authorization import Caller, Whose
from domain.identifiers import TenantId
from infra.metrics import METRICS
from infra.rate_limits import Limit, RateLimits, Standing, TooManyRequests

# Where a request carries what its answer tells in its headers.
STANDING_SCOPE_KEY = "agentledger.rate_limit"


@dataclass(frozen=True, slots=True)
class TenantLimits:
    """Of a plan. One that is no narrower than the tenant's is not counted: it cannot be reached."""

    tenant: Limit
    user: Limit
    key: Limit


LimitsOf: TypeAlias = Callable[[TenantId], Awaitable[TenantLimits]]
# Of each trigger with a webhook: its fires are one stream, which takes one append at a time.
DELIVERIES = Limit("trigger", 600, burst=60)
# Plans with other rates than one another; each tenant may have its own.
KEPT_MAX = 1024


@lru_cache(KEPT_MAX)
def tenant_limits(
    tenant_per_min: int, *, burst: int = 0, user_per_min: int = 0, key_per_min: int = 0
) -> TenantLimits:
    """0: as much as the tenant. burst: of the tenant's, at once."""
    return TenantLimits(
        Limit("tenant", tenant_per_min, burst),
        Limit("user", user_per_min or tenant_per_min),
        Limit("key", key_per_min or tenant_per_min),
    )


class CallerLimits:
    """limits_of: answers from memory nearly always, for it is asked by every request. operator: for
    each operator's credential.
    """

    def __init__(self, limits: RateLimits, limits_of: LimitsOf, *, operator: Limit) -> None:
        self._limits = limits
        self._limits_of = limits_of
        self._operator = operator

    async def take(self, scope: Scope, caller: Caller, *, own: Limit | None = None) -> None:
        """Count one call, the narrowest first: what a key is refused, its tenant does not pay. own:
        of the actor, narrower than all. Raises TooManyRequests.
        """
        try:
            if own is not None:
                await take(self._limits, scope, own, caller.actor)
            await self._take(scope, caller)
        except TooManyRequests as refusal:
            if caller.tenant_id is not None:
                refusal.data["whose"] = (Whose(caller.tenant_id, caller.actor),)
            raise

    async def _take(self, scope: Scope, caller: Caller) -> None:
        if caller.tenant_id is None:
            await take(self._limits, scope, self._operator, caller.actor)
            return
        plan = await self._limits_of(caller.tenant_id)
        per_min = plan.tenant.per_min
        if plan.key.per_min < per_min:
            await take(self._limits, scope, plan.key, caller.actor)
        if caller.user_id is not None and plan.user.per_min < per_min:
            await take(self._limits, scope, plan.user, caller.user_id)
        await take(self._limits, scope, plan.tenant, caller.tenant_id)


async def take(limits: RateLimits, scope: Scope, limit: Limit, subject: object) -> None:
    """Count one call, and keep in `scope` how the limit stands of which least is left. Raises
    TooManyRequests.
    """
    try:
        standing = await limits.take(limit, subject)
    except TooManyRequests as refusal:
        METRICS.http.rate_limited.labels(limit.name).inc()
        scope[STANDING_SCOPE_KEY] = refusal.standing
        raise
    before: Standing | None = scope.get(STANDING_SCOPE_KEY)
    if before is None or standing.remaining < before.remaining:
        scope[STANDING_SCOPE_KEY] = standing
