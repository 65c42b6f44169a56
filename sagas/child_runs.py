"""Runs that a run begins: as their first event has them, and as far as there is room for them.

They count like runs that a client begins. One for which there is no room fails the attempt of its
node with the code of the limit, and may be tried again as the node's policy has it: to wait would
be to wait for oneself, where the runs that use the room up are those that wait.
"""

from uuid import UUID

from commands.execution_families import rows_of
from commands.plan_port import AdmittedExecution
from commands.ports import SideRow
from domain.attempts import Attempt, Failure
from domain.errors import OverLimit
from domain.event_recording import begin_aggregate
from domain.execution_outcomes import start_child
from domain.executions import Execution
from domain.identifiers import JsonObject, TenantId
from sagas.drive_parts import DriveParts
from sagas.effects import ChildWanted, Run


class ChildRuns:
    """Those that one drive begins with its next append. begun: so far. refusal: why there was no
    room for those of the last one, which were not stored.
    """

    def __init__(self, parts: DriveParts) -> None:
        self._parts = parts
        self.refusal: OverLimit | None = None
        self._room = 0
        self.begun: list[Execution] = []

    def forget(self) -> None:
        """What was begun is decided again."""
        self.begun = []

    def begin(
        self, run: Run, execution: Execution, attempt: Attempt, wanted: ChildWanted
    ) -> Failure | None:
        """Why there is no room for it; None when it begins, or its node wants it no more."""
        refusal = self.refusal
        if refusal is None or len(self.begun) < self._room:
            try:
                self._parts.admission.require_room(run.tenant_id)
            except OverLimit as over:
                refusal = over
            else:
                self._begin(execution, attempt, wanted)
                return None
        return Failure(
            refusal.code, refusal.detail, is_retryable=True, retry_after_s=refusal.retry_after_s
        )

    def rows(self, tenant_id: TenantId) -> list[SideRow]:
        rows = [row for child in self.begun for row in rows_of(child)]
        if self.begun and self._parts.plans.known(tenant_id).limits_executions:
            rows += [AdmittedExecution() for _ in self.begun]
        return rows

    def refused(self, refusal: OverLimit) -> None:
        """The plan has no room for all of them: half as many are tried, down to none."""
        self.refusal, self._room = refusal, len(self.begun) // 2

    def _begin(self, execution: Execution, attempt: Attempt, wanted: ChildWanted) -> None:
        child = child_of(execution, attempt.path, wanted, self._parts.ids.new())
        is_begun = start_child(
            execution,
            attempt.path,
            attempt.number,
            child.id,
            is_awaited=wanted.is_awaited,
            on_parent_close=wanted.on_parent_close,
        )
        if is_begun:
            self.begun.append(child)


def child_of(execution: Execution, path: str, wanted: ChildWanted, child_id: UUID) -> Execution:
    """path: of the node that begins it."""
    facts: JsonObject = {
        "workflow_id": str(wanted.workflow_id),
        "workflow_version": wanted.workflow_version,
        "agent_id": None,
        "definition_hash": wanted.definition_hash,
        "input": wanted.input,
        "created_by": execution.created_by,
        "parent_id": str(execution.id),
        "parent_path": path,
        "depth": execution.depth + 1,
        "forked_from_id": None,
        "forked_from_node": None,
        "subject_id": None if execution.subject_id is None else str(execution.subject_id),
        "data_subject": execution.data_subject,
    }
    return begin_aggregate(Execution, child_id, facts)
