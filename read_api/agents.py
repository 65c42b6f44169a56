"""Agents and their versions."""

import strawberry

from read_api.arguments import Id, MinPosition
from read_api.columns import Relation, column, relation
from read_api.connections import Connection, Listing, read_one, read_page
from read_api.context import ReadInfo
from read_api.limits import PAGE_SIZE_DEFAULT
from read_api.scalars import Instant, Json
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
