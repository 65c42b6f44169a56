"""Whether a run may run a part of it, as of the moment at which it would."""

from commands.parts_port import Part, PartRights, Principals
from domain.attempts import Attempt
from sagas.effects import Run
from sagas.patient_load import read_in_time


async def is_refused(part: Part, rights: PartRights, *, attempt: Attempt, run: Run) -> bool:
    """The owner of the workflow counts only for what the definition names: an id that came with the
    input is the word of who began the run. Raises Unavailable.
    """
    author_of = run.workflow_id if part.part_id in run.named else None
    principals = Principals(run.created_by, author_of)
    refused = await read_in_time(
        lambda: rights.refused(run.tenant_id, [part], principals), attempt=attempt, run=run
    )
    return part.part_id in refused
