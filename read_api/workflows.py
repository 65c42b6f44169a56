"""Workflows and their versions."""

import strawberry

from read_api.arguments import Id, MinPosition
from read_api.calls_now import under_way, waiting
from read_api.columns import Relation, column, relation
from read_api.connections import Connection, Listing, read_one, read_page
from read_api.context import ReadInfo
from read_api.limits import PAGE_SIZE_DEFAULT
from read_api.scalars import Instant, Json
from read_api.sharing import TOLD, Share, shares_of

VERSIONS = Relation(
    outer="w",
    key="workflow_id",
    alias="v",
    rows="workflow_versions_v1 AS v WHERE v.workflow_id = w.workflow_id",
    order="v.workflow_version DESC",
    count_max="20",
)
VERSIONS_FIRST = int(VERSIONS.count_max)
SHARES = shares_of("w", "workflow_id")
WORKFLOWS = Listing("Workflow", "w", "workflows_v1 AS w", "workflow_id", "NOT w.is_deleted")


@strawberry.type(description="One immutable version of a workflow.")
class WorkflowVersion:
    version: int = column("v.workflow_version")
    name: str = column("v.name")
    description: str | None = column("v.description")
    is_public: bool = column("v.is_public")
    definition_hash: str = column("v.definition_hash")
    definition: Json = column("v.definition")
    created_at: Instant = column("v.created_at")
    created_by: str | None = column("v.created_by")


@strawberry.type(
    description="A named definition of what an execution does, as of its newest version."
)
class Workflow:
    id: strawberry.ID = column("w.workflow_id")
    name: str = column("w.name")
    description: str | None = column("w.description")
    is_public: bool = column("w.is_public")
    version: int = column("w.workflow_version", "The newest version; every change makes one.")
    definition_hash: str = column("w.definition_hash")
    definition: Json = column("w.definition")
    is_deleted: bool = column("w.is_deleted", "Only executions still lead to a deleted workflow.")
    calls_under_way: int = column(
        under_way("w.tenant_id", "w.workflow_id"),
        "Of one whose definition says `concurrent_calls`, over all runs, at this moment.",
    )
    calls_waiting: int = column(
        waiting("w.tenant_id", "w.workflow_id"),
        "In line for a place under it, over all workers; as of a second or two ago.",
    )
    created_at: Instant = column("w.created_at")
    updated_at: Instant = column("w.updated_at")
    created_by: str | None = column("w.created_by")

    @relation(VERSIONS, "Newest first.")
    async def versions(
        self, info: ReadInfo, first: int | None = VERSIONS_FIRST
    ) -> list[WorkflowVersion]:
        rows = await info.context.related(VERSIONS, "WorkflowVersion", self.id, first=first)
        return [WorkflowVersion(**row) for row in rows]

    @relation(SHARES, TOLD)
    async def shares(self, info: ReadInfo) -> list[Share]:
        rows = await info.context.related(SHARES, "Share", self.id)
        return [Share(**row) for row in rows]


async def workflow(info: ReadInfo, id_: Id, _min_position: MinPosition = None) -> Workflow | None:
    return await read_one(info, WORKFLOWS, id_, Workflow)


async def workflows(
    info: ReadInfo,
    first: int | None = PAGE_SIZE_DEFAULT,
    after: str | None = None,
    _min_position: MinPosition = None,
) -> Connection[Workflow]:
    return await read_page(info, WORKFLOWS, Workflow, first=first, after=after)
