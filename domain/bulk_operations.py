"""BulkOperation: one decision about many executions, worked off page by page.

    Created ──► Progressed ──► Progressed ──► ... ──► Completed
                    │
                    └──► Cancelled ──► Progressed, of the page that was under way

Candidates come from a view, newest first, and each is decided from its own events: what a rule
refuses is counted, and the rest goes on.
"""

from collections.abc import Sequence
from typing import Literal, TypeAlias
from uuid import UUID

from eventsourcing.domain import event

from domain.aggregates import Aggregate
from domain.errors import NotFound, Refused
from domain.identifiers import Json, JsonObject

BulkAction: TypeAlias = Literal["cancel", "retry", "fork", "upgrade"]

EXECUTIONS_MAX = 10_000
REFUSALS_MAX = 20


class BulkOperationNotFound(NotFound):
    """There is no such bulk operation."""


class BulkOperationCompleted(Refused):
    """This bulk operation has completed; there is nothing left to cancel."""


class BulkOperation(Aggregate):
    """cursor: what is still to be done is older than this execution."""

    TOPIC = "bulk_operation"

    class Created(Aggregate.Created):
        """filter: of executions, see ExecutionFilter in commands/bulk_port.py. parameters: of the
        action. executions_max: how many are looked at.
        """

        TOPIC = "bulk_operation.created"
        action: str
        filter: JsonObject
        parameters: JsonObject
        cursor: str
        executions_max: int
        created_by: str

    class Progressed(Aggregate.Event):
        """One page. refusals: {execution_id, code, detail}, at most 20 in the whole operation."""

        TOPIC = "bulk_operation.progressed"
        cursor: str
        done_count: int
        refused_count: int
        refusals: list[JsonObject]

    class Completed(Aggregate.Event):
        TOPIC = "bulk_operation.completed"

    class Cancelled(Aggregate.Event):
        TOPIC = "bulk_operation.cancelled"

    @event(Created)
    def __init__(
        self,
        *,
        id: UUID,  # noqa: A002, ARG002 # taken by the library, which calls it so
        action: str,
        filter: JsonObject,  # noqa: A002 # the event's name for it
        parameters: JsonObject,
        cursor: str,
        executions_max: int,
        created_by: str,
    ) -> None:
        self.action = action
        self.filter = filter
        self.parameters = parameters
        self.cursor = UUID(cursor)
        self.executions_max = executions_max
        self.created_by = created_by
        self.done_count = 0
        self.refused_count = 0
        self.refusals: list[JsonObject] = []
        self.is_completed = False
        self.is_cancelled = False

    @property
    def is_over(self) -> bool:
        return self.is_completed or self.is_cancelled

    @property
    def left_count(self) -> int:
        """How many executions it may still look at."""
        return self.executions_max - self.done_count - self.refused_count

    def progress(
        self, page: Sequence[UUID], refusals: Sequence[JsonObject], *, has_more: bool
    ) -> None:
        """page: what was looked at, newest first. refusals: of those that a rule refused. Also
        of an operation that was cancelled meanwhile.
        """
        assert not self.is_completed
        if page:
            room = REFUSALS_MAX - len(self.refusals)
            self._progressed(
                cursor=str(page[-1]),
                done_count=len(page) - len(refusals),
                refused_count=len(refusals),
                refusals=list(refusals[:room]),
            )
        if not self.is_cancelled and (not has_more or self.left_count <= 0):
            self._completed()

    def cancel(self) -> None:
        """What was done stays done, and nothing more is begun. Raises BulkOperationCompleted."""
        if self.is_completed:
            raise BulkOperationCompleted
        if not self.is_cancelled:
            self._cancelled()

    @event(Progressed)
    def _progressed(
        self, cursor: str, done_count: int, refused_count: int, refusals: list[JsonObject]
    ) -> None:
        self.cursor = UUID(cursor)
        self.done_count += done_count
        self.refused_count += refused_count
        self.refusals.extend(refusals)

    @event(Completed)
    def _completed(self) -> None:
        self.is_completed = True

    @event(Cancelled)
    def _cancelled(self) -> None:
        self.is_cancelled = True


def a_refusal(execution_id: UUID, code: str, detail: str) -> JsonObject:
    refusal: dict[str, Json] = {"execution_id": str(execution_id), "code": code, "detail": detail}
    return refusal
