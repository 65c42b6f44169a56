"""Runs that a run begins, as their first event has them."""

from uuid import UUID

from domain.executions import Execution
from sagas.effects import ChildWanted


def child_of(execution: Execution, path: str, wanted: ChildWanted, child_id: UUID) -> Execution:
    """path: of the node that begins it."""
    return Execution._create(  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] # documented by the library for a chosen id
        Execution.Created,
        id=child_id,
        workflow_id=str(wanted.workflow_id),
        workflow_version=wanted.workflow_version,
        agent_id=None,
        definition_hash=wanted.definition_hash,
        input=wanted.input,
        created_by=execution.created_by,
        parent_id=str(execution.id),
        parent_path=path,
        depth=execution.depth + 1,
        forked_from_id=None,
        forked_from_node=None,
        subject_id=None if execution.subject_id is None else str(execution.subject_id),
        data_subject=execution.data_subject,
    )
