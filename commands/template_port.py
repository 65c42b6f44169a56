"""Templates: the rows that say what is offered, beside the events, and the embeddings of them that
a worker makes. Adapter: infra/workflow_templates.py.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, TypeAlias
from uuid import UUID

from domain.identifiers import TenantId

# Rows are written in the transaction of the events that say so.


@dataclass(frozen=True, slots=True)
class OfferedTemplate:
    """This version of the workflow is what is offered now."""

    workflow_id: UUID
    workflow_version: int


@dataclass(frozen=True, slots=True)
class WithdrawnTemplate:
    workflow_id: UUID


TemplateRow: TypeAlias = OfferedTemplate | WithdrawnTemplate


class DueTemplate(NamedTuple):
    """attempts_count: with this one, those since something was last made of it."""

    tenant_id: TenantId
    workflow_id: UUID
    workflow_version: int
    attempts_count: int


class Templates(Protocol):
    """Those that have no embedding of their version by the model yet, leased to one worker at a
    time.
    """

    async def claim(self, lease_s: float) -> DueTemplate | None: ...

    async def embedded(self, due: DueTemplate, model: str, vector: Sequence[float]) -> None:
        """Of the version that was claimed. If there is a newer one, that is still due."""
        ...

    async def failed(self, due: DueTemplate, *, retry_in_s: float, others_in_s: float) -> None:
        """others_in_s: when others of the same tenant come, which are due now."""
        ...

    async def forget(self, due: DueTemplate) -> None:
        """It is not there to be offered."""
        ...

    async def renew(self, model: str) -> int:
        """Those that were embedded by another model become due; how many."""
        ...
