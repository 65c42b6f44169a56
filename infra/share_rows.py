"""Rows of shares, each one statement of the append's transaction."""

from typing import LiteralString

from commands.sharing_port import ShareRow, StoredShare
from domain.identifiers import TenantId

STORE: LiteralString = (
    "INSERT INTO shares (tenant_id, shared_id, grantee, access) VALUES (%s, %s, %s, %s)"
    " ON CONFLICT DO NOTHING"
)
REMOVE: LiteralString = (
    "DELETE FROM shares WHERE tenant_id = %s AND shared_id = %s AND grantee = %s AND access = %s"
)


def share_statement(tenant_id: TenantId, row: ShareRow) -> tuple[LiteralString, tuple[object, ...]]:
    statement = STORE if isinstance(row, StoredShare) else REMOVE
    return statement, (tenant_id, row.shared_id, row.grantee, row.access)
