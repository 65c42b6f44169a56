"""Every change of a workflow is a new version under a hash; executions ask for the hash to run."""

from typing import Any
from uuid import UUID

import pytest

from domain.workflows import Workflow, WorkflowNotFound, WorkflowText, WorkflowVersionNotFound
from tests.domain.given import Act, Story, given, raises

WORKFLOW_ID = UUID("01890000-0000-7000-8000-0000000000bb")


def text(name: str, definition_hash: str = "one") -> WorkflowText:
    return WorkflowText(name, None, is_public=False, definition={}, definition_hash=definition_hash)


def fields(name: str, definition_hash: str = "one") -> dict[str, Any]:
    return {
        "name": name,
        "description": None,
        "is_public": False,
        "definition": {},
        "definition_hash": definition_hash,
    }


def a_workflow() -> Story[Workflow]:
    return Story(Workflow(id=WORKFLOW_ID, **fields("Answer")))


def revise(changed: WorkflowText) -> Act:
    return lambda story: story.aggregate.revise(changed)


def delete() -> Act:
    return lambda story: story.aggregate.delete()


def to_run(workflow_version: int | None = None) -> Act:
    return lambda story: story.aggregate.definition_hash(workflow_version)


def test_a_change_is_a_new_version() -> None:
    story = given(a_workflow()).when(revise(text("Reply", "two")))
    story.then(("workflow.revised", {"workflow_version": 2, **fields("Reply", "two")}))
    assert story.when(to_run()).answer == (2, "two")
    assert story.when(to_run(1)).answer == (1, "one")


def test_the_same_content_again_records_nothing() -> None:
    given(a_workflow()).when(revise(text("Answer"))).then()


def test_a_version_that_never_was_cannot_run() -> None:
    given(a_workflow()).when(raises(WorkflowVersionNotFound, to_run(2))).then()


@pytest.mark.parametrize("act", [revise(text("x")), delete(), to_run(1)])
def test_a_deleted_workflow_is_gone(act: Act) -> None:
    story = given(a_workflow()).when(delete()).then(("workflow.deleted", {}))
    story.when(raises(WorkflowNotFound, act)).then()
