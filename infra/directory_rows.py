"""Rows of directories (SCIM), each one statement of the append's transaction."""

from typing import LiteralString

from commands.directory_port import (
    ChangedDirectoryMembers,
    DirectoryRow,
    RemovedDirectoryEntry,
    StoredDirectoryEntry,
    StoredDirectoryToken,
)
from domain.identifiers import TenantId

LET_SPEAK: LiteralString = (
    "INSERT INTO directory_tokens (tenant_id, api_key_id, provider_id) VALUES (%s, %s, %s)"
)
STORE_ENTRY: LiteralString = """
INSERT INTO directory_entries (tenant_id, provider_id, kind, entry_id, name_hash, external_id_hash)
VALUES (%s, %s, %s, %s, %s, %s)
ON CONFLICT (tenant_id, entry_id) DO UPDATE SET name_hash = EXCLUDED.name_hash,
  external_id_hash = EXCLUDED.external_id_hash
"""
REMOVE_ENTRY: LiteralString = """
WITH gone AS (
  DELETE FROM directory_members WHERE tenant_id = %(tenant_id)s
     AND (group_id = %(entry_id)s OR user_id = %(entry_id)s)
)
DELETE FROM directory_entries WHERE tenant_id = %(tenant_id)s AND entry_id = %(entry_id)s
"""
CHANGE_MEMBERS: LiteralString = """
WITH gone AS (
  DELETE FROM directory_members WHERE tenant_id = %(tenant_id)s AND group_id = %(group_id)s
     AND user_id = ANY(%(removed)s::uuid[])
)
INSERT INTO directory_members (tenant_id, group_id, user_id)
SELECT %(tenant_id)s, %(group_id)s, unnest(%(added)s::uuid[]) ON CONFLICT DO NOTHING
"""


def directory_statement(
    tenant_id: TenantId, row: DirectoryRow
) -> tuple[LiteralString, tuple[object, ...] | dict[str, object]]:
    match row:
        case StoredDirectoryToken():
            return LET_SPEAK, (tenant_id, row.api_key_id, row.provider_id)
        case StoredDirectoryEntry():
            hashes = (row.name_hash, row.external_id_hash)
            return STORE_ENTRY, (tenant_id, row.provider_id, row.kind, row.entry_id, *hashes)
        case RemovedDirectoryEntry():
            return REMOVE_ENTRY, {"tenant_id": tenant_id, "entry_id": row.entry_id}
        case ChangedDirectoryMembers():
            told = {"tenant_id": tenant_id, "group_id": row.group_id}
            return CHANGE_MEMBERS, {**told, "added": [*row.added], "removed": [*row.removed]}
