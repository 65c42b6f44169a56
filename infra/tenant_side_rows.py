"""The rows of infra/side_rows.py that tell of a tenant as a whole."""

from typing import LiteralString

from commands.standing_port import (
    ChangedStanding,
    ClosedOffboarding,
    OpenedOffboarding,
    RegisteredTenant,
    StoredResellerQuota,
    TenantSideRow,
)
from domain.identifiers import TenantId

REGISTER_TENANT: LiteralString = "SELECT register_tenant(%s, %s)"
CHANGE_STANDING: LiteralString = "UPDATE tenant_standings SET standing = %s WHERE tenant_id = %s"
ALLOW_CUSTOMERS: LiteralString = (
    "UPDATE tenant_standings SET customers_max = %s WHERE tenant_id = %s"
)
OPEN_OFFBOARDING: LiteralString = "SELECT open_offboarding(%s, %s)"
CLOSE_OFFBOARDING: LiteralString = "SELECT close_offboarding(%s, %s)"


def tenant_statement(
    tenant_id: TenantId, row: TenantSideRow
) -> tuple[LiteralString, tuple[object, ...]]:
    """A statement and its parameters."""
    match row:
        case RegisteredTenant():
            return REGISTER_TENANT, (tenant_id, row.reseller_id)
        case ChangedStanding():
            return CHANGE_STANDING, (row.standing, tenant_id)
        case StoredResellerQuota():
            return ALLOW_CUSTOMERS, (row.customers_max, tenant_id)
        case OpenedOffboarding():
            return OPEN_OFFBOARDING, (tenant_id, row.due_at)
        case ClosedOffboarding():
            return CLOSE_OFFBOARDING, (tenant_id, row.standing)
