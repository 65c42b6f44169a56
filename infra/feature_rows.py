"""The rows of infra/side_rows.py that tell of feature flags."""

from typing import LiteralString
from uuid import UUID

from commands.feature_port import FeatureRow, RemovedFlag, StoredFlag, StoredOverride
from domain.identifiers import TenantId

# In the place of a person: the whole tenant.
WHOLE_TENANT = UUID(int=0)

STORE_FLAG: LiteralString = (
    "INSERT INTO feature_flags (tenant_id, name, description, is_enabled, percentage, rollout_by,"
    " is_for_tenants) VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT (tenant_id, name) DO UPDATE"
    " SET description = EXCLUDED.description, is_enabled = EXCLUDED.is_enabled,"
    "  percentage = EXCLUDED.percentage, rollout_by = EXCLUDED.rollout_by,"
    "  is_for_tenants = EXCLUDED.is_for_tenants"
)
REMOVE_FLAG: LiteralString = "DELETE FROM feature_flags WHERE tenant_id = %s AND name = %s"
STORE_OVERRIDE: LiteralString = (
    "INSERT INTO feature_overrides (tenant_id, name, user_id, is_by_operator, is_enabled)"
    " VALUES (%s, %s, %s, %s, %s) ON CONFLICT (tenant_id, name, user_id, is_by_operator)"
    " DO UPDATE SET is_enabled = EXCLUDED.is_enabled"
)
REMOVE_OVERRIDE: LiteralString = (
    "DELETE FROM feature_overrides WHERE tenant_id = %s AND name = %s AND user_id = %s"
    " AND is_by_operator = %s"
)


def feature_statement(
    tenant_id: TenantId, row: FeatureRow
) -> tuple[LiteralString, tuple[object, ...]]:
    """A statement and its parameters."""
    match row:
        case StoredFlag():
            text = row.text
            rollout = (text.percentage, text.rollout_by, text.is_for_tenants)
            return STORE_FLAG, (tenant_id, row.name, text.description, text.is_enabled, *rollout)
        case RemovedFlag():
            return REMOVE_FLAG, (tenant_id, row.name)
        case StoredOverride():
            whom = (row.override.user_id or WHOLE_TENANT, row.override.is_by_operator)
            if row.is_enabled is None:
                return REMOVE_OVERRIDE, (tenant_id, row.name, *whom)
            return STORE_OVERRIDE, (tenant_id, row.name, *whom, row.is_enabled)
