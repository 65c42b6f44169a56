"""What we say to identity providers to be believed: opened when somebody signs in."""

from typing import LiteralString
from uuid import UUID

from commands.oauth_port import CLIENT_SECRET
from commands.sealing_port import Sealing
from domain.identifiers import TenantId
from infra.postgres import Database

FIND: LiteralString = "SELECT sealed FROM client_secrets WHERE tenant_id = %s AND provider_id = %s"


class PostgresClientSecrets:
    """Implements commands.oauth_port.ClientSecrets. database: of the role api."""

    def __init__(self, database: Database, sealing: Sealing) -> None:
        self._database = database
        self._sealing = sealing

    async def open(self, tenant_id: TenantId, provider_id: UUID) -> str | None:
        async with self._database.tenant_transaction(tenant_id) as conn:
            row = await (await conn.execute(FIND, (tenant_id, provider_id))).fetchone()
        if row is None:
            return None
        sealed = bytes(row[0])
        opened = await self._sealing.open(tenant_id, CLIENT_SECRET, sealed, str(provider_id))
        return opened.decode()
