"""What is left of a tenant whose key is destroyed: rows beside the log and of read models, removed
a page at a time. And the ledger of destroyed keys, which outlives backups.

    tenant.key_destroyed + the key's end (one append) ──► sweep ──► sweep again

The second sweep comes when no process can have the key in memory any more, for what one of them
may have written after the first.
"""

import asyncio
import logging
from collections.abc import Sequence
from datetime import datetime
from typing import LiteralString, NamedTuple
from uuid import UUID

from psycopg import AsyncConnection

from domain.errors import Unavailable
from domain.identifiers import TenantId
from infra.crash_points import reach
from infra.data_keys import KEYS_KEPT_S
from infra.postgres import Database

log = logging.getLogger(__name__)

# One transaction's share: a longer one would hold back every reader of the log.
PAGE_ROWS = 500
PAUSE_S = 0.01
POLL_S = 2.0
# Far longer than a sweep of many rows takes; when it runs out all the same, nothing is done twice.
LEASE_S = 600.0
SWEPT_AGAIN_S = KEYS_KEPT_S + 60.0

CLAIM: LiteralString = "SELECT claim_erasure(%s)"
ERASE: LiteralString = "SELECT erase_rows(%s, %s)"
END: LiteralString = "SELECT end_sweep(%s, %s)"
LEDGER: LiteralString = (
    "SELECT tenant_id, subject_id, destroyed_at FROM destroyed_keys"
    " ORDER BY destroyed_at, tenant_id, subject_id"
)
# As destroy_tenant_key does it, and for a person's key. Looked at again, for rows came back too.
REPLAY: LiteralString = (
    "INSERT INTO destroyed_keys (tenant_id, subject_id, destroyed_at) VALUES (%s, %s, %s)"
    " ON CONFLICT (tenant_id, subject_id) DO UPDATE"
    "  SET sweep_at = clock_timestamp(), sweeps_left = 2"
)
FORGET_KEYS: LiteralString = (
    "DELETE FROM data_keys AS k USING destroyed_keys AS d WHERE k.tenant_id = d.tenant_id"
    " AND d.subject_id IN (k.subject_id, '00000000-0000-0000-0000-000000000000')"
)


class DestroyedKey(NamedTuple):
    """subject_id: the nil one is the tenant itself."""

    tenant_id: UUID
    subject_id: UUID
    destroyed_at: datetime


class Erasure:
    """database: the role `worker`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def run(self) -> None:
        """Run until cancelled; survives the database going away."""
        while True:
            try:
                is_done = not await self.sweep_once()
            except Unavailable as error:
                log.warning("erasure: %s", error)
                is_done = True
            if is_done:
                await asyncio.sleep(POLL_S)

    async def sweep_once(self) -> bool:
        """One tenant. False: there is nothing to do."""
        async with self._database.connection() as conn:
            row = await (await conn.execute(CLAIM, (LEASE_S,))).fetchone()
        if row is None or row[0] is None:
            return False
        rows_count = await self.sweep(TenantId(row[0]))
        log.info("erasure of tenant %s: %s rows were removed", row[0], rows_count)
        return True

    async def sweep(self, tenant_id: TenantId) -> int:
        """Removes what is left of a destroyed tenant; how many rows that were."""
        total = 0
        async with self._database.connection() as conn:
            while True:
                reach("erasure.before_page")
                row = await (await conn.execute(ERASE, (tenant_id, PAGE_ROWS))).fetchone()
                reach("erasure.after_page")
                removed = 0 if row is None else int(row[0])
                total += removed
                if removed < PAGE_ROWS:
                    await conn.execute(END, (tenant_id, SWEPT_AGAIN_S))
                    return total
                await asyncio.sleep(PAUSE_S)


async def destroyed_keys(conn: AsyncConnection) -> list[DestroyedKey]:
    """The ledger. conn: of the owner."""
    return [DestroyedKey(*row) for row in await (await conn.execute(LEDGER)).fetchall()]


async def replay_ledger(conn: AsyncConnection, ledger: Sequence[DestroyedKey]) -> int:
    """Destroys again what a restored backup has brought back; how many keys that were."""
    async with conn.transaction():
        for one in ledger:
            await conn.execute(REPLAY, one)
        return (await conn.execute(FORGET_KEYS)).rowcount
