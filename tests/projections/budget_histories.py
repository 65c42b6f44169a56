"""Histories of budgets."""

from domain.budgets import Budget
from domain.identifiers import TenantId
from tests.projections.histories import Stream, a_tenant

USD = 10**12


def a_budget(tenant_id: TenantId | None = None, **fields: object) -> Stream:
    told: dict[str, object] = {
        "scope_type": "tenant",
        "scope_id": None,
        "period": "month",
        "window_s": None,
        "time_zone": "Asia/Kathmandu",
        "limit_usd_pico": 10 * USD,
        "mode": "hard",
        "notify_at": ["0.5", "0.8"],
        "unpriced": "refuse",
        "keeper": "tenant",
    }
    stream = Stream(Budget, tenant_id or a_tenant())
    return stream.happens(Budget.Created, **{**told, **fields})
