"""Which definition a child runs: the newest version of its workflow, or the one asked for.

Looking that up is all there is to do here; the child begins with the append that records it.
"""

from uuid import UUID

from commands.parts_port import Part
from domain.attempts import Attempt
from domain.nodes.sub_workflow import DEPTH_MAX
from domain.workflows import Workflow, WorkflowNotFound, WorkflowVersionNotFound
from sagas.effects import AttemptFailed, ChildWanted, Effects, Run
from sagas.patient_load import load_in_time
from sagas.run_parts import is_refused


async def run_sub_workflow(attempt: Attempt, run: Run, on: Effects) -> ChildWanted:
    request = attempt.request
    if run.depth >= DEPTH_MAX:
        message = f"runs that start each other nest deeper than {DEPTH_MAX}"
        raise AttemptFailed("too_deep", message, is_retryable=False)
    workflow_id = UUID(str(request["workflow_id"]))
    workflow = await load_in_time(Workflow, workflow_id, on.events, attempt=attempt, run=run)
    if workflow is not None and not workflow.text.is_public:
        part = Part(workflow_id, "workflows:execute")
        if await is_refused(part, on.parts, attempt=attempt, run=run):
            on.events.keep(workflow, run.tenant_id)
            workflow = None
    if workflow is None:
        message = f"there is no workflow {workflow_id}"
        raise AttemptFailed("workflow_not_found", message, is_retryable=False)
    wanted = request.get("version")
    try:
        version, definition_hash = workflow.definition_hash(
            wanted if isinstance(wanted, int) else None
        )
    except (WorkflowNotFound, WorkflowVersionNotFound) as error:
        raise AttemptFailed(error.code, error.detail, is_retryable=False) from error
    finally:
        on.events.keep(workflow, run.tenant_id)
    return ChildWanted(
        workflow_id,
        version,
        definition_hash,
        request.get("input"),
        is_awaited=bool(request["wait"]),
        on_parent_close="abandon" if request["on_parent_close"] == "abandon" else "cancel",
    )
