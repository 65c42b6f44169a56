"""tenants."""

from projections.fold import rows_after
from projections.tenants import TENANTS
from tests.projections.histories import a_tenant, at, the_tenant


def test_a_tenant_has_a_name() -> None:
    tenant_id = a_tenant()
    assert rows_after(TENANTS, the_tenant(tenant_id).events) == [
        {"tenant_id": tenant_id, "name": "Ada & Co", "created_at": at(1), "version": 1}
    ]
