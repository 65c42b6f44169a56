"""Templates as PostgreSQL knows them: rows that follow the events, and their embeddings."""

from collections.abc import Sequence
from typing import LiteralString

from commands.template_port import DueTemplate, OfferedTemplate, TemplateRow, WithdrawnTemplate
from domain.identifiers import TenantId
from domain.workflow_templates import template_text
from infra.postgres import Database

__all__ = ["PostgresTemplates", "template_statement", "template_text", "vector_text"]

OFFER: LiteralString = (
    "INSERT INTO templates (tenant_id, workflow_id, workflow_version) VALUES (%s, %s, %s)"
    " ON CONFLICT (tenant_id, workflow_id) DO UPDATE"
    "  SET workflow_version = EXCLUDED.workflow_version, due_at = clock_timestamp(),"
    "   attempts_count = 0"
)
WITHDRAW: LiteralString = "DELETE FROM templates WHERE tenant_id = %s AND workflow_id = %s"
CLAIM: LiteralString = (
    "UPDATE templates AS t SET due_at = clock_timestamp() + make_interval(secs => %s),"
    "  attempts_count = t.attempts_count + 1"
    " WHERE (t.tenant_id, t.workflow_id) = (SELECT o.tenant_id, o.workflow_id FROM templates AS o"
    "   WHERE o.due_at <= clock_timestamp() ORDER BY o.due_at LIMIT 1 FOR UPDATE SKIP LOCKED)"
    " RETURNING t.tenant_id, t.workflow_id, t.workflow_version, t.attempts_count"
)
EMBEDDED: LiteralString = (
    "UPDATE templates SET embedded_version = %(version)s, model = %(model)s,"
    "  embedding = vector_of(%(vector)s), attempts_count = 0,"
    "  due_at = CASE workflow_version WHEN %(version)s THEN 'infinity' ELSE due_at END"
    " WHERE tenant_id = %(tenant)s AND workflow_id = %(workflow)s"
)
# What else is due of the tenant comes later too: its provider may not answer for a while, and that
# of others does.
FAILED: LiteralString = (
    "UPDATE templates SET due_at = clock_timestamp() + make_interval(secs =>"
    "  CASE workflow_id WHEN %(workflow)s THEN %(retry_in_s)s ELSE %(others_in_s)s END)"
    " WHERE tenant_id = %(tenant)s AND (due_at <= clock_timestamp()"
    "  OR (workflow_id = %(workflow)s AND workflow_version = %(version)s))"
)
FORGET: LiteralString = (
    "DELETE FROM templates WHERE tenant_id = %s AND workflow_id = %s AND workflow_version = %s"
)
RENEW: LiteralString = (
    "UPDATE templates SET due_at = clock_timestamp()"
    " WHERE due_at = 'infinity' AND model IS DISTINCT FROM %s"
)


def template_statement(
    tenant_id: TenantId, row: TemplateRow
) -> tuple[LiteralString, tuple[object, ...]]:
    match row:
        case OfferedTemplate():
            return OFFER, (tenant_id, row.workflow_id, row.workflow_version)
        case WithdrawnTemplate():
            return WITHDRAW, (tenant_id, row.workflow_id)


def vector_text(vector: Sequence[float]) -> str:
    """As pgvector reads it."""
    return "[" + ",".join(f"{number:.9g}" for number in vector) + "]"


class PostgresTemplates:
    """Implements commands.template_port.Templates. database: the role `worker`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def claim(self, lease_s: float) -> DueTemplate | None:
        async with self._database.connection() as conn:
            row = await (await conn.execute(CLAIM, (lease_s,))).fetchone()
        return None if row is None else DueTemplate(TenantId(row[0]), *row[1:])

    async def embedded(self, due: DueTemplate, model: str, vector: Sequence[float]) -> None:
        params = {
            "tenant": due.tenant_id,
            "workflow": due.workflow_id,
            "version": due.workflow_version,
            "model": model,
            "vector": vector_text(vector),
        }
        async with self._database.connection() as conn:
            await conn.execute(EMBEDDED, params)

    async def failed(self, due: DueTemplate, *, retry_in_s: float, others_in_s: float) -> None:
        params = {
            "tenant": due.tenant_id,
            "workflow": due.workflow_id,
            "version": due.workflow_version,
            "retry_in_s": retry_in_s,
            "others_in_s": others_in_s,
        }
        async with self._database.connection() as conn:
            await conn.execute(FAILED, params)

    async def forget(self, due: DueTemplate) -> None:
        async with self._database.connection() as conn:
            await conn.execute(FORGET, due[:3])

    async def renew(self, model: str) -> int:
        async with self._database.connection() as conn:
            return (await conn.execute(RENEW, (model,))).rowcount
