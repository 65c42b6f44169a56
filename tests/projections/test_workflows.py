"""workflows and workflow_versions."""

from domain.workflows import Workflow
from projections.fold import rows_after
from projections.workflows import WORKFLOW_VERSIONS, WORKFLOWS
from tests.projections.histories import Stream, a_workflow, at, workflow_content


def a_revised_workflow() -> Stream:
    return a_workflow().happens(Workflow.Revised, workflow_version=2, **workflow_content("v2"))


def test_a_workflow_is_its_newest_version() -> None:
    workflow = a_revised_workflow()
    assert rows_after(WORKFLOWS, workflow.events) == [
        {
            "tenant_id": workflow.tenant_id,
            "workflow_id": workflow.stream_id,
            "name": "v2",
            "description": None,
            "is_public": False,
            "definition_hash": "hash of v2",
            "definition": '{"nodes":["v2"],"edges":[]}',
            "workflow_version": 2,
            "is_deleted": False,
            "created_at": at(1),
            "updated_at": at(2),
            "created_by": "user:ada",
            "version": 2,
        }
    ]


def test_a_deleted_workflow_keeps_its_row() -> None:
    (row,) = rows_after(WORKFLOWS, a_revised_workflow().happens(Workflow.Deleted).events)
    assert (row["is_deleted"], row["workflow_version"], row["updated_at"]) == (True, 2, at(3))


def test_every_version_of_a_workflow_stays() -> None:
    first, second = rows_after(
        WORKFLOW_VERSIONS, a_revised_workflow().happens(Workflow.Deleted).events
    )
    assert (first["workflow_version"], first["definition_hash"]) == (1, "hash of v1")
    assert (second["workflow_version"], second["definition_hash"]) == (2, "hash of v2")
    assert (first["created_at"], second["created_at"]) == (at(1), at(2))
