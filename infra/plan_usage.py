"""What the operator and resellers read of plans, and of the tenants that they manage. Straight from
the rows beside the log, which are what is enforced.
"""

from collections.abc import Mapping
from typing import LiteralString
from uuid import UUID

from psycopg.rows import dict_row

from domain.identifiers import PLATFORM, JsonObject, TenantId
from domain.money import usd_text
from domain.plans import PlanNotFound
from domain.tenants import TenantNotFound
from infra.postgres import Database

PLANS_MAX = 1_000
VERSIONS_MAX = 1_000
BUDGETS_MAX = 1_000

# fmt: off
PLANS: LiteralString = (
    "SELECT DISTINCT ON (plan_id) plan_id::text, plan_version, name, limits, terms,"
    " is_for_resellers, is_archived FROM plan_versions WHERE tenant_id = %(platform)s"
    " ORDER BY plan_id, plan_version DESC LIMIT %(limit)s"
)
VERSIONS: LiteralString = (
    "SELECT plan_id::text, plan_version, name, limits, terms, is_for_resellers, is_archived"
    " FROM plan_versions WHERE tenant_id = %(platform)s AND plan_id = %(plan_id)s"
    " ORDER BY plan_version DESC LIMIT %(limit)s"
)
RESELLER: LiteralString = "SELECT reseller_id FROM tenant_standings WHERE tenant_id = %s"
PLAN_OF: LiteralString = (
    "SELECT p.plan_id::text, p.plan_version, p.name AS plan_name, p.limits,"
    " coalesce(t.plan_version IS NULL, true) AS follows_newest,"
    " coalesce(t.overrides, '{}') AS overrides"
    " FROM plan_of(%(tenant_id)s) AS p"
    " LEFT JOIN tenant_plans AS t ON t.tenant_id = %(tenant_id)s"
)
QUOTAS: LiteralString = (
    'SELECT name, allowed AS "limit", used,'
    " CASE WHEN allowed IS NOT NULL THEN greatest(allowed - used, 0) END AS remaining,"
    " to_json(resets_at) #>> '{}' AS resets_at FROM own_quotas() ORDER BY place"
)
BUDGETS: LiteralString = (
    "SELECT b.budget_id::text, b.keeper, b.scope_type, b.period, b.window_s, b.time_zone,"
    " CASE WHEN b.is_hard THEN 'hard' ELSE 'soft' END AS mode, to_json(b.notify_at) AS notify_at,"
    " CASE WHEN b.allows_unpriced THEN 'allow' ELSE 'refuse' END AS unpriced,"
    " b.limit_usd_pico AS limit_usd, s.spent AS spent_usd, s.reserved AS reserved_usd,"
    " greatest(b.limit_usd_pico - s.spent - s.reserved, 0) AS remaining_usd"
    " FROM budgets AS b CROSS JOIN LATERAL"
    "   budget_standing(b.tenant_id, b.budget_id, b.period, b.window_s, b.time_zone) AS s"
    " WHERE b.tenant_id = %(tenant_id)s AND b.is_active AND b.keeper = ANY (%(keepers)s)"
    " ORDER BY b.budget_id LIMIT %(limit)s"
)
# fmt: on
AMOUNTS = ("limit_usd", "spent_usd", "reserved_usd", "remaining_usd")


class PlanUsage:
    """database: the role `api`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def plans(self, *, is_of_reseller: bool) -> list[JsonObject]:
        """The newest version of each; for a reseller those that its customers can be put on."""
        params = {"platform": PLATFORM, "limit": PLANS_MAX}
        found = await self._rows(PLATFORM, PLANS, params)
        if not is_of_reseller:
            return found
        return [one for one in found if one["is_for_resellers"] and not one["is_archived"]]

    async def versions(self, plan_id: UUID) -> list[JsonObject]:
        """Newest first. Raises PlanNotFound."""
        params = {"platform": PLATFORM, "plan_id": plan_id, "limit": VERSIONS_MAX}
        found = await self._rows(PLATFORM, VERSIONS, params)
        if not found:
            raise PlanNotFound
        return found

    async def of_tenant(self, tenant_id: TenantId, *, reseller_id: TenantId | None) -> JsonObject:
        """Its plan, and how much of it is used. reseller_id: who asks; None is the operator. Raises
        TenantNotFound, also for what somebody else manages.
        """
        await self._require_managed(tenant_id, reseller_id)
        (plan,) = await self._rows(tenant_id, PLAN_OF, {"tenant_id": tenant_id})
        quotas = await self._rows(tenant_id, QUOTAS, {})
        return {"tenant_id": str(tenant_id), **plan, "quotas": [*quotas]}

    async def budgets(
        self, tenant_id: TenantId, *, reseller_id: TenantId | None
    ) -> list[JsonObject]:
        """Those that who manages the tenant keeps for it, and how they stand; what the tenant keeps
        itself is its own business. Raises TenantNotFound.
        """
        await self._require_managed(tenant_id, reseller_id)
        keepers = ["reseller"] if reseller_id is not None else ["reseller", "operator"]
        params = {"tenant_id": tenant_id, "keepers": keepers, "limit": BUDGETS_MAX}
        rows = await self._rows(tenant_id, BUDGETS, params)
        return [row | {name: usd_text(int(str(row[name]))) for name in AMOUNTS} for row in rows]

    async def _require_managed(self, tenant_id: TenantId, reseller_id: TenantId | None) -> None:
        """Raises TenantNotFound."""
        async with self._database.tenant_transaction(tenant_id) as conn:
            row = await (await conn.execute(RESELLER, (tenant_id,))).fetchone()
        if row is None or reseller_id not in {None, row[0]}:
            raise TenantNotFound

    async def _rows(
        self, tenant_id: TenantId, query: LiteralString, params: Mapping[str, object]
    ) -> list[JsonObject]:
        async with self._database.tenant_transaction(tenant_id) as conn:
            cursor = conn.cursor(row_factory=dict_row)
            return list(await (await cursor.execute(query, params)).fetchall())
