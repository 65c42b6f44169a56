"""tenants."""

from domain.tenants import Tenant
from projections.fold import rows_after
from projections.tenants import TENANTS
from tests.projections.histories import a_tenant, at, the_tenant


def test_a_tenant_has_a_name() -> None:
    tenant_id = a_tenant()
    assert rows_after(TENANTS, the_tenant(tenant_id).events) == [
        {
            "tenant_id": tenant_id,
            "name": "Ada & Co",
            "created_at": at(1),
            "payload_days": None,
            "version": 1,
        }
    ]


def test_a_tenant_keeps_payloads_as_long_as_it_said_last() -> None:
    tenant = the_tenant(a_tenant()).happens(Tenant.RetentionChanged, payload_days=30)
    (row,) = rows_after(TENANTS, tenant.events)
    assert (row["payload_days"], row["version"]) == (30, 2)
    (row,) = rows_after(TENANTS, tenant.happens(Tenant.RetentionChanged, payload_days=None).events)
    assert (row["payload_days"], row["version"]) == (None, 3)
