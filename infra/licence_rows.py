"""The row of infra/side_rows.py that says which licences do not count any more."""

from typing import LiteralString

from commands.licence_port import StoredRevocation
from domain.identifiers import TenantId

STORE: LiteralString = "SELECT keep_revocation(%s, %s, %s, %s, %s)"


def revocation_statement(
    tenant_id: TenantId, row: StoredRevocation
) -> tuple[LiteralString, tuple[object, ...]]:
    """A statement and its parameters."""
    return STORE, (tenant_id, row.licence_id, row.serial, row.revoked_at, row.until)
