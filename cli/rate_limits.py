"""The rate limits of the role `api`."""

import hashlib
import hmac
import time
from dataclasses import dataclass

from commands.plan_port import Plans
from domain.identifiers import TenantId
from infra.caller_limits import CallerLimits, LimitsOf, TenantLimits, tenant_limits
from infra.metrics import Metrics
from infra.postgres import Database
from infra.rate_limit_store import PostgresRateLimits
from infra.rate_limits import Limit, RateLimits, TooManyAttempts
from infra.runtime import Runtime
from infra.settings import Settings
from write_api.rate_limits import AddressLimits


@dataclass(frozen=True, eq=False)
class RateLimitParts:
    """limits, store: have loops to run. strangers, logins, callers: count requests."""

    limits: RateLimits
    store: PostgresRateLimits
    strangers: AddressLimits
    logins: AddressLimits
    callers: CallerLimits


def build_rate_limits(
    runtime: Runtime, database: Database, metrics: Metrics, plans: Plans
) -> RateLimitParts:
    settings = runtime.settings
    # A key of its own for the one use, so that the hash of an address says nothing to who has it.
    key = hmac.digest(runtime.lookup_key.encode(), b"agentledger rate limits", hashlib.sha256)
    store = PostgresRateLimits(database, key)
    limits = RateLimits(store, metrics, time.monotonic)
    per_address = Limit("address", settings.rate_limit_ip_per_min, refusal=TooManyAttempts)
    per_login = Limit(
        "login", settings.rate_limit_login_per_min, is_strict=True, refusal=TooManyAttempts
    )
    return RateLimitParts(
        limits,
        store,
        AddressLimits(limits, per_address),
        AddressLimits(limits, per_login),
        CallerLimits(
            limits,
            limits_of(settings, plans),
            operator=Limit("operator", settings.rate_limit_operator_per_min),
        ),
    )


def limits_of(settings: Settings, plans: Plans) -> LimitsOf:
    """As the plan of a tenant says; where it says nothing, as the settings have it."""
    own = {
        TenantId(tenant_id): per_min for tenant_id, per_min in settings.rate_limit_tenants.items()
    }

    async def of_tenant(tenant_id: TenantId) -> TenantLimits:
        plan = await plans.of(tenant_id)
        per_min = plan.whole("requests_per_min")
        if per_min is None:
            per_min = own.get(tenant_id, settings.rate_limit_tenant_per_min)
        return tenant_limits(
            per_min,
            # A newer version of the plan may have become narrower than the tenant's own burst.
            burst=min(plan.whole("requests_burst") or per_min, per_min),
            user_per_min=settings.rate_limit_user_per_min,
            key_per_min=settings.rate_limit_key_per_min,
        )

    return of_tenant
