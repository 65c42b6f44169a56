"""Which roles run: every process says which it has, and whoever asks is told how many were seen
lately and when the last one was.
"""

import asyncio
import logging
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from psycopg import AsyncConnection, Error

EVERY_S = 5.0
# A process that is silent for longer does not run, or cannot reach the database.
RUNS_WITHIN = "20 seconds"

log = logging.getLogger(__name__)


class RoleSeen(NamedTuple):
    """processes: that were seen within the last seconds."""

    role: str
    processes: int
    seen_at: datetime


async def say_which_run(conninfo: str, process_id: UUID, roles: Sequence[str]) -> None:
    """Until cancelled. conninfo: the role `tail`, which every process can be."""
    while True:
        try:
            async with await AsyncConnection.connect(conninfo, autocommit=True) as conn:
                while True:
                    said = (process_id, list(roles))
                    await conn.execute("SELECT see_roles(%s, %s::text[])", said)
                    await asyncio.sleep(EVERY_S)
        except Error as error:
            log.warning("the roles of this process are not told: %s", error)
            await asyncio.sleep(EVERY_S)


async def roles_seen(conn: AsyncConnection) -> list[RoleSeen]:
    """By name. conn: the role api."""
    query = "SELECT role, processes, seen_at FROM roles_seen(%s::interval) ORDER BY role"
    cursor = await conn.execute(query, (RUNS_WITHIN,), prepare=True)
    return [RoleSeen(*row) for row in await cursor.fetchall()]
