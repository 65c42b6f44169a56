"""sub_workflow: runs another workflow as a part of this run."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from domain.expressions import ExpressionFailed
from domain.identifiers import JsonObject
from domain.node_types import EffectfulNode, Scope
from domain.templates import JsonField, TextField, TextTemplate

# A workflow that starts itself would otherwise never come to an end.
DEPTH_MAX = 8


def is_id(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True


def _workflow_id(workflow_id: TextTemplate) -> TextTemplate:
    """What is not known before the run is checked in the run."""
    if workflow_id.is_constant and not is_id(str(workflow_id.raw)):
        raise PydanticCustomError("workflow_id", "must be the id of a workflow")
    return workflow_id


class SubWorkflow(EffectfulNode):
    """Starts a run of `workflow_id` with `input`. With `wait` (the default) its output is the
    child's output, and it fails when the child does; else it outputs `{execution_id}` at once.

    version: of the workflow; absent is the newest. on_parent_close: what becomes of a child that
    still runs when this run ends; absent, one that is waited for is cancelled, another goes on.
    """

    workflow_id: Annotated[TextField, AfterValidator(_workflow_id)]
    version: Annotated[int, Field(ge=1)] | None = None
    input: JsonField | None = None
    wait: bool = True
    on_parent_close: Literal["cancel", "abandon"] | None = None

    def is_repeatable(self) -> bool:
        """Looking up the definition is; the child itself begins with what is stored then."""
        return True

    def may_be_repeatable(self) -> bool:
        return False

    def request(self, scope: Scope) -> JsonObject:
        workflow_id = self.workflow_id.text(scope.roots)
        if not is_id(workflow_id):
            raise ExpressionFailed(
                "/workflow_id", f"`{workflow_id[:80]}` is not the id of a workflow"
            )
        return {
            "workflow_id": workflow_id,
            "version": self.version,
            "input": None if self.input is None else self.input.render(scope.roots),
            "wait": self.wait,
            "on_parent_close": self.on_parent_close or ("cancel" if self.wait else "abandon"),
        }
