"""The rows of infra/side_rows.py that tell of billing, and who finds what of it is due."""

from datetime import datetime
from typing import LiteralString

from commands.billing_port import (
    BillingRow,
    DueBilling,
    IssuedDocument,
    RemovedBillingTimer,
    SetBillingTimer,
)
from domain.identifiers import TenantId
from infra.postgres import Database

# fmt: off
SET_TIMER: LiteralString = (
    "INSERT INTO billing_timers (tenant_id, subject_id, due_at) VALUES (%s, %s, %s)"
    # Whoever holds the lease has done what was due, and the next one need not wait for its end.
    " ON CONFLICT (tenant_id, subject_id) DO UPDATE"
    "  SET due_at = EXCLUDED.due_at, leased_until = clock_timestamp()"
)
REMOVE_TIMER: LiteralString = (
    "DELETE FROM billing_timers WHERE tenant_id = %s AND subject_id = %s"
)
KEEP_DOCUMENT: LiteralString = (
    "INSERT INTO issued_documents"
    " (tenant_id, series, number, customer_id, invoice_id, content_sha256, sealed)"
    " VALUES (%s, %s, %s, %s, %s, %s, %s)"
)
CLAIM: LiteralString = (
    "UPDATE billing_timers SET leased_until = clock_timestamp() + make_interval(secs => %s)"
    " WHERE (tenant_id, subject_id) = (SELECT tenant_id, subject_id FROM billing_timers"
    "   WHERE due_at <= %s AND leased_until <= clock_timestamp()"
    "   ORDER BY due_at, tenant_id LIMIT 1 FOR UPDATE SKIP LOCKED)"
    " RETURNING tenant_id, subject_id"
)
RELEASE: LiteralString = (
    "UPDATE billing_timers SET leased_until = clock_timestamp() + make_interval(secs => %s)"
    " WHERE tenant_id = %s AND subject_id = %s"
)
# fmt: on


def billing_statement(
    tenant_id: TenantId, row: BillingRow
) -> tuple[LiteralString, tuple[object, ...]]:
    match row:
        case SetBillingTimer():
            return SET_TIMER, (tenant_id, row.subject_id, row.due_at)
        case RemovedBillingTimer():
            return REMOVE_TIMER, (tenant_id, row.subject_id)
        case IssuedDocument():
            sha256 = bytes.fromhex(row.content_sha256)
            numbered = (row.issuer_id, row.series, row.number)
            return KEEP_DOCUMENT, (*numbered, tenant_id, row.invoice_id, sha256, row.sealed)


class PostgresBillingTimers:
    """Implements commands.billing_port.BillingTimers. database: the role `worker`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def claim(self, lease_s: float, *, now: datetime) -> DueBilling | None:
        async with self._database.connection() as conn:
            row = await (await conn.execute(CLAIM, (lease_s, now))).fetchone()
        return None if row is None else DueBilling(TenantId(row[0]), row[1])

    async def release(self, due: DueBilling, *, pause_s: float) -> None:
        async with self._database.connection() as conn:
            await conn.execute(RELEASE, (pause_s, *due))
