"""What is looked up in the directories of identity providers, and how rows for it are stored."""

import hashlib
import hmac
import unicodedata
from collections.abc import Sequence
from typing import LiteralString
from uuid import UUID

from commands.directory_port import DirectoryKind, DirectoryPage
from domain.identifiers import TenantId
from infra.postgres import Database

PROVIDER_OF: LiteralString = (
    "SELECT provider_id FROM directory_tokens WHERE tenant_id = %s AND api_key_id = %s"
)
# The total is counted beside the page, so that a page behind the end has it too.
PAGE: LiteralString = """
WITH fitting AS (
  SELECT entry_id FROM directory_entries
   WHERE tenant_id = %(tenant_id)s AND provider_id = %(provider_id)s AND kind = %(kind)s
     AND (%(name_hash)s::bytea IS NULL OR name_hash = %(name_hash)s)
     AND (%(external_id_hash)s::bytea IS NULL OR external_id_hash = %(external_id_hash)s)
)
SELECT (SELECT count(*) FROM fitting),
       ARRAY(SELECT entry_id FROM fitting ORDER BY entry_id OFFSET %(offset)s LIMIT %(limit)s)
"""
GROUPS_OF: LiteralString = (
    "SELECT user_id, array_agg(group_id ORDER BY group_id) FROM directory_members"
    " WHERE tenant_id = %s AND user_id = ANY(%s) GROUP BY user_id"
)


class PostgresDirectory:
    """Implements commands.directory_port.Directory. database: of the role api."""

    def __init__(self, database: Database, master_key: str) -> None:
        self._database = database
        self._key = hmac.digest(master_key.encode(), b"agentledger:directory", hashlib.sha256)

    def text_hash(self, text: str) -> bytes:
        canonical = unicodedata.normalize("NFC", text).casefold()
        return hmac.digest(self._key, canonical.encode(), hashlib.sha256)

    async def provider_of(self, tenant_id: TenantId, api_key_id: UUID) -> UUID | None:
        async with self._database.tenant_transaction(tenant_id) as conn:
            row = await (await conn.execute(PROVIDER_OF, (tenant_id, api_key_id))).fetchone()
        return None if row is None else row[0]

    async def page(
        self,
        tenant_id: TenantId,
        provider_id: UUID,
        kind: DirectoryKind,
        *,
        name: str | None = None,
        external_id: str | None = None,
        offset: int = 0,
        limit: int,
    ) -> DirectoryPage:
        asked = {
            "tenant_id": tenant_id,
            "provider_id": provider_id,
            "kind": kind,
            "name_hash": None if name is None else self.text_hash(name),
            "external_id_hash": None if external_id is None else self.text_hash(external_id),
            "offset": offset,
            "limit": limit,
        }
        async with self._database.tenant_transaction(tenant_id) as conn:
            row = await (await conn.execute(PAGE, asked)).fetchone()
        assert row is not None
        total, entry_ids = row
        return DirectoryPage(entry_ids, total)

    async def groups_of(
        self, tenant_id: TenantId, user_ids: Sequence[UUID]
    ) -> dict[UUID, list[UUID]]:
        async with self._database.tenant_transaction(tenant_id) as conn:
            cursor = await conn.execute(GROUPS_OF, (tenant_id, list(user_ids)))
            return dict(await cursor.fetchall())
