"""Agents and their versions."""

from typing import LiteralString

import strawberry

from read_api.arguments import Id, MinPosition
from read_api.calls_now import under_way, waiting
from read_api.columns import Relation, column, relation
from read_api.connections import Connection, Listing, read_one, read_page
from read_api.context import ReadInfo
from read_api.limits import PAGE_SIZE_DEFAULT
from read_api.scalars import BigInt, Instant, Json
from read_api.sharing import TOLD, Share, shares_of

VERSIONS = Relation(
    outer="a",
    key="agent_id",
    alias="v",
    rows="agent_versions_v1 AS v WHERE v.agent_id = a.agent_id",
    order="v.agent_version DESC",
    count_max="20",
)
VERSIONS_FIRST = int(VERSIONS.count_max)
SHARES = shares_of("a", "agent_id")
# What calls hold of limits is counted beside the log (infra/migrations/0093_call_limits.sql), and
# read from there: a read model that follows would tell of the past.
LIMITS: LiteralString = (
    " FROM agent_limits AS l WHERE l.tenant_id = a.tenant_id AND l.agent_id = a.agent_id)"
)
UNDER_WAY = under_way("a.tenant_id", "a.agent_id")
WAITING = waiting("a.tenant_id", "a.agent_id")
ALLOWANCE: LiteralString = (
    " FROM agent_limits AS l LEFT JOIN call_allowances AS c"
    " ON c.tenant_id = l.tenant_id AND c.scope_id = l.agent_id"
    " WHERE l.tenant_id = a.tenant_id AND l.agent_id = a.agent_id)"
)


def _ahead(until: LiteralString) -> LiteralString:
    """The part of a minute's worth that is used up; more than 1 where a call used more."""
    now_s: LiteralString = "extract(epoch FROM clock_timestamp())::float8"
    return "greatest(coalesce(" + until + ", 0) - " + now_s + ", 0) / 60"


AGENTS = Listing("Agent", "a", "agents_v1 AS a", "agent_id", "NOT a.is_deleted")


@strawberry.type(description="One immutable version of an agent.")
class AgentVersion:
    version: int = column("v.agent_version")
    name: str = column("v.name")
    role: str | None = column("v.role")
    model: str = column("v.model")
    instructions: str = column("v.instructions")
    tools: Json = column("v.tools")
    parameters: Json = column("v.parameters")
    created_at: Instant = column("v.created_at")
    created_by: str | None = column("v.created_by")


@strawberry.type(description="A role, a model and instructions, as of the newest version.")
class Agent:
    id: strawberry.ID = column("a.agent_id")
    name: str = column("a.name")
    role: str | None = column("a.role")
    model: str = column("a.model")
    instructions: str = column("a.instructions")
    tools: Json = column("a.tools")
    parameters: Json = column("a.parameters")
    version: int = column("a.agent_version", "The newest version; every change makes one.")
    is_deleted: bool = column("a.is_deleted", "Only executions still lead to a deleted agent.")
    concurrent_calls: int | None = column(
        "(SELECT (l.limits ->> 'concurrent_calls')::integer" + LIMITS,
        "How many calls of models it makes at once, over all runs; null is not limited.",
    )
    tokens_per_min: BigInt | None = column(
        "(SELECT (l.limits ->> 'tokens_per_min')::bigint" + LIMITS,
        "What its calls use, spread over a minute; null is not limited.",
    )
    cost_usd_per_min: str | None = column(
        "(SELECT l.limits ->> 'cost_usd_per_min'" + LIMITS,
        "What its calls cost, spread over a minute; null is not limited.",
    )
    calls_under_way: int = column(UNDER_WAY, "Of an agent that has limits, at this moment.")
    calls_waiting: int = column(
        WAITING,
        "In line for a place under its limits, over all workers; as of a second or two ago.",
    )
    tokens_used: BigInt | None = column(
        "(SELECT ceil((l.limits ->> 'tokens_per_min')::float8 * "
        + _ahead("c.tokens_until")
        + ")::bigint"
        + ALLOWANCE,
        "Of `tokensPerMin`, at this moment: used or held by calls under way, and not yet refilled.",
    )
    cost_used_usd: str | None = column(
        "(SELECT trim_scale(round(((l.limits ->> 'cost_usd_per_min')::float8 * "
        + _ahead("c.cost_until")
        + ")::numeric, 12))::text"
        + ALLOWANCE,
        "Of `costUsdPerMin`, as of `tokensUsed`.",
    )
    created_at: Instant = column("a.created_at")
    updated_at: Instant = column("a.updated_at")
    created_by: str | None = column("a.created_by")

    @relation(VERSIONS, "Newest first.")
    async def versions(
        self, info: ReadInfo, first: int | None = VERSIONS_FIRST
    ) -> list[AgentVersion]:
        rows = await info.context.related(VERSIONS, "AgentVersion", self.id, first=first)
        return [AgentVersion(**row) for row in rows]

    @relation(SHARES, TOLD)
    async def shares(self, info: ReadInfo) -> list[Share]:
        rows = await info.context.related(SHARES, "Share", self.id)
        return [Share(**row) for row in rows]


async def agent(info: ReadInfo, id_: Id, _min_position: MinPosition = None) -> Agent | None:
    return await read_one(info, AGENTS, id_, Agent)


async def agents(
    info: ReadInfo,
    first: int | None = PAGE_SIZE_DEFAULT,
    after: str | None = None,
    _min_position: MinPosition = None,
) -> Connection[Agent]:
    return await read_page(info, AGENTS, Agent, first=first, after=after)
