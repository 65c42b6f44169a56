"""A store of rate limits in memory, with the arithmetic of the one in PostgreSQL."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from domain.errors import Unavailable
from domain.identifiers import TenantId
from infra.caller_limits import CallerLimits, TenantLimits, tenant_limits
from infra.metrics import Metrics
from infra.rate_limits import Limit, RateLimits, TooManyAttempts
from write_api.rate_limits import AddressLimits


class MemoryRateLimits:
    """is_down: nobody answers. rounds_count: how often it was asked."""

    def __init__(self, monotonic_s: Callable[[], float]) -> None:
        self.is_down = False
        self.rounds_count = 0
        self._monotonic_s = monotonic_s
        self._paid_until_s: dict[str, float] = {}

    async def settle(
        self, spent_s: Sequence[tuple[str, float]], *, ahead_max_s: float
    ) -> Mapping[str, float]:
        self.rounds_count += 1
        if self.is_down:
            raise Unavailable
        now_s = self._monotonic_s()
        ahead_s = {}
        for name, cost_s in spent_s:
            before_s = max(0.0, min(self._paid_until_s.get(name, now_s) - now_s, ahead_max_s))
            ahead_s[name] = before_s + cost_s
            self._paid_until_s[name] = now_s + ahead_s[name]
        return ahead_s


class TestLimits:
    """What both edges count with. tenant_per_min may be changed."""

    __test__ = False

    def __init__(
        self, monotonic_s: Callable[[], float], *, address_per_min: int, login_per_min: int = 20
    ) -> None:
        self.store = MemoryRateLimits(monotonic_s)
        self.limits = RateLimits(self.store, Metrics(), monotonic_s)
        per_address = Limit("address", address_per_min, refusal=TooManyAttempts)
        self.strangers = AddressLimits(self.limits, per_address)
        per_login = Limit("login", login_per_min, refusal=TooManyAttempts)
        self.logins = AddressLimits(self.limits, per_login)
        self.plan = tenant_limits(60_000)
        self.callers = CallerLimits(self.limits, self._of_tenant, operator=Limit("operator", 6000))

    async def _of_tenant(self, _tenant_id: TenantId) -> TenantLimits:
        return self.plan

    def narrowed(self, **per_min: Any) -> None:
        self.plan = tenant_limits(**per_min)
