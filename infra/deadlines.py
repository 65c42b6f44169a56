"""Deadlines: rows of appends, and leased to one worker at a time when they are due."""

from datetime import datetime
from typing import LiteralString

from commands.deadline_port import DueDeadline, StoredDeadline
from domain.identifiers import TenantId
from infra.postgres import Database

# fmt: off
STORE: LiteralString = (
    "INSERT INTO deadlines (tenant_id, kind, subject_id, due_at) VALUES (%s, %s, %s, %s)"
    " ON CONFLICT (tenant_id, kind, subject_id) DO UPDATE"
    "  SET due_at = EXCLUDED.due_at, leased_until = '-infinity'"
)
REMOVE: LiteralString = (
    "DELETE FROM deadlines WHERE tenant_id = %s AND kind = %s AND subject_id = %s"
)
CLAIM: LiteralString = (
    "UPDATE deadlines SET leased_until = clock_timestamp() + make_interval(secs => %s)"
    " WHERE (tenant_id, kind, subject_id) = (SELECT tenant_id, kind, subject_id FROM deadlines"
    "   WHERE due_at <= %s AND leased_until <= clock_timestamp()"
    "   ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED)"
    " RETURNING tenant_id, kind, subject_id"
)
RELEASE: LiteralString = (
    "UPDATE deadlines SET leased_until = clock_timestamp() + make_interval(secs => %s)"
    " WHERE tenant_id = %s AND kind = %s AND subject_id = %s"
)
# fmt: on


def deadline_statement(
    tenant_id: TenantId, row: StoredDeadline
) -> tuple[LiteralString, tuple[object, ...]]:
    """A statement and its parameters."""
    place = (tenant_id, row.kind, row.subject_id)
    if row.due_at is None:
        return REMOVE, place
    return STORE, (*place, row.due_at)


class PostgresDeadlines:
    """Implements commands.deadline_port.Deadlines. database: the role `worker`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def claim(self, lease_s: float, *, now: datetime) -> DueDeadline | None:
        async with self._database.connection() as conn:
            row = await (await conn.execute(CLAIM, (lease_s, now))).fetchone()
        return None if row is None else DueDeadline(*row)

    async def release(self, deadline: DueDeadline, *, pause_s: float) -> None:
        place = (deadline.tenant_id, deadline.kind, deadline.subject_id)
        async with self._database.connection() as conn:
            await conn.execute(RELEASE, (pause_s, *place))
