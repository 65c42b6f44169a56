"""What is known of people beside their streams: found by address, by role, by what they may do."""

import hashlib
import hmac
import unicodedata
from collections.abc import Sequence
from typing import LiteralString
from uuid import UUID

from domain.identifiers import JsonObject, TenantId
from infra.postgres import Database

ADMINISTRATORS_MAX = 10_000
COUNTED_MAX = 1_000

BY_EMAIL: LiteralString = "SELECT user_id FROM user_access WHERE tenant_id = %s AND email_hash = %s"
ADMINISTRATORS: LiteralString = (
    "SELECT user_id FROM user_access"
    " WHERE tenant_id = %s AND role = 'ADMIN' AND status = 'ACTIVE' ORDER BY user_id LIMIT %s"
)
WITH_ROLE: LiteralString = (
    "SELECT count(*)"
    " FROM (SELECT FROM user_access WHERE tenant_id = %s AND role = %s LIMIT %s) AS u"
)
BEGAN: LiteralString = "SELECT to_json(begun_by_person(($1->>'stream_id')::uuid))"
IS_ACTOR: LiteralString = "SELECT to_json(($1->>'actor') = ANY (own_actors()))"
PERMISSIONS: LiteralString = (
    "SELECT permissions FROM role_permissions WHERE tenant_id = %s AND role_id = %s"
)


def email_hash(lookup_key: str, email: str) -> bytes:
    """HMAC-SHA256 of the address in one case: equal addresses are found, and none can be read back
    or tried out without the key.
    """
    key = hmac.digest(lookup_key.encode(), b"agentledger:email", hashlib.sha256)
    canonical = unicodedata.normalize("NFC", email).casefold()
    return hmac.digest(key, canonical.encode(), hashlib.sha256)


class PostgresUsers:
    """Implements commands.identity_port.Users. lookup_key: people are found by hashes made with it,
    and nothing is proven by it, for it outlives a master key that somebody may have seen.
    proof_keys: of invitations: the present master key, and the previous one while it is changed.
    """

    def __init__(
        self, database: Database, lookup_key: str, *, proof_keys: Sequence[str] = ()
    ) -> None:
        self._database = database
        self._lookup_key = lookup_key
        self._proof_keys = proof_keys

    def email_hash(self, email: str) -> bytes:
        return email_hash(self._lookup_key, email)

    async def find_by_email(self, tenant_id: TenantId, email_hash: bytes) -> UUID | None:
        async with self._database.tenant_transaction(tenant_id) as conn:
            row = await (await conn.execute(BY_EMAIL, (tenant_id, email_hash))).fetchone()
        return None if row is None else row[0]

    async def administrators(self, tenant_id: TenantId) -> Sequence[UUID]:
        async with self._database.tenant_transaction(tenant_id) as conn:
            cursor = await conn.execute(ADMINISTRATORS, (tenant_id, ADMINISTRATORS_MAX))
            return [row[0] for row in await cursor.fetchall()]

    async def count_with_role(self, tenant_id: TenantId, role: str) -> int:
        async with self._database.tenant_transaction(tenant_id) as conn:
            row = await (await conn.execute(WITH_ROLE, (tenant_id, role, COUNTED_MAX))).fetchone()
        assert row is not None
        return row[0]

    async def permissions_of(self, tenant_id: TenantId, role_id: UUID) -> Sequence[str] | None:
        async with self._database.tenant_transaction(tenant_id) as conn:
            row = await (await conn.execute(PERMISSIONS, (tenant_id, role_id))).fetchone()
        return None if row is None else row[0]

    async def began(self, tenant_id: TenantId, user_id: UUID, stream_id: UUID) -> bool:
        asked: JsonObject = {"stream_id": str(stream_id)}
        found = await self._database.tenant_json(tenant_id, BEGAN, asked, person=user_id)
        return found == b"true"

    async def is_actor(self, tenant_id: TenantId, user_id: UUID, actor: str) -> bool:
        asked: JsonObject = {"actor": actor}
        found = await self._database.tenant_json(tenant_id, IS_ACTOR, asked, person=user_id)
        return found == b"true"

    def invitation_proofs(
        self, tenant_id: TenantId, user_id: UUID, expires_at: str
    ) -> Sequence[bytes]:
        message = f"agentledger:invitation:{tenant_id}:{user_id}:{expires_at}".encode()
        return [hmac.digest(key.encode(), message, hashlib.sha256) for key in self._proof_keys]
