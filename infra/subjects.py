"""Data subjects as PostgreSQL knows them: which streams are theirs, and who of them is erased."""

import hashlib
import hmac
from collections.abc import Sequence
from typing import LiteralString
from uuid import UUID

from commands.subject_port import Erased, SubjectStream
from domain.identifiers import TenantId
from infra.data_keys import DataKeys
from infra.postgres import Database

FIRST_ID = UUID(int=0)

# fmt: off
IS_KNOWN: LiteralString = (
    "SELECT EXISTS (SELECT FROM subject_streams WHERE tenant_id = %s AND subject_id = %s)"
)
CLAIM: LiteralString = (
    "SELECT tenant_id, subject_id, cause_id FROM claim_subject_erasure(%s)"
)
ERASE_ROWS: LiteralString = "SELECT erase_person_rows(%s, %s)"
STREAMS: LiteralString = (
    "SELECT stream_id, kind FROM subject_streams"
    " WHERE tenant_id = %s AND subject_id = %s AND stream_id > %s ORDER BY stream_id LIMIT %s"
)
FORGET: LiteralString = "SELECT forget_subject_stream(%s, %s, %s)"
END_SWEEP: LiteralString = "SELECT end_subject_sweep(%s, %s, %s)"
# fmt: on


def subject_id(lookup_key: str, tenant_id: TenantId, name: str) -> UUID:
    """Half of an HMAC-SHA256 of the name, in its tenant: it can be neither read back nor tried out
    without the key, and is another one in every tenant.
    """
    key = hmac.digest(lookup_key.encode(), b"agentledger:data-subject", hashlib.sha256)
    return UUID(bytes=hmac.digest(key, tenant_id.bytes + name.encode(), hashlib.sha256)[:16])


class PostgresDataSubjects:
    """Implements commands.subject_port.DataSubjects. database: the role `api`."""

    def __init__(self, database: Database, keys: DataKeys, lookup_key: str) -> None:
        self._database = database
        self._keys = keys
        self._lookup_key = lookup_key

    def subject_id(self, tenant_id: TenantId, name: str) -> UUID:
        return subject_id(self._lookup_key, tenant_id, name)

    async def is_known(self, tenant_id: TenantId, subject_id: UUID) -> bool:
        async with self._database.tenant_transaction(tenant_id) as conn:
            row = await (await conn.execute(IS_KNOWN, (tenant_id, subject_id))).fetchone()
        return row == (True,)

    async def is_erased(self, tenant_id: TenantId, subject_id: UUID) -> bool:
        return (await self._keys.of(tenant_id, subject_id)).is_destroyed


class PostgresSubjectErasures:
    """Implements commands.subject_port.SubjectErasures. database: the role `worker`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def claim(self, lease_s: float) -> Erased | None:
        async with self._database.connection() as conn:
            row = await (await conn.execute(CLAIM, (lease_s,))).fetchone()
        return None if row is None else Erased(TenantId(row[0]), *row[1:])

    async def erase_rows(self, erased: Erased) -> int:
        async with self._database.connection() as conn:
            row = await (await conn.execute(ERASE_ROWS, erased[:2])).fetchone()
        return 0 if row is None else int(row[0])

    async def streams(
        self, erased: Erased, *, after: UUID | None, limit: int
    ) -> Sequence[SubjectStream]:
        async with self._database.connection() as conn:
            cursor = await conn.execute(STREAMS, (*erased[:2], after or FIRST_ID, limit))
            return [SubjectStream(*row) for row in await cursor.fetchall()]

    async def forget(self, erased: Erased, stream_id: UUID) -> None:
        async with self._database.connection() as conn:
            await conn.execute(FORGET, (*erased[:2], stream_id))

    async def end_sweep(self, erased: Erased, *, again_s: float) -> None:
        async with self._database.connection() as conn:
            await conn.execute(END_SWEEP, (*erased[:2], again_s))
