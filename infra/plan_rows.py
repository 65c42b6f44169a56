"""The rows of infra/side_rows.py that tell of plans, and of what they count."""

from typing import LiteralString

import orjson

from commands.plan_port import (
    AdmittedExecution,
    ArchivedPlan,
    CountedPart,
    PlanRow,
    RemovedPart,
    ReopenedExecution,
    StoredAgentLimits,
    StoredOwnLimits,
    StoredPlan,
    StoredTenantPlan,
)
from domain.call_limits import LIMITED_AGENTS_MAX
from domain.identifiers import JsonObject, TenantId

STORE_PLAN: LiteralString = (
    "INSERT INTO plan_versions"
    " (tenant_id, plan_id, plan_version, name, limits, is_for_resellers, terms)"
    " VALUES (%s, %s, %s, %s, %s::jsonb, %s, %s::jsonb)"
)
ARCHIVE_PLAN: LiteralString = (
    "UPDATE plan_versions SET is_archived = true WHERE tenant_id = %s AND plan_id = %s"
)
STORE_TENANT_PLAN: LiteralString = (
    "INSERT INTO tenant_plans (tenant_id, plan_id, plan_version, overrides)"
    " VALUES (%s, %s, %s, %s::jsonb) ON CONFLICT (tenant_id) DO UPDATE"
    "  SET plan_id = EXCLUDED.plan_id, plan_version = EXCLUDED.plan_version,"
    "   overrides = EXCLUDED.overrides"
)
COUNT_PART: LiteralString = (
    "INSERT INTO counted_parts (tenant_id, kind, part_id) VALUES (%s, %s, %s)"
)
REMOVE_PART: LiteralString = (
    "DELETE FROM counted_parts WHERE tenant_id = %s AND kind = %s AND part_id = %s"
)
ADMIT_EXECUTION: LiteralString = "SELECT admit_execution(%s)"
REOPEN_EXECUTION: LiteralString = "SELECT require_quota(%s, 'concurrent_executions')"
LIMIT_AGENT: LiteralString = "SELECT store_agent_limits(%s, %s, %s::jsonb, %s)"
FREE_AGENT: LiteralString = "DELETE FROM agent_limits WHERE tenant_id = %s AND agent_id = %s"
LIMIT_TENANT: LiteralString = (
    "INSERT INTO own_call_limits (tenant_id, limits) VALUES (%s, %s::jsonb)"
    " ON CONFLICT (tenant_id) DO UPDATE SET limits = EXCLUDED.limits"
)
FREE_TENANT: LiteralString = "DELETE FROM own_call_limits WHERE tenant_id = %s"


def plan_statement(  # noqa: PLR0911 # one answer per kind of row
    tenant_id: TenantId, row: PlanRow
) -> tuple[LiteralString, tuple[object, ...]]:
    """A statement and its parameters. A trigger of the tables refuses what is one too many."""
    match row:
        case StoredPlan():
            terms = None if row.terms is None else _text(row.terms)
            told = (row.plan_version, row.name, _text(row.limits), row.is_for_resellers, terms)
            return STORE_PLAN, (tenant_id, row.plan_id, *told)
        case ArchivedPlan():
            return ARCHIVE_PLAN, (tenant_id, row.plan_id)
        case StoredTenantPlan():
            told = (row.plan_id, row.plan_version, _text(row.overrides))
            return STORE_TENANT_PLAN, (tenant_id, *told)
        case CountedPart():
            return COUNT_PART, (tenant_id, row.kind, row.part_id)
        case RemovedPart():
            return REMOVE_PART, (tenant_id, row.kind, row.part_id)
        case AdmittedExecution() | ReopenedExecution():
            is_new = isinstance(row, AdmittedExecution)
            return ADMIT_EXECUTION if is_new else REOPEN_EXECUTION, (tenant_id,)
        case StoredAgentLimits():
            return _agent_limits(tenant_id, row)
        case StoredOwnLimits():
            if not row.limits:
                return FREE_TENANT, (tenant_id,)
            return LIMIT_TENANT, (tenant_id, _text(row.limits))


def _agent_limits(
    tenant_id: TenantId, row: StoredAgentLimits
) -> tuple[LiteralString, tuple[object, ...]]:
    if not row.limits:
        return FREE_AGENT, (tenant_id, row.agent_id)
    return LIMIT_AGENT, (tenant_id, row.agent_id, _text(row.limits), LIMITED_AGENTS_MAX)


def _text(document: JsonObject) -> str:
    return orjson.dumps(document).decode()
