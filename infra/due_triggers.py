"""Triggers that are due: rows of appends, and leased to one worker at a time.

A moment at which many are due, such as midnight, is worked off in pages; of the first CANDIDATES
each tenant's oldest goes before any tenant's second.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import LiteralString

from commands.trigger_port import DueTrigger, StoredDueTrigger
from domain.identifiers import TenantId
from infra.postgres import Database

CANDIDATES = 2_000

# fmt: off
STORE: LiteralString = (
    "INSERT INTO due_triggers (tenant_id, trigger_id, due_at) VALUES (%s, %s, %s)"
    " ON CONFLICT (tenant_id, trigger_id) DO UPDATE"
    "  SET due_at = EXCLUDED.due_at, leased_until = '-infinity', refused_with = NULL"
)
REMOVE: LiteralString = "DELETE FROM due_triggers WHERE tenant_id = %s AND trigger_id = %s"
CLAIM: LiteralString = (
    "UPDATE due_triggers AS d SET leased_until = clock_timestamp() + make_interval(secs => %s)"
    " FROM (SELECT t.tenant_id, t.trigger_id FROM due_triggers AS t"
    "   JOIN (SELECT f.tenant_id, f.trigger_id,"
    "                row_number() OVER (PARTITION BY f.tenant_id ORDER BY f.due_at) AS turn"
    "           FROM (SELECT o.tenant_id, o.trigger_id, o.due_at FROM due_triggers AS o"
    "                  WHERE o.due_at <= %s AND o.leased_until <= clock_timestamp()"
    "                    AND NOT EXISTS (SELECT FROM tenant_standings AS s"
    "                          WHERE s.tenant_id = o.tenant_id AND s.standing <> 'active')"
    "                  ORDER BY o.due_at LIMIT %s) AS f) AS w"
    "     ON w.tenant_id = t.tenant_id AND w.trigger_id = t.trigger_id"
    "   WHERE t.leased_until <= clock_timestamp()"
    "   ORDER BY w.turn, t.due_at LIMIT %s FOR UPDATE OF t SKIP LOCKED) AS c"
    " WHERE d.tenant_id = c.tenant_id AND d.trigger_id = c.trigger_id"
    " RETURNING d.tenant_id, d.trigger_id, d.due_at, d.refused_with"
)
RELEASE: LiteralString = (
    "UPDATE due_triggers SET leased_until = clock_timestamp() + make_interval(secs => %s),"
    " refused_with = coalesce(%s, refused_with)"
    " WHERE tenant_id = %s AND trigger_id = %s AND due_at = %s"
)
# fmt: on


def due_trigger_statement(
    tenant_id: TenantId, row: StoredDueTrigger
) -> tuple[LiteralString, tuple[object, ...]]:
    """A statement and its parameters."""
    if row.due_at is None:
        return REMOVE, (tenant_id, row.trigger_id)
    return STORE, (tenant_id, row.trigger_id, row.due_at)


class PostgresDueTriggers:
    """Implements commands.trigger_port.DueTriggers. database: the role `worker`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def claim(self, lease_s: float, *, now: datetime, limit: int) -> Sequence[DueTrigger]:
        params = (lease_s, now, CANDIDATES, limit)
        async with self._database.connection() as conn:
            rows = await (await conn.execute(CLAIM, params)).fetchall()
        return [DueTrigger(TenantId(row[0]), *row[1:]) for row in rows]

    async def release(
        self, due: DueTrigger, *, pause_s: float, refused_with: str | None = None
    ) -> None:
        place = (due.tenant_id, due.trigger_id, due.due_at)
        async with self._database.connection() as conn:
            await conn.execute(RELEASE, (pause_s, refused_with, *place))
