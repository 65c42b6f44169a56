"""Who may run the parts of a run: agents and workflows, alone or named by a definition."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from commands.authorization import Grants
from domain.identifiers import TenantId


@dataclass(frozen=True, slots=True)
class Part:
    """scope: with which somebody runs it who may run everything of the tenant."""

    part_id: UUID
    scope: str


@dataclass(frozen=True, slots=True)
class Principals:
    """Those on whose behalf something runs; it is enough that one of them may run a part. runner:
    the actor who began the run. author_of: a workflow, whose owner named the part in it.
    """

    runner: str
    author_of: UUID | None = None


class PartRights(Protocol):
    async def refused(
        self, tenant_id: TenantId, parts: Collection[Part], principals: Principals
    ) -> set[UUID]:
        """Those parts that none of the principals began, that is shared with none of them to run
        it, and that none of them may run whoever it belongs to, as of now. Whether a workflow is
        public is not known here.
        """
        ...

    async def grants_of(self, tenant_id: TenantId, runner: str) -> Grants | None:
        """What this actor may do now: a person, also behind a key, or a key of nobody in
        particular. None: they are not active, or not there any more.
        """
        ...
