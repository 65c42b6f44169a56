"""Rows of shares and of what is public, each one statement of the append's transaction."""

from typing import LiteralString

from commands.sharing_port import ChangedPublicity, RemovedShare, ShareRow, StoredShare
from domain.identifiers import TenantId

STORE: LiteralString = (
    "INSERT INTO shares (tenant_id, shared_id, grantee, access) VALUES (%s, %s, %s, %s)"
    " ON CONFLICT DO NOTHING"
)
REMOVE: LiteralString = (
    "DELETE FROM shares WHERE tenant_id = %s AND shared_id = %s AND grantee = %s AND access = %s"
)
UNPUBLISH: LiteralString = (
    "INSERT INTO unpublished_workflows (tenant_id, workflow_id) VALUES (%s, %s)"
    " ON CONFLICT DO NOTHING"
)
PUBLISH: LiteralString = (
    "DELETE FROM unpublished_workflows WHERE tenant_id = %s AND workflow_id = %s"
)


def share_statement(tenant_id: TenantId, row: ShareRow) -> tuple[LiteralString, tuple[object, ...]]:
    match row:
        case StoredShare():
            return STORE, (tenant_id, row.shared_id, row.grantee, row.access)
        case RemovedShare():
            return REMOVE, (tenant_id, row.shared_id, row.grantee, row.access)
        case ChangedPublicity():
            return PUBLISH if row.is_public else UNPUBLISH, (tenant_id, row.workflow_id)
