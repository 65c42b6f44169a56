"""The caller's tenant, and those that the caller manages."""

from typing import Any, LiteralString
from uuid import UUID

import orjson
import strawberry

from infra.managed_tenants import TenantId, managed_tenants
from read_api.arguments import MinPosition
from read_api.columns import Relation, column, relation
from read_api.connections import Connection, Edge, connection, cursor_id, cursor_of, read_row
from read_api.context import ReadInfo
from read_api.errors import coded
from read_api.limits import PAGE_SIZE_DEFAULT
from read_api.scalars import BigInt, Instant, Json
from read_api.shaping import related

PLAN = Relation(outer="t", key="tenant_id", alias="p", rows="plan_of(t.tenant_id) AS p")
QUOTAS = Relation(
    outer="t",
    key="tenant_id",
    alias="q",
    rows="own_quotas() AS q",
    order="q.place",
    count_max="20",
)
CALL_LIMITS = Relation(outer="t", key="tenant_id", alias="l", rows="call_limits_now() AS l")
ONE: LiteralString = " FROM (SELECT ($1->>'id')::uuid AS tenant_id) AS t"

TENANT: LiteralString = " FROM tenants_v5 AS t"
FIRST_ID = UUID(int=0)


@strawberry.type(description="What a tenant may use.")
class TenantPlan:
    id: strawberry.ID = column("p.plan_id")
    name: str = column("p.name")
    version: int = column("p.plan_version")
    limits: Json = column(
        "p.limits",
        "By name, with what is this tenant's own. What is null or left out is limited by the"
        " installation alone.",
    )


@strawberry.type(
    description="What calls of a tenant hold, over all runs and workers, at this moment: of models,"
    " and requests of `http` nodes."
    " Of the plan's limit and the tenant's own the narrower one counts; null is not limited."
)
class TenantCallLimits:
    own: Json = column(
        "l.own", "By name, those that the tenant has set itself (`PUT /tenant/limits`)."
    )
    concurrent_calls: int | None = column("l.concurrent_calls", "Under way at once.")
    tokens_per_min: BigInt | None = column("l.tokens_per_min", "Spread over a minute.")
    cost_usd_per_min: str | None = column("l.cost_usd_per_min::text", "Spread over a minute.")
    calls_under_way: int = column(
        "l.calls_under_way", "0 where nothing limits them, for then nobody counts."
    )
    calls_waiting: int = column(
        "l.calls_waiting", "In line for a place, over all workers; as of a second or two ago."
    )
    tokens_used: BigInt | None = column(
        "l.tokens_used",
        "Of `tokensPerMin`: used or held by calls under way, and not yet refilled.",
    )
    cost_used_usd: str | None = column(
        "l.cost_used_usd::text", "Of `costUsdPerMin`, as of `tokensUsed`."
    )
    concurrent_http_calls: int | None = column(
        "l.concurrent_http_calls", "Requests of `http` nodes under way at once."
    )
    http_calls_under_way: int = column("l.http_calls_under_way", "As `callsUnderWay`.")
    http_calls_waiting: int = column("l.http_calls_waiting", "As `callsWaiting`.")


@strawberry.type(description="Something of which a tenant has a countable amount.")
class Quota:
    name: str = column("q.name")
    limit: BigInt | None = column("q.allowed", "Null: none.")
    used: BigInt | None = column(
        "q.used", "Null: nobody counts, for nothing limits it. As it is enforced, at this moment."
    )
    remaining: BigInt | None = column(
        "CASE WHEN q.allowed IS NOT NULL THEN greatest(q.allowed - q.used, 0) END"
    )
    resets_at: Instant | None = column("q.resets_at", "When it is counted from 0 again.")


@strawberry.type(description="A customer of the platform; everything else belongs to exactly one.")
class Tenant:
    id: strawberry.ID = column("t.tenant_id")
    name: str = column("t.name")
    created_at: Instant = column("t.created_at")
    region: str = column("t.region", "Where its data is to be, as the installation names it.")
    time_zone: str = column("t.time_zone", "A name of the IANA time zone database.")
    reseller_id: strawberry.ID | None = column(
        "t.reseller_id", "The tenant that created it; null: the operator."
    )
    payload_days: int | None = column(
        "t.payload_days",
        "How long payloads are kept after the end of their execution; null is for ever.",
    )
    standing: str = column("t.standing", "active, suspended or offboarding.")
    suspended_at: Instant | None = column("t.suspended_at")
    suspended_reason: str | None = column(
        "t.suspended_reason", "As somebody said it; null where it is for missedPayments."
    )
    suspended_by: str | None = column("t.suspended_by", "The actor.")
    missed_payments: list[strawberry.ID] = column(
        "to_json(t.missed_payments)",
        "Payments that nobody tries to collect any more; it is suspended until they are paid.",
    )
    offboarding_due_at: Instant | None = column(
        "t.offboarding_due_at", "Until then it can be cancelled."
    )
    customers_max: int = column(
        "t.customers_max", "How many tenants it may have created; 0: it is no reseller."
    )

    @relation(PLAN)
    async def plan(self, info: ReadInfo) -> TenantPlan:
        return TenantPlan(**await self._joined(info, PLAN, "TenantPlan"))

    @relation(QUOTAS)
    async def quotas(self, info: ReadInfo) -> list[Quota]:
        return [Quota(**row) for row in await self._joined(info, QUOTAS, "Quota")]

    @relation(CALL_LIMITS)
    async def call_limits(self, info: ReadInfo) -> TenantCallLimits:
        return TenantCallLimits(**await self._joined(info, CALL_LIMITS, "TenantCallLimits"))

    async def _joined(self, info: ReadInfo, joined: Relation, type_name: str) -> Any:
        """Read as this tenant, which is the caller's or one that the caller manages."""
        row = info.context.shaper.row(type_name)
        found = related(joined, row, count_max=joined.count_max, is_past=False)
        text = await info.context.sources.database.tenant_json(
            TenantId(UUID(self.id)), "SELECT " + found + ONE, {"id": self.id}
        )
        return orjson.loads(text or b"[]")


async def tenant(info: ReadInfo, _min_position: MinPosition = None) -> Tenant:
    found = await read_row(info, "Tenant", TENANT, {}, make=Tenant)
    if found is None:
        raise coded("not_found", "The read model does not have this tenant yet.")
    return found


async def tenants(
    info: ReadInfo, first: int | None = PAGE_SIZE_DEFAULT, after: str | None = None
) -> Connection[Tenant]:
    """Oldest first. One that the read model does not have yet is left out."""
    size = first or PAGE_SIZE_DEFAULT
    database, caller = info.context.sources.database, info.context.caller
    assert caller.is_operator or caller.tenant_id is not None
    managed = await managed_tenants(
        database,
        None if caller.is_operator else caller.tenant_id,
        after=FIRST_ID if after is None else cursor_id(after),
        limit=size + 1,
    )
    query = "SELECT " + info.context.shaper.row("Tenant") + TENANT
    edges: list[Edge[Tenant]] = []
    for tenant_id in managed:
        # Each is read as that tenant, which the caller manages.
        text = await database.tenant_json(tenant_id, query, {})
        if text is not None:
            edges.append(Edge(cursor=cursor_of(tenant_id), node=Tenant(**orjson.loads(text))))
    return connection(edges, size=size, is_after=after is not None)
